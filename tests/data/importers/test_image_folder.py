import numpy as np
import pytest

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.image_folder import ImageFolder
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


def ids_of(path):
    return set(read_rows(path)["id"])


def test_a_folder_for_each_class(tmp_path, save_image):
    source, root = tmp_path / "source", tmp_path / "root"
    for number in range(10):
        save_image(source / f"bag/{number}.jpg", number)
        save_image(source / f"shoe/deep/{number}.PNG", 100 + number)
    save_image(source / "stray.png")
    (source / "bag/notes.txt").touch()
    (source / ".hidden").mkdir()
    ImageFolder(source)(root)
    train, test = ids_of(root / "train.csv"), ids_of(root / "test.csv")
    assert len(train) == 16
    assert len(test) == 4
    assert len([i for i in test if i.startswith("bag__")]) == 2
    assert train | test == {f"bag__{n}.jpg" for n in range(10)} | {
        f"shoe__deep__{n}.PNG" for n in range(10)
    }
    dataset = FashionDataset(root / "styles.csv", root, image_size=(8, 6), channels=1)
    assert len(dataset) == 20
    assert dataset.class_names == ("bag", "shoe")
    values = dataset.images(np.arange(20))[:, 0, 0, 0].tolist()
    numbers = [int(i.split("__")[-1].split(".")[0]) for i in dataset.ids]
    expected = [n + 100 * label for n, label in zip(numbers, dataset.labels, strict=True)]
    assert np.abs(np.subtract(values, expected)).max() <= 1  # JPEG
    assert (root / "train_top1.csv").is_file()


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "test"), {"train": "train", "test": "test"}),
        (("Train", "val"), {"train": "Train", "test": "val"}),
        (
            ("train", "valid", "test"),
            {"train": "train", "validation": "valid", "test": "test"},
        ),
    ],
)
def test_partition_folders_are_kept(tmp_path, save_image, folders, expected):
    for folder in folders:
        for name in ("bag", "shoe"):
            save_image(tmp_path / "source" / folder / name / "1.png")
    ImageFolder(tmp_path / "source", top=1)(tmp_path / "root")
    for split, folder in expected.items():
        assert ids_of(tmp_path / f"root/{split}.csv") == {
            f"{folder}__bag__1.png",
            f"{folder}__shoe__1.png",
        }
    assert (tmp_path / "root/validation.csv").exists() == ("validation" in expected)


def test_parts_beside_other_folders_are_refused(tmp_path, save_image):
    for folder in ("train/bag", "test/bag", "more/bag"):
        save_image(tmp_path / f"source/{folder}/1.jpg")
    with pytest.raises(UserError, match=r"parts of the data beside others: more\. Move those"):
        ImageFolder(tmp_path / "source")(tmp_path / "root")


def test_train_alone_gives_up_a_share(tmp_path, save_image):
    for number in range(4):
        save_image(tmp_path / f"source/train/bag/{number}.png")
    ImageFolder(tmp_path / "source", test_fraction=0.5)(tmp_path / "root")
    assert len(ids_of(tmp_path / "root/test.csv")) == 2


def test_an_empty_class_is_left_out_and_named(tmp_path, save_image, caplog):
    save_image(tmp_path / "source/bag/1.png")
    save_image(tmp_path / "source/bag/2.png")
    (tmp_path / "source/hat").mkdir()
    ImageFolder(tmp_path / "source")(tmp_path / "root")
    assert f"{tmp_path}/source/hat holds no images: the class is left out" in caplog.text


def test_a_folder_without_classes_is_refused(tmp_path, save_image):
    save_image(tmp_path / "source/1.png")
    with pytest.raises(UserError, match=r"source has no folder with images in it: images are exp"):
        ImageFolder(tmp_path / "source")(tmp_path / "root")
    with pytest.raises(UserError, match=r"ImageFolder.source is not bound"):
        ImageFolder()(tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_every_file_is_read_or_counted(tmp_path, save_image, caplog):
    caplog.set_level("INFO", "fewshot")
    source, store = tmp_path / "source", tmp_path / "store"
    for number in range(3):
        save_image(source / f"bag/{number}.png")
        save_image(source / f"bag/.ipynb_checkpoints/{number}.png")
        save_image(store / f"season/{number}.png")
        save_image(store / f"single_{number}.png")
        (source / f"bag/linked_{number}.png").symlink_to(store / f"single_{number}.png")
    save_image(source / "stray.png")
    save_image(source / "__MACOSX/bag/0.png")
    (source / "bag/notes.txt").touch()
    (source / "bag/._0.png").touch()
    (source / "bag/season2024").symlink_to(store / "season")
    ImageFolder(source)(tmp_path / "root")
    assert (
        "source: 9 pictures, 5 left out: 3 hidden, 1 in no class's folder, 1 no picture"
        in caplog.text
    )
    assert f"the linked folder {source}/bag/season2024 was followed to {store}/season" in (
        caplog.text
    )
    dataset = FashionDataset(tmp_path / "root/styles.csv", tmp_path / "root", image_size=(8, 6))
    assert len(dataset) == 9


def test_parts_with_leftovers_of_an_archive_are_parts(tmp_path, save_image):
    for folder in ("train/bag", "test/bag", "__MACOSX/train", ".cache/bag"):
        save_image(tmp_path / f"source/{folder}/1.jpg")
    ImageFolder(tmp_path / "source")(tmp_path / "root")
    assert ids_of(tmp_path / "root/train.csv") == {"train__bag__1.jpg"}


@pytest.mark.parametrize(
    ("link", "target", "told"),
    [
        ("train/gown", "dress", "train/gown are those of train/dress"),
        ("train/all", ".", "train/dress are those of train/all"),
        ("test", "train", "train/dress are those of test/dress"),
        ("test/dress", "../train/dress", "train/dress are those of test/dress"),
    ],
)
def test_a_class_or_part_that_is_anothers_by_a_link_is_refused(
    tmp_path, save_image, link, target, told
):
    source = tmp_path / "source"
    for number in range(2):
        save_image(source / f"train/dress/{number}.png", number)
        save_image(source / f"train/hat/{number}.png", number)
    if link != "test":
        save_image(source / "test/hat/9.png", 9)
    (source / link).symlink_to(target)
    with pytest.raises(UserError, match=f"the pictures of {told}, too, by a link, and would be"):
        ImageFolder(source)(tmp_path / "root")


def test_links_of_several_classes_and_parts_to_one_picture_are_read_once(
    tmp_path, save_image, caplog
):
    caplog.set_level("INFO", "fewshot")
    source, store = tmp_path / "source", tmp_path / "store"
    for number in range(3):
        save_image(source / f"train/bag/{number}.png", number)
        save_image(source / f"train/hat/{number}.png", 10 + number)
        save_image(store / f"more/{number}.png", 20 + number)
    for name in ("test/bag", "test/hat"):
        save_image(source / name / "own.png", 30)
    (source / "test/bag/0.png").symlink_to(source / "train/bag/0.png")
    for name in ("train/hat", "test/hat"):
        (source / name / "more").symlink_to(store / "more")
    ImageFolder(source)(tmp_path / "root")
    table = read_rows(tmp_path / "root/styles.csv")
    assert len(table) == 11
    assert table["split"].value_counts().to_dict() == {"train": 6, "test": 5}
    assert (
        "11 pictures, 2 left out: 1 link to a picture that is read elsewhere, 1 linked folder "
        "seen twice" in caplog.text
    )
