import gzip
import os
import shutil

import numpy as np
import pytest

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers import fashion_mnist, fashion_mnist_sources
from fewshot.data.importers.fashion_mnist import CLASS_NAMES, SHA256, FashionMNIST
from fewshot.data.importers.fashion_mnist_sources import UnavailableError
from fewshot.data.importers.idx_files import parse_idx, read_content
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test fetches anything: torchvision and Debian have nothing unless a test says so."""

    def nothing(scratch):
        raise UnavailableError("no network")

    monkeypatch.setattr(fashion_mnist_sources, "from_torchvision", nothing)
    monkeypatch.setattr(fashion_mnist_sources, "from_debian", nothing)


def test_images_and_labels_are_those_of_the_files(sample, tmp_path):
    root = tmp_path / "root"
    FashionMNIST(source=sample)(root)
    for csv, part, count, first in (("train", "train", 400, 0), ("test", "t10k", 200, 400)):
        dataset = FashionDataset(root / f"{csv}.csv", root, image_size=(28, 28), channels=1)
        assert dataset.ids.tolist() == [str(first + row) for row in range(count)]
        images = parse_idx(read_content(sample, f"{part}-images-idx3-ubyte"))
        labels = parse_idx(read_content(sample, f"{part}-labels-idx1-ubyte"))
        np.testing.assert_array_equal(dataset.images(np.arange(count))[:, 0].numpy(), images)
        assert dataset.class_names == tuple(sorted(CLASS_NAMES))
        names = [dataset.class_names[label] for label in dataset.labels]
        assert names == [CLASS_NAMES[label] for label in labels]


def test_layout_is_that_of_the_kaggle_set(sample, tmp_path):
    FashionMNIST(source=str(sample), top=5)(tmp_path / "root")
    styles = read_rows(tmp_path / "root/styles.csv")
    assert styles.columns.tolist() == ["id", "articleType", "year", "split"]
    assert styles["year"].tolist() == ["2018"] * 400 + ["2019"] * 200
    frequent = read_rows(tmp_path / "root/train_top5.csv")["articleType"].unique()
    assert sorted(frequent) == ["Ankle boot", "Bag", "Coat", "Dress", "Pullover"]  # ties by name
    assert len(read_rows(tmp_path / "root/test_other.csv")) == 100


def test_importing_again_reads_nothing(sample, tmp_path, monkeypatch):
    FashionMNIST(source=sample)(tmp_path / "root")
    monkeypatch.setattr(fashion_mnist, "obtain", None)
    FashionMNIST()(tmp_path / "root")


def test_dataset_calls_it_when_its_csv_is_missing(sample, tmp_path):
    root = tmp_path / "root"
    dataset = FashionDataset(
        root / "train.csv",
        root,
        image_size=(28, 28),
        channels=1,
        importer=lambda: FashionMNIST(sample),
    )
    assert len(dataset) == 400


def test_sources_are_tried_in_order(sample, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "fewshot")
    monkeypatch.setattr(fashion_mnist_sources, "from_debian", lambda scratch: sample)
    FashionMNIST(source=tmp_path / "none")(tmp_path / "root")
    looked = [r.message for r in caplog.records if r.message.startswith("looking for")]
    assert looked == [
        f"looking for Fashion-MNIST in the folder {tmp_path}/none",
        f"looking for Fashion-MNIST in the folder {fashion_mnist_sources.DEBIAN_FOLDER}",
        "looking for Fashion-MNIST in torchvision's download (31 MB)",
        "looking for Fashion-MNIST in Debian's package dataset-fashion-mnist (31 MB)",
    ]


def test_debian_folder_is_found_without_being_named(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist_sources, "DEBIAN_FOLDER", sample)
    FashionMNIST()(tmp_path / "root")
    assert (tmp_path / "root/train.csv").is_file()


def test_all_failing_is_one_message_with_the_remedies(sample, tmp_path):
    damaged, partial = tmp_path / "damaged", tmp_path / "partial"
    shutil.copytree(sample, damaged)
    with gzip.open(damaged / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(b"other")
    partial.mkdir()
    for folder, reason in (
        (damaged, f"{damaged}/train-labels-idx1-ubyte is damaged or other data (wrong checksum)"),
        (partial, f"no train-images-idx3-ubyte.gz in {partial}"),
        (tmp_path / "none", "no such folder"),
    ):
        with pytest.raises(UserError) as caught:
            FashionMNIST(source=folder)(tmp_path / "root")
        lines = str(caught.value).splitlines()
        assert lines[:2] == [
            "Fashion-MNIST could not be had. Tried:",
            f"  the folder {folder}: {reason}",
        ]
        assert lines[-1] == (
            "Either put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
            "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz into a folder and bind "
            "FashionMNIST.source = '/that/folder', or run 'apt-get install "
            "dataset-fashion-mnist', or try again with a network."
        )
        assert not (tmp_path / "root").exists()


def test_a_cut_file_is_said(sample, tmp_path):
    shutil.copytree(sample, tmp_path / "cut")
    os.truncate(tmp_path / "cut/train-images-idx3-ubyte.gz", 1000)
    with pytest.raises(UserError, match=r"cut/train-images-idx3-ubyte.gz cannot be read \("):
        FashionMNIST(source=tmp_path / "cut")(tmp_path / "root")


def test_the_sample_is_not_taken_for_the_whole(tmp_path):
    assert set(SHA256) == {
        f"{part}-{kind}-ubyte"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    }
    assert all(len(digest) == 64 for digest in SHA256.values())


def test_what_is_fetched_lies_in_the_draft_that_is_cleared_after_a_kill(
    sample, tmp_path, monkeypatch
):
    places = []

    def fetched(scratch):
        places.append(scratch)
        shutil.copytree(sample, scratch)
        return scratch

    monkeypatch.setattr(fashion_mnist_sources, "DEBIAN_FOLDER", tmp_path / "nowhere")
    monkeypatch.setattr(fashion_mnist_sources, "from_torchvision", fetched)
    FashionMNIST()(tmp_path / "root")
    (scratch,) = places
    assert scratch.parent.parent.name.endswith(".partial")
    assert scratch.is_relative_to(tmp_path)
    assert not [path for path in (tmp_path / "root").iterdir() if path.name.startswith(".fetched")]
