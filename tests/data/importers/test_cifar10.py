import contextlib
import pickle

import numpy as np
import pytest

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.cifar10 import Cifar10, to_images
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError
from tests.data.images.test_mutated import mutated

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
ROWS = 20


def batch(number):
    random = np.random.default_rng(number)
    pixels = random.integers(0, 256, (ROWS, 3072), dtype=np.uint8)
    return pixels, [(number + row) % 10 for row in range(ROWS)]


def write_python(folder):
    folder.mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        pixels, labels = batch(number)
        content = {
            b"batch_label": name.encode(),
            b"labels": labels,
            b"data": pixels,
            b"filenames": [b"a.png"] * ROWS,
        }
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta = {b"label_names": [name.encode() for name in NAMES], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))


def write_binary(folder):
    folder.mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        pixels, labels = batch(number)
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")


def test_planes_become_pixels():
    pixels = np.arange(3072, dtype=np.int64).astype(np.uint8)[None]
    image = to_images(pixels)[0]
    for y, x in ((0, 0), (0, 31), (17, 5)):
        for channel in range(3):
            assert image[y, x, channel] == pixels[0, 1024 * channel + 32 * y + x]


@pytest.mark.parametrize(
    ("write", "inner"),
    [
        (write_python, "."),
        (write_python, "cifar-10-batches-py"),
        (write_binary, "."),
        (write_binary, "cifar-10-batches-bin"),
    ],
)
def test_both_versions_give_the_same(tmp_path, write, inner):
    source, root = tmp_path / "source", tmp_path / "root"
    write(source / inner)
    Cifar10(source)(root)
    dataset = FashionDataset(root / "styles.csv", root, image_size=(32, 32))
    assert dataset.ids.tolist() == [str(n) for n in range(120)]
    assert dataset.class_names == tuple(NAMES)
    assert dataset.labels.tolist() == [n for k in range(6) for n in batch(k)[1]]
    expected = np.concatenate([batch(k)[0] for k in range(6)]).reshape(120, 3, 32, 32)
    np.testing.assert_array_equal(dataset.images(np.arange(120)).numpy(), expected)
    assert read_rows(root / "test.csv")["id"].tolist() == [str(n) for n in range(100, 120)]


def test_missing_files_are_named(tmp_path):
    write_python(tmp_path / "py")
    (tmp_path / "py/data_batch_3").unlink()
    with pytest.raises(UserError, match=r"/py has no data_batch_3: unpack the archive again"):
        Cifar10(tmp_path / "py")(tmp_path / "root")
    write_binary(tmp_path / "bin")
    (tmp_path / "bin/batches.meta.txt").unlink()
    with pytest.raises(UserError, match=r"batches.meta.txt is missing or names no classes"):
        Cifar10(tmp_path / "bin")(tmp_path / "root")
    with pytest.raises(UserError, match=r"has neither data_batch_1 nor data_batch_1.bin .*unpack"):
        Cifar10(tmp_path)(tmp_path / "root")


def test_a_label_without_a_name_is_refused(tmp_path):
    write_binary(tmp_path / "bin")
    (tmp_path / "bin/batches.meta.txt").write_text("airplane\nautomobile\n")
    with pytest.raises(UserError, match=r"bin: label 2 has no name among the 2 classes"):
        Cifar10(tmp_path / "bin")(tmp_path / "root")


@pytest.mark.parametrize("seed", range(2))
def test_mutated_archives_are_read_or_a_message(tmp_path, seed):
    rng = np.random.default_rng(seed)
    source = tmp_path / "source"
    (write_python, write_binary)[seed](source)
    files = sorted(source.iterdir())
    for number in range(40):
        path = files[rng.integers(len(files))]
        whole = path.read_bytes()
        path.write_bytes(mutated(whole, rng))
        with contextlib.suppress(UserError):
            Cifar10(source)(tmp_path / f"root{number}")
        path.write_bytes(whole)
