"""Cases of pictures, lists of them, and other layouts' archives."""

import gzip
import hashlib
import io
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from tests.faults.files import damaged, mistyped
from tests.faults.mutated import Case, told_in_words


def picture_cases(folder: Path) -> Case:
    """A photo of every format that is read: pixels, or a reason."""
    import numpy as np
    from PIL import Image

    from fewshot.data.audit.looks import look
    from fewshot.data.images.decode import ImageFormat, decode_each, decode_file
    from fewshot.data.images.photo import FORMATS
    from fewshot.data.images.store import open_store

    rng = np.random.default_rng(0)
    contents = []
    for kind in FORMATS:
        for mode in ("RGB", "L"):
            pixels = rng.integers(0, 256, (24, 18, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).convert(mode).save(stream, kind)
            contents.append(stream.getvalue())
    (folder / "images").mkdir(exist_ok=True)
    path, wanted = folder / "images/a.jpg", ImageFormat((8, 6), 3, "pad")

    def use() -> str:
        _, failures = decode_each([lambda: decode_file(path, wanted)], wanted)
        if any(not failure.reason for failure in failures.values()):
            return "no reason"
        look(open_store(folder), ["a"])
        return "refused" if failures else "read"

    def case(draws: random.Random) -> str:
        path.write_bytes(damaged(draws.choice(contents), draws))
        return use()

    return case


def _mistaken(text: str, draws: random.Random) -> bytes:
    """By a person, or by a disk."""
    if draws.random() < 0.7:
        return mistyped(text, draws).encode()
    return damaged(text.encode(), draws)


def list_cases(folder: Path) -> Case:
    """images.csv, images.npy and images_ids.txt."""
    import numpy as np
    from PIL import Image

    from fewshot.data.images.decode import ImageFormat
    from fewshot.data.images.store import open_store

    wanted = ImageFormat((8, 6), 3, "pad")
    listed, array = folder / "listed", folder / "array"
    for place in (listed, array):
        place.mkdir(exist_ok=True)
    for number in range(5):
        Image.new("L", (6, 8), number).save(listed / f"{number}.png")
    table = "id,path\n" + "".join(f"{number},{number}.png\n" for number in range(5))
    np.save(array / "images.npy", np.zeros((5, 8, 6), np.uint8))
    whole, ids = (array / "images.npy").read_bytes(), "0\n1\n2\n3\n4\n"

    def use(place: Path) -> None:
        store = open_store(place)
        found = list(store.find("01234"))
        for image_id in "01234":
            store.place(image_id)
        store.decode(found, wanted)

    def case(draws: random.Random) -> str:
        way = draws.randrange(3)
        if way == 0:
            (listed / "images.csv").write_bytes(_mistaken(table, draws))
            return told_in_words(lambda: use(listed))
        content, names = whole, ids.encode()
        if way == 1:
            content = damaged(whole[:128], draws) + whole[128:]
        else:
            names = _mistaken(ids, draws)
        (array / "images.npy").write_bytes(content)
        (array / "images_ids.txt").write_bytes(names)
        return told_in_words(lambda: use(array))

    return case


def _cifar(folder: Path) -> None:
    """Both versions of CIFAR-10, ten images a file."""
    import numpy as np

    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        pixels, labels = rng.integers(0, 256, (10, 3072), dtype=np.uint8), list(range(10))
        content = {b"labels": labels, b"data": pixels}
        (folder / "py").mkdir(exist_ok=True, parents=True)
        (folder / "py" / name).write_bytes(pickle.dumps(content, protocol=2))
        (folder / "bin").mkdir(exist_ok=True)
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
        (folder / "bin" / f"{name}.bin").write_bytes(records.tobytes())
    names = [f"class {number}" for number in range(10)]
    (folder / "py/batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))
    (folder / "bin/batches.meta.txt").write_text("\n".join(names))


def _deep_fashion(folder: Path) -> None:
    from PIL import Image

    images = [(f"img/{kind}/{n}.jpg", kind) for kind in ("Blouse", "Anorak") for n in range(3)]
    for name, _ in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 8), 3).save(folder / name)
    labels = {"Blouse": 2, "Anorak": 1}
    lists = {
        "list_category_img.txt": [(name, labels[kind]) for name, kind in images],
        "list_eval_partition.txt": [(n, ("train", "test", "val")[i % 3]) for i, (n, _) in
                                    enumerate(images)],
        "list_category_cloth.txt": [("Anorak", 1), ("Blouse", 1)],
    }  # fmt: skip
    for name, rows in lists.items():
        lines = [str(len(rows)), "name  value", *(f"{one:<40}{two}" for one, two in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")


def _fashion_mnist(folder: Path) -> None:
    """Four idx files of ten images, whose checksums are taken for the right ones."""
    from fewshot.data.importers import fashion_mnist, fashion_mnist_sources

    folder.mkdir()
    for split in ("train", "t10k"):
        images = struct.pack(">I3I", 0x803, 10, 28, 28) + bytes(10 * 784)
        labels = struct.pack(">II", 0x801, 10) + bytes(range(10))
        for name, content in (("images-idx3", images), ("labels-idx1", labels)):
            full = f"{split}-{name}-ubyte"
            fashion_mnist.SHA256[full] = hashlib.sha256(content).hexdigest()
            (folder / f"{full}.gz").write_bytes(gzip.compress(content))
    fashion_mnist_sources.DEBIAN_FOLDER = folder / "none"
    fashion_mnist_sources.from_torchvision = _nothing  # type: ignore[assignment]
    fashion_mnist_sources.from_debian = _nothing  # type: ignore[assignment]


def _nothing(_scratch: Path) -> Path:
    from fewshot.data.importers.fashion_mnist_sources import UnavailableError

    raise UnavailableError("no network in these cases")


def importer_cases(folder: Path) -> Case:
    """One file of an archive damaged, then imported, by each of the importers."""
    from fewshot.data.importers.cifar10 import Cifar10
    from fewshot.data.importers.deep_fashion import DeepFashion
    from fewshot.data.importers.fashion_mnist import FashionMNIST

    shutil.rmtree(folder)
    folder.mkdir()
    _cifar(folder / "cifar")
    _deep_fashion(folder / "deep")
    _fashion_mnist(folder / "mnist")
    importers: dict[Path, Callable[[Path], object]] = {
        folder / "cifar/py": Cifar10(folder / "cifar/py", top=2),
        folder / "cifar/bin": Cifar10(folder / "cifar/bin", top=2),
        folder / "deep": DeepFashion(folder / "deep", top=1),
        folder / "mnist": FashionMNIST(folder / "mnist", top=2),
    }
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.suffix != ".jpg"
            and path.is_file()}  # fmt: skip

    def case(draws: random.Random) -> str:
        source, importer = draws.choice(list(importers.items()))
        path = draws.choice([path for path in kept if path.is_relative_to(source)])
        content = kept[path]
        if path.suffix == ".txt" and draws.random() < 0.7:
            path.write_text(mistyped(content.decode(), draws), encoding="utf-8")
        else:
            path.write_bytes(damaged(content, draws))
        shutil.rmtree(folder / "root", ignore_errors=True)
        try:
            return told_in_words(lambda: importer(folder / "root") and None)
        finally:
            path.write_bytes(content)

    return case
