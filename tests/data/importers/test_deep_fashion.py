import numpy as np
import pytest

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.deep_fashion import DeepFashion
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError

IMAGES = [
    ("img/Sheer_Pleated-Front_Blouse/img_00000001.jpg", 3, "train"),
    ("img/Sheer_Pleated-Front_Blouse/img_00000002.jpg", 3, "train"),
    ("img/Ornate_Anorak/img_00000001.jpg", 1, "val"),
    ("img/Ornate_Anorak/img_00000002.jpg", 1, "train"),
    ("img/Ornate_Anorak/img_00000003.jpg", 1, "test"),
    ("img/Boxy_Blouse/img_00000001.jpg", 3, "test"),
]
NAMES = ["Anorak", "Blazer", "Blouse"]


def aligned(header, rows, width=71):
    """The archive's format: a count, a header, then columns aligned by spaces."""
    lines = [str(len(rows)), header] + [f"{name:<{width}}{value}" for name, value in rows]
    return "\n".join(lines) + "\n"


@pytest.fixture
def miniature(tmp_path, save_image):
    def build(labels=".", parts=".", images="."):
        source = tmp_path / "source"
        for folder in (labels, parts, images):
            (source / folder).mkdir(parents=True, exist_ok=True)
        (source / labels / "list_category_img.txt").write_text(
            aligned("image_name  category_label", [(name, label) for name, label, _ in IMAGES])
        )
        (source / parts / "list_eval_partition.txt").write_text(
            aligned("image_name  evaluation_status", [(name, part) for name, _, part in IMAGES])
        )
        (source / labels / "list_category_cloth.txt").write_text(
            aligned(
                "category_name  category_type", [("Anorak", 1), ("Blazer", 1), ("Blouse", 1)], 15
            )
        )
        for number, (name, _, _) in enumerate(IMAGES):
            save_image(source / images / name, 20 * number)
        return source

    return build


@pytest.mark.parametrize(
    "layout", [(".", ".", "."), ("Anno", "Eval", "Img"), ("Anno_coarse", "Eval", ".")]
)
def test_lists_become_the_layout(miniature, tmp_path, layout):
    root = tmp_path / "root"
    DeepFashion(miniature(*layout))(root)
    dataset = FashionDataset(root / "styles.csv", root, image_size=(8, 6), channels=1)
    assert dataset.ids[0] == "Sheer_Pleated-Front_Blouse__img_00000001.jpg"
    assert dataset.class_names == ("Anorak", "Blouse")
    assert dataset.labels.tolist() == [1, 1, 0, 0, 0, 1]
    values = dataset.images(np.arange(6))[:, 0, 0, 0].numpy().astype(int)
    assert np.abs(values - np.arange(0, 120, 20)).max() <= 1
    for split, rows in (("train", [0, 1, 3]), ("validation", [2]), ("test", [4, 5])):
        assert read_rows(root / f"{split}.csv")["id"].tolist() == dataset.ids[rows].tolist()


def test_without_the_names_classes_are_numbered(miniature, tmp_path):
    source = miniature()
    (source / "list_category_cloth.txt").unlink()
    DeepFashion(source)(tmp_path / "root")
    table = read_rows(tmp_path / "root/styles.csv")
    assert sorted(set(table["articleType"])) == ["category 01", "category 03"]


def test_a_listed_image_that_is_missing_is_skipped_when_loading(miniature, tmp_path, caplog):
    source = miniature()
    (source / IMAGES[0][0]).unlink()
    DeepFashion(source)(tmp_path / "root")
    dataset = FashionDataset(tmp_path / "root/train.csv", tmp_path / "root")
    assert len(dataset) == 2
    assert "Sheer_Pleated-Front_Blouse__img_00000001.jpg (no image)" in caplog.text


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "list_eval_partition.txt", "val\n", "valid\n",
            "{path} line 5 has the partition 'valid': train, val or test is expected. "
            "Correct the line.",
        ),
        (
            "list_eval_partition.txt", "6\n", "7\n",
            "{path} line 1 says 7 rows, but 6 follow the header: the file is cut short or edited. "
            "Unpack it again, or correct the count.",
        ),
        (
            "list_category_img.txt", "6\nimage_name", "image_name",
            "{path} line 1 is 'image_name  category_label': the number of rows is expected there, "
            "and a header in line 2. Unpack the file again from the archive.",
        ),
        (
            "list_category_img.txt", " 1\n", " 4\n",
            "{path} line 5 has the category '4': a whole number from 1 to 3, the rows of "
            "list_category_cloth.txt is expected.",
        ),
        (
            "list_category_img.txt", " 3\n", " x\n",
            "{path} line 3 has the category 'x': a whole number from 1 to 3, the rows of "
            "list_category_cloth.txt is expected.",
        ),
        (
            "list_eval_partition.txt", "img/Boxy", "img/Other",
            "{path} has no line for img/Boxy_Blouse/img_00000001.jpg, which list_category_img.txt "
            "lists: both files must come from the same archive.",
        ),
        (
            "list_category_img.txt", "img_00000002", "img_00000001",
            "{path} lists img/Sheer_Pleated-Front_Blouse/img_00000001.jpg twice, in lines 3 and 4: "
            "remove one of them.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_line(miniature, tmp_path, file, old, new, message):
    source = miniature()
    edit(source / file, old, new)
    with pytest.raises(UserError) as caught:
        DeepFashion(source)(tmp_path / "root")
    assert str(caught.value) == message.format(path=source / file)
    assert not (tmp_path / "root").exists()


def test_a_row_of_one_word_is_named(miniature, tmp_path):
    source = miniature()
    path = source / "list_eval_partition.txt"
    path.write_text("1\nimage_name  evaluation_status\nimg/a.jpg\n")
    with pytest.raises(UserError, match=r"line 3 is 'img/a.jpg': a name and a value are expected"):
        DeepFashion(source)(tmp_path / "root")


@pytest.mark.parametrize("name", ["list_category_img.txt", "list_eval_partition.txt", "img"])
def test_a_missing_file_is_named(miniature, tmp_path, name):
    source = miniature()
    (source / name).rename(source / "elsewhere")
    with pytest.raises(UserError) as caught:
        DeepFashion(source)(tmp_path / "root")
    assert str(caught.value).startswith(f"DeepFashion.source {source} has no {name} (nor in its")
    assert "put it there, from the category benchmark's archive" in str(caught.value)


@pytest.mark.parametrize("path", ["../private.jpg", "img/../../private.jpg", "{0}", "img/link.jpg"])
def test_a_path_that_leads_out_of_the_images_is_refused(miniature, tmp_path, save_image, path):
    source = miniature()
    save_image(tmp_path / "private.jpg")
    (source / "img/link.jpg").symlink_to(tmp_path / "private.jpg")
    path = path.format(tmp_path / "private.jpg")
    for name in ("list_category_img.txt", "list_eval_partition.txt"):
        edit(source / name, IMAGES[0][0], path)
    with pytest.raises(UserError) as caught:
        DeepFashion(source)(tmp_path / "root")
    assert str(caught.value) == (
        f"{source}/list_category_img.txt line 3 names {path!r}, which leads out of {source}/img: "
        "only images in it are taken. Correct the line, or put the image there."
    )
    assert not (tmp_path / "root").exists()


def test_the_folder_of_images_may_be_a_link(miniature, tmp_path):
    source = miniature()
    (source / "img").rename(tmp_path / "disk")
    (source / "img").symlink_to(tmp_path / "disk")
    DeepFashion(source)(tmp_path / "root")
    assert len(FashionDataset(tmp_path / "root/styles.csv", tmp_path / "root")) == 6
