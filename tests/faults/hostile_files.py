"""Model files and archives that want to run something, or to take more memory than there is."""

import gzip
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.scenes import make_shop

_SECRET = (12, 34, 56)  # the colour of a picture that lies outside


class _Payload:
    """Unpickled by an ordinary reader, it leaves a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.place / "executed",))


def models(place: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    import torch

    from fewshot.__main__ import main
    from fewshot.encoders.small_resnet import SmallResNet
    from fewshot.models.digest import digest_of
    from fewshot.models.model_file import save_model
    from fewshot.objectives.transfer_net import TransferNet
    from tests.objectives.toy import spec

    photo = make_shop(place / "photos", train=1, test=1).root / "images"

    def predict(path: Path) -> Callable[[], int]:
        return lambda: main(["predict", str(path), str(photo)])

    path = place / "model.mdl"
    save_model(TransferNet(spec(), lambda **sizes: SmallResNet(**sizes, widths=(4,))), path)
    content = torch.load(path, weights_only=True)
    del content["digest"]
    for name in ("Trainer", "FashionDataset", "main", "os.system", "KNN", "torch.optim.Adam"):
        for part in ("encoder", "classifier"):
            changed = {**content, part: {**content[part], "name": name, "arguments": {}}}
            own = place / f"{name}-{part}.mdl"
            torch.save(changed | {"digest": digest_of(changed)}, own)
            yield f"a model whose {part} is {name}", predict(own)
    wide = {**content["encoder"]["arguments"], "widths": (1 << 20, 1 << 20)}
    changed = {**content, "encoder": {**content["encoder"], "arguments": wide}}
    torch.save(changed | {"digest": digest_of(changed)}, place / "wide.mdl")
    yield "a model of an enormous encoder", predict(place / "wide.mdl")
    torch.save(_Payload(place), place / "code.mdl")
    yield "a model that is a program", predict(place / "code.mdl")
    (place / "plain.mdl").write_bytes(pickle.dumps(_Payload(place)))
    yield "a model that is a plain pickle", predict(place / "plain.mdl")
    yield "a model that is a zip bomb", predict(_zip_bomb(path, place / "bomb.mdl"))


def _zip_bomb(model: Path, bomb: Path) -> Path:
    """The model with 4 GB of zeros, deflated, in the place of one of its tensors."""
    with zipfile.ZipFile(model) as whole, _deflated(bomb) as file:
        names = whole.namelist()
        big = next(name for name in names if "/data/" in name)
        for name in names:
            if name != big:
                file.writestr(name, whole.read(name))
        with file.open(big, "w", force_zip64=True) as inner:
            for _ in range(16):
                inner.write(bytes(1 << 28))
    return bomb


def _deflated(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


def archives(place: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """Archives that importers read."""
    from fewshot.console import exit_code
    from fewshot.data.importers.cifar10 import Cifar10
    from fewshot.data.importers.deep_fashion import DeepFashion
    from fewshot.data.importers.fashion_mnist import FashionMNIST
    from tests.faults.pictures import _cifar, _deep_fashion, _fashion_mnist

    def importing(importer: Callable[[Path], object]) -> Callable[[], int]:
        root = place / "root"
        shutil.rmtree(root, ignore_errors=True)
        return lambda: exit_code(lambda: importer(root) and None)

    bombs = {
        "a program": pickle.dumps(_Payload(place), protocol=2),
        "a memo of 2**31 entries": b"\x80\x02]r\xff\xff\xff\x7f.",
        "an array of 8 GB": b"\x80\x05\x96" + struct.pack("<Q", 8 << 30) + b"abc.",
        "lists a hundred thousand deep": b"\x80\x02" + b"(" * 100_000 + b"." ,
    }  # fmt: skip
    for name, content in bombs.items():
        source = place / f"cifar {name[:9]}"
        _cifar(source)
        (source / "py/data_batch_1").write_bytes(content)
        yield f"a CIFAR-10 pickle of {name}", importing(Cifar10(source / "py"))
    _fashion_mnist(place / "mnist")
    with gzip.open(place / "mnist/train-images-idx3-ubyte.gz", "wb", 1) as file:
        for _ in range(16):
            file.write(bytes(1 << 28))
    yield "a gzip bomb of 4 GB", importing(FashionMNIST(place / "mnist"))
    _secret(place / "outside/secret.png")
    for name in ("../outside/secret.png", f"{place}/outside/secret.png"):
        source = place / f"deep{len(name)}"
        _deep_fashion(source)
        for text in ("list_category_img.txt", "list_eval_partition.txt"):
            lines = (source / text).read_text().splitlines()
            lines[2] = f"img/../{name} {lines[2].split()[-1]}" if name[0] == "." else (
                f"{name} {lines[2].split()[-1]}"
            )  # fmt: skip
            (source / text).write_text("\n".join(lines) + "\n")
        yield (
            f"a DeepFashion list of {name}",
            _without_secret(place, importing(DeepFashion(source))),
        )


def _secret(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (16, 16), _SECRET).save(path)


def _without_secret(place: Path, work: Callable[[], int]) -> Callable[[], int]:
    """The same work, which fails where the list it makes leads to the secret picture."""

    def checked() -> int:
        code = work()
        listed = place / "root/images.csv"
        return 99 if listed.is_file() and "secret" in listed.read_text() else code

    return checked
