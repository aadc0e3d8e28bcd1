import pytest

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.cats_vs_dogs import CatsVsDogs
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


@pytest.mark.parametrize("inner", ["", "train"])
def test_class_and_number_come_from_the_name(tmp_path, save_image, inner):
    source, root = tmp_path / "source", tmp_path / "root"
    for number in range(12):
        save_image(source / inner / f"cat.{number}.jpg", number)
        save_image(source / inner / f"dog.{number}.jpg", 100 + number)
    save_image(source / inner / "17.jpg")
    CatsVsDogs(source, test_fraction=0.25)(root)
    styles = read_rows(root / "styles.csv")
    assert styles["id"].tolist() == [f"{name}.{n}" for n in range(12) for name in ("cat", "dog")]
    assert styles["articleType"].tolist() == ["cat", "dog"] * 12
    assert read_rows(root / "test.csv")["articleType"].value_counts().to_dict() == {
        "cat": 3,
        "dog": 3,
    }
    dataset = FashionDataset(root / "styles.csv", root, image_size=(8, 6), channels=1)
    assert abs(int(dataset.images([23])[0, 0, 0, 0]) - 111) <= 1


def test_a_folder_without_such_names_is_refused(tmp_path, save_image):
    save_image(tmp_path / "source/1.jpg")
    with pytest.raises(UserError) as caught:
        CatsVsDogs(tmp_path / "source")(tmp_path / "root")
    assert str(caught.value) == (
        f"CatsVsDogs.source {tmp_path}/source has no file named <class>.<number>.jpg, such as "
        "cat.0.jpg; it holds 1 pictures: bind the folder of the labelled images."
    )


def test_what_is_left_out_is_counted_and_a_number_twice_refused(tmp_path, save_image, caplog):
    caplog.set_level("INFO", "fewshot")
    source = tmp_path / "source"
    for number in range(3):
        save_image(source / f"cat.{number}.jpg")
        save_image(source / f"._cat.{number}.jpg")
        save_image(source / f"dog.{number}.webp")
    save_image(source / "17.jpg")
    CatsVsDogs(source)(tmp_path / "root")
    assert "7 pictures, 1 of them without a class in the name, 3 left out: 3 hidden" in caplog.text
    save_image(source / "cat.1.png")
    with pytest.raises(UserError, match=r"more than one file of the name cat.1: remove the others"):
        CatsVsDogs(source)(tmp_path / "root2")


@pytest.mark.parametrize("inner", ["", "train"])
def test_pictures_in_other_folders_are_counted(tmp_path, save_image, caplog, inner):
    caplog.set_level("INFO", "fewshot")
    source = tmp_path / "source"
    for number in range(4):
        save_image(source / inner / f"cat.{number}.jpg")
        save_image(source / inner / f"more/dog.{number}.jpg")
    if inner:
        save_image(source / "cat.9.jpg")
    CatsVsDogs(source)(tmp_path / "root")
    beside = "1 beside the train folder, " if inner else ""
    assert f"4 pictures, {4 + bool(inner)} left out: {beside}4 in a subfolder" in caplog.text
