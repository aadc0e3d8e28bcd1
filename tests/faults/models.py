"""Cases of model files, checkpoints and packed pixels: what is damaged is noticed."""

import contextlib
import logging
import random
import shutil
import zlib
from pathlib import Path
from typing import Any

from tests.faults.files import VALUES, damaged, flipped, one_wrong_field
from tests.faults.mutated import Case, SilentError, silent_unless, told_in_words


def _tensors() -> tuple[Any, ...]:
    import torch

    wrong = (torch.zeros(2), torch.zeros(0), torch.full((2,), torch.nan), torch.tensor(3))
    return (*VALUES, *wrong, torch.zeros(2, dtype=torch.complex64), b"bytes", torch.float32)


def model_cases(folder: Path) -> Case:
    """model.mdl: cut, with a flipped bit, or with one wrong field and the digest that fits it."""
    import torch

    from fewshot.encoders.small_resnet import SmallResNet
    from fewshot.models.digest import digest_of
    from fewshot.models.load import load
    from fewshot.models.model_file import load_model, save_model
    from fewshot.objectives.transfer_net import TransferNet
    from tests.objectives.toy import spec

    path = folder / "model.mdl"
    save_model(TransferNet(spec(), lambda **sizes: SmallResNet(**sizes, widths=(4,))), path)
    whole, before = path.read_bytes(), load_model(path)
    content = torch.load(path, weights_only=True)
    del content["digest"]

    def use() -> None:
        model = load(path)
        if model.image_size[0] * model.image_size[1] < 10_000:
            size = (1, model.image_channels or 1, *model.image_size)
            model(torch.zeros(size, dtype=torch.uint8))

    def undamaged() -> None:
        after = load_model(path)
        same = digest_of(after.tensors()) == digest_of(before.tensors())
        silent_unless(same and after.class_names == before.class_names, "another model")

    def case(rng: random.Random) -> str:
        if rng.random() < 0.5:
            path.write_bytes(rng.choice((damaged, flipped))(whole, rng))
            return told_in_words(undamaged)
        changed = one_wrong_field(content, rng, _tensors())
        torch.save(changed | {"digest": digest_of(changed)}, path)
        return told_in_words(use)

    return case


def checkpoint_cases(folder: Path) -> Case:
    """last.ckpt, and then the training that goes on from it."""
    import torch

    from fewshot.experiment.tensor_bytes import DamagedError, sealed, unsealed
    from tests.training.tiny_training import TinyNet, cpu_trainer, make_fit

    run = folder / "run"
    with contextlib.suppress(KeyboardInterrupt):
        cpu_trainer().fit(make_fit(run, TinyNet(die_at=6)))
    kept = folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run, kept)
    whole = (kept / "last.ckpt").read_bytes()
    stored = unsealed(whole)

    def undamaged() -> None:
        try:
            found = unsealed((run / "last.ckpt").read_bytes())
        except DamagedError:
            return
        silent_unless(sealed(found) == sealed(stored), "another checkpoint")

    def case(rng: random.Random) -> str:
        shutil.rmtree(run)
        shutil.copytree(kept, run)
        if rng.random() < 0.5:
            (run / "last.ckpt").write_bytes(rng.choice((damaged, flipped))(whole, rng))
            undamaged()
            (run / "last.ckpt.previous").unlink(missing_ok=True)
        else:
            changed = one_wrong_field(stored, rng, _tensors())
            (run / "last.ckpt").write_bytes(sealed(changed))
            (run / "last.ckpt.previous").unlink(missing_ok=True)
        fit = make_fit(run, TinyNet(), resume=True)
        return told_in_words(lambda: cpu_trainer().fit(fit) and None)

    torch.manual_seed(0)
    return case


def metrics_cases(folder: Path) -> Case:
    """metrics.jsonl: what is read again is what was written, or it is said that it is not."""
    from fewshot.experiment.artifacts import ExperimentFolder
    from fewshot.training.tracking import MetricsLog

    names = ("train", "validation")
    rows = [
        {
            "split": name,
            "epoch": epoch,
            "step": 4 * epoch,
            "seconds": 0.5 * epoch,
            "loss": 1 / epoch,
        }
        for epoch in (1, 2, 3)
        for name in names
    ]

    def whole(run: Path) -> None:
        log = MetricsLog(ExperimentFolder(run))
        for row in rows:
            log.record(**{k: row[k] for k in ("split", "epoch", "step", "seconds")},
                       figures={"loss": row["loss"]})  # fmt: skip
        log.close()

    shutil.rmtree(folder / "run", ignore_errors=True)
    (folder / "run").mkdir()
    whole(folder / "run")
    content = (folder / "run/metrics.jsonl").read_bytes()
    said: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = said.append
    logging.getLogger("fewshot").addHandler(listener)

    def use() -> None:
        log = MetricsLog(ExperimentFolder(folder / "run"))
        log.cut_back(len(content), zlib.crc32(content))
        log.rows()
        log.record("train", 4, 16, 2.0, {"loss": 0.1})
        log.close()

    def case(rng: random.Random) -> str:
        found = damaged(content, rng)
        (folder / "run/metrics.jsonl").write_bytes(found)
        said.clear()
        outcome = told_in_words(use)
        if found[: len(content)] != content and not said:
            raise SilentError(f"{found!r} is taken for what was written")
        return outcome

    return case


def pack_cases(folder: Path) -> Case:
    """A cache of packed pixels: whatever is damaged in it, the images are right."""
    import numpy as np

    from fewshot.data.dataset import FashionDataset
    from tests.faults.scenes import make_shop

    shutil.rmtree(folder)
    root = make_shop(folder / "shop", train=4, test=1).root

    def images() -> Any:
        shape = {"image_size": (8, 8), "cache_dir": folder / "cache"}
        dataset = FashionDataset(root / "train.csv", root, **shape)  # type: ignore[arg-type]
        return dataset.images(np.arange(len(dataset))).clone()

    right = images()
    kept = {path: path.read_bytes() for path in (folder / "cache").rglob("*") if path.is_file()}

    def use() -> None:
        silent_unless(bool((images() == right).all()), "other pixels")

    def case(rng: random.Random) -> str:
        shutil.rmtree(folder / "cache")
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        path = rng.choice([path for path, content in kept.items() if content])
        path.write_bytes(rng.choice((damaged, flipped, flipped))(kept[path], rng))
        if rng.random() < 0.1:
            path.unlink()
        return told_in_words(use)

    return case
