"""What runs are attacked: one of every objective, on a shop of coloured patches."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import COLOURS, Shop, photo

SMALL = [
    "SmallResNet.widths = (4,)",
    "Trainer.checkpoint_steps = 2",
    "Trainer.patience = None",
    "main.num_epochs = 2",
    "main.validation_fraction = 0.25",
    "EmbeddingMap.max_points = 12",
    "Reconstructions.n_images = 2",
    "SelectRows.fraction = 1.0",
    "NovelEpisodes.n_way = 2",
    "NovelEpisodes.n_shot = (1,)",
    "NovelEpisodes.n_query = 2",
    "NovelEpisodes.n_episodes = 10",
    "ShuffledBatches.batch_size = 12",
]
NOVEL = [
    "test/FashionDataset.csv_file = None",
    "Episodes.episodes_per_epoch = 6",
    *("n_way = 3", "n_shot = 2", "n_query = 2"),
]
BALANCED = [
    "BalancedBatches.classes_per_batch = 3",
    "BalancedBatches.images_per_class = 4",
    "BalancedBatches.batches_per_epoch = 5",
]
TRIPLETS = ["TripletBatches.batch_size = 12", "TripletBatches.triplets_per_epoch = 24"]
# the config under configs/, and what it takes besides
OBJECTIVES: dict[str, list[str]] = {
    "transfer": ["Trainer.ema_decay = 0.9"],
    "triplet": TRIPLETS,
    "rotation": [],
    "exemplar": [],
    "autoencoder": [],
    "simclr": [],
    "vicreg": [],
    "byol": [],
    "metric/proxy_anchor": BALANCED,
    "metric/semi_hard": BALANCED,
    "metric/arcface": BALANCED,
    "few_shot/prototypical": NOVEL,
    "few_shot/matching": NOVEL,
}


def make_shop(root: Path, train: int = 16, test: int = 4) -> Shop:
    """Three classes of patches, and the test photos once more as classes never trained on."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        rows, novel = [], []
        for name, colour in COLOURS.items():
            for number in range(count):
                image_id = f"{split}{name}{number}"
                photo(colour, rng).save(root / "images" / f"{image_id}.jpg", quality=90)
                rows.append(f"{image_id},{name}\n")
                novel.append(f"{image_id},Old {name}\n")
        (root / f"{split}.csv").write_text("id,articleType\n" + "".join(rows))
        (root / "novel.csv").write_text("id,articleType\n" + "".join(novel))
    return Shop(root)


@dataclass(frozen=True)
class Scene:
    """One run; output: the folder that its experiment's is made in; cache: of its own."""

    name: str
    shop: Shop
    output: Path
    more: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The experiment's."""
        return self.output / "run"

    def command(self) -> list[str]:
        """The arguments that start it."""
        novel = f"novel/FashionDataset.csv_file = '{self.shop.root}/novel.csv'"
        own = [*OBJECTIVES[self.name], *([novel] if "few_shot" in self.name else [])]
        cache = f"FashionDataset.cache_dir = '{self.output}/cache'"
        bound = [*self.shop.bindings(), cache, *SMALL, *own, *self.more]
        typed = [flag for binding in bound for flag in ("-p", binding)]
        place = ["--output-dir", str(self.output), "--name", "run"]
        return ["-c", f"configs/{self.name}.gin", *typed, *place]

    def go_on(self) -> list[str]:
        """The arguments that resume it, or start it where it has not begun."""
        begun = (self.folder / "config.gin").is_file()
        return ["--resume", str(self.folder)] if begun else self.command()

    def run(self, arguments: list[str]) -> int:
        """The command line's own exit code."""
        import experiment

        return experiment.run(arguments)


def fingerprint(folder: Path) -> dict[str, Any]:
    """All that two runs alike have alike: the tensors, the figures, the rows, the files."""
    from fewshot.models.digest import digest_of
    from fewshot.models.model_file import load_model

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    found = {
        "model": digest_of(load_model(folder / "model.mdl").tensors()),
        "rows": [_untimed(json.loads(line)) for line in lines],
        "results": _untimed(json.loads((folder / "results.json").read_text())),
        "files": sorted(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if "tfevents" not in path.name and not path.name.endswith(".previous")
        ),
    }
    for path in sorted(folder.rglob("*.csv")):
        found[path.name] = path.read_text()
    return found


# config: where a run that is resumed before environment.json was written has it from
_TIMES = ("seconds", "train_seconds", "name", "inference", "config")


def _untimed(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _TIMES}


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What is not alike, in words; empty where all is."""
    return ", ".join(
        f"{key}: {str(found.get(key))[:80]} not {str(wanted.get(key))[:80]}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    )


def leftovers(output: Path) -> list[str]:
    """Hidden, partial and temporary files that no run should leave."""
    return [
        str(path.relative_to(output))
        for path in output.rglob("*")
        if path.name.startswith(".") or path.name.endswith((".tmp", ".next", ".partial"))
    ]


def keep_warm() -> None:
    """Import what runs import on their way, so that a forked one does not."""
    import torch.utils.tensorboard  # noqa: F401
    from matplotlib import pyplot  # noqa: F401

    import experiment  # noqa: F401
    from fewshot.binding.registrations import register_all
    from fewshot.reports import canvas, page, plots  # noqa: F401

    register_all()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
