import logging
import shutil

import gin
import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.data.dataset import FashionDataset
from fewshot.data.images.packed import Storage
from fewshot.errors import UserError

ROWS = {"7": "Shirt", "3": "Dress", "9": "Shirt", "1": "Bag"}


def load(root, csv="train.csv", **options):
    names = [csv] if isinstance(csv, str) else csv
    paths = [root / name for name in names]
    return FashionDataset(
        paths[0] if len(paths) == 1 else paths, root, image_size=(8, 6), **options
    )


@pytest.fixture
def root(make_images):
    return make_images(ROWS)


def test_rows_are_those_of_the_csv_in_its_order(root, expected):
    dataset = load(root)
    assert len(dataset) == 4
    assert dataset.ids.tolist() == ["7", "3", "9", "1"]
    assert dataset.class_names == ("Bag", "Dress", "Shirt")
    assert dataset.labels.tolist() == [2, 1, 2, 0]
    assert dataset.labels.dtype == np.int64
    assert (dataset.image_size, dataset.channels) == ((8, 6), 3)
    assert dataset.table.to_dict("list") == {"id": list(ROWS), "articleType": list(ROWS.values())}
    images = dataset.images(np.array([3, 0, 0]))
    assert images.dtype == torch.uint8
    assert images.is_contiguous()
    np.testing.assert_array_equal(images.numpy(), expected(["1", "7", "7"]))
    assert dataset.images([]).shape == (0, 3, 8, 6)
    assert dataset.skipped.empty


def test_several_csvs_follow_one_another(root, make_images, expected):
    make_images({"5": "Bag"}, csv="more.csv")
    dataset = load(root, ["more.csv", "train.csv"])
    assert dataset.ids.tolist() == ["5", "7", "3", "9", "1"]
    assert [path.name for path in dataset.csv_files] == ["more.csv", "train.csv"]
    np.testing.assert_array_equal(dataset.images([0, 1]).numpy(), expected(["5", "7"]))


def test_unlabelled_rows_need_no_label_column(root):
    (root / "bare.csv").write_text("id\n9\n3\n")
    dataset = load(root, "bare.csv", label_column=None)
    assert dataset.labels.tolist() == [-1, -1]
    assert dataset.class_names == ()
    assert load(root, label_column=None).labels.tolist() == [-1] * 4


def test_a_blank_label_is_none_and_its_row_stays(root, expected):
    (root / "mixed.csv").write_text("id,articleType\n7,Shirt\n3,\n9,  \n1,Bag\n")
    dataset = load(root, "mixed.csv")
    assert dataset.ids.tolist() == ["7", "3", "9", "1"]
    assert dataset.class_names == ("Bag", "Shirt")
    assert dataset.labels.tolist() == [1, -1, -1, 0]
    assert dataset.skipped.empty
    np.testing.assert_array_equal(dataset.images([1]).numpy(), expected(["3"]))
    assert dataset.with_classes(("Shirt",)).labels.tolist() == [0, -1, -1, -1]


def test_a_csv_without_the_label_column_has_no_labels(root):
    (root / "bare.csv").write_text("id,note\n9,a\n3,b\n")
    dataset = load(root, "bare.csv")
    assert (dataset.labels.tolist(), dataset.class_names) == ([-1, -1], ())
    (root / "one.csv").write_text("id,articleType\n7,Shirt\n")
    both = load(root, ["bare.csv", "one.csv"])
    assert both.labels.tolist() == [-1, -1, 0]


def test_class_names_have_one_form_of_unicode(root):
    (root / "forms.csv").write_text("id,articleType\n7,Ve\u0301lo\n3,V\u00e9lo\n")
    dataset = load(root, "forms.csv")
    assert dataset.class_names == ("V\u00e9lo",)
    assert dataset.labels.tolist() == [0, 0]


def test_image_digests_tell_pixels_apart(root):
    shutil.copy(root / "images/7.png", root / "images/1.png")
    dataset = load(root)
    digests = dataset.image_digests()
    assert digests.dtype == np.int64
    assert digests[0] == digests[3] and len(set(digests.tolist())) == 3
    assert dataset.subset([3, 1]).image_digests().tolist() == digests[[3, 1]].tolist()


def test_a_subset_is_a_view(root, expected):
    dataset = load(root)
    view = dataset.subset([3, 1, 2]).subset(np.array([2, 0]))
    assert view.ids.tolist() == ["9", "1"]
    assert view.labels.tolist() == [2, 0]
    assert view.class_names == dataset.class_names
    assert view.table["id"].tolist() == ["9", "1"]
    assert view.digest == dataset.digest
    np.testing.assert_array_equal(view.images([0, 1]).numpy(), expected(["9", "1"]))
    assert len(dataset) == 4


def test_other_classes_renumber_the_labels(root):
    dataset = load(root)
    view = dataset.with_classes(("Shirt", "Watch", "Bag"))
    assert view.class_names == ("Shirt", "Watch", "Bag")
    assert view.labels.tolist() == [0, -1, 0, 2]
    assert view.with_classes(["Bag", "Dress"]).labels.tolist() == [-1, -1, -1, 0]
    assert dataset.labels.tolist() == [2, 1, 2, 0]
    assert load(root, label_column=None).with_classes(("Bag",)).labels.tolist() == [-1] * 4


def test_statistics_are_those_of_all_pixels(root, expected):
    dataset = load(root)
    mean, std = dataset.statistics()
    pixels = expected(list(ROWS)) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(std, pixels.std(axis=(0, 2, 3)))
    mean, _ = dataset.subset([1]).statistics()
    np.testing.assert_allclose(mean, pixels[1].mean(axis=(1, 2)))


def test_statistics_read_evenly_spaced_rows(root, expected, monkeypatch):
    dataset = load(root)
    monkeypatch.setattr(type(dataset._pixels), "affordable", 2)
    mean, _ = dataset.statistics()
    np.testing.assert_allclose(mean, expected(["7", "9"]).mean(axis=(0, 2, 3)) / 255)


def test_statistics_of_constant_images_can_be_divided_by(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (6, 8), (51, 0, 255)).save(tmp_path / "images/1.png")
    (tmp_path / "train.csv").write_text("id,articleType\n1,Bag\n")
    mean, std = load(tmp_path).statistics()
    np.testing.assert_allclose(mean, (0.2, 0, 1))
    np.testing.assert_allclose(std, [1 / 255] * 3)


def test_splits_share_one_pack(root, make_images, cache, monkeypatch):
    load(root)
    make_images({"5": "Bag", "9": "Shirt"}, csv="test.csv")
    load(root, "test.csv")
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr("fewshot.data.images.folder.decode_file", None)
    assert len(load(root, ["test.csv"])) == 2  # nothing is left to decode
    assert len(load(root)) == 4


def test_cache_dir_moves_the_pack(root, tmp_path, cache):
    load(root, cache_dir=tmp_path / "elsewhere")
    assert not cache.exists()
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_digest_follows_csv_pixels_and_format_but_not_time_or_place(root, tmp_path):
    first = load(root)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert load(tmp_path / "copy").digest == first.digest
    others = [load(root, channels=1), load(root, label_column=None), load(root, resize="pad")]
    Image.new("RGB", (6, 8)).save(root / "images/9.png")
    others.append(load(root))
    (tmp_path / "copy/train.csv").write_text("id,articleType\n7,Shirt\n3,Dress\n9,Shirt\n1,Hat\n")
    others.append(load(tmp_path / "copy"))
    assert len({dataset.digest for dataset in [first, *others]}) == 6


def test_rows_without_a_readable_image_are_skipped_counted_and_listed(root, caplog):
    (root / "images/3.png").unlink()
    (root / "images/9.png").write_bytes((root / "images/9.png").read_bytes()[:60])
    dataset = load(root)
    assert dataset.ids.tolist() == ["7", "1"]
    assert dataset.class_names == ("Bag", "Shirt")
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.table["articleType"].tolist() == ["Shirt", "Bag"]
    assert dataset.skipped["id"].tolist() == ["3", "9"]
    assert dataset.skipped["reason"].tolist()[0] == "no image"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (
        f"{root}/train.csv: skipped 2 of 4 rows, whose images are missing or unreadable: "
        "ids 3 (no image), 9 ("
    ) in record.message


def test_only_ten_skipped_ids_are_listed(make_images, caplog):
    root = make_images({str(i): "Bag" for i in range(100, 130)})
    for i in range(100, 115):
        (root / f"images/{i}.png").unlink()
    assert len(load(root)) == 15
    told = caplog.messages[-1]
    assert told.endswith("108 (no image), 109 (no image) and 5 more")
    assert told.count("(no image)") == 10


def test_no_readable_image_at_all_names_root_and_paths(root):
    shutil.rmtree(root / "images")
    (root / "images").mkdir()
    (root / "images/7.png").touch()
    with pytest.raises(UserError) as caught:
        load(root)
    assert str(caught.value) == (
        f"{root}/train.csv: none of the 4 rows has a readable image under "
        f"FashionDataset.root_dir {root}.\n"
        f"Tried first: {root}/images/7.png (the file is empty), {root}/images/3.jpg (no image), "
        f"{root}/images/9.jpg (no image).\nBind the root_dir that belongs to this CSV, or the "
        "CSV that belongs to that folder (for the test split: test/FashionDataset.csv_file)."
    )


@pytest.mark.parametrize("name", ["csv_file", "root_dir"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_bound_is_named(root, name, value):
    options = {"csv_file": root / "train.csv", "root_dir": root} | {name: value}
    with pytest.raises(UserError, match=rf"FashionDataset.{name} is not bound: bind it, e.g. "):
        FashionDataset(**options)


def test_errors_of_csv_root_and_format_pass_through(root, tmp_path):
    with pytest.raises(UserError, match=r"absent.csv"):
        load(root, "absent.csv")
    with pytest.raises(UserError, match=r"root_dir .*/nowhere does not exist"):
        FashionDataset(root / "train.csv", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"FashionDataset.channels is 2"):
        load(root, channels=2)


def test_home_is_expanded(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(FashionDataset("~/root/train.csv", "~/root", image_size=(8, 6))) == 4


def test_importer_makes_a_root_that_is_not_there(make_images, tmp_path):
    calls = []

    def importer():
        return lambda root_dir: (calls.append(root_dir), make_images(ROWS))

    for _ in range(2):  # the second time everything is there
        assert len(load(tmp_path / "root", importer=importer)) == 4
    assert calls == [tmp_path / "root"]
    with pytest.raises(UserError, match=r"elsewhere\.csv"):
        FashionDataset(tmp_path / "elsewhere.csv", tmp_path / "root", importer=importer)
    assert len(calls) == 1


def test_in_memory_nothing_is_written(root, expected, cache, tmp_path):
    dataset = load(root, cache_dir=Storage.MEMORY)
    assert dataset.in_memory and dataset.further == {"cache_dir": Storage.MEMORY}
    with pytest.raises(UserError, match=r"test.csv does not exist, and a dry run imports"):
        load(
            tmp_path / "new",
            "test.csv",
            importer=lambda: pytest.fail,
            cache_dir=Storage.MEMORY,
        )
    np.testing.assert_array_equal(dataset.images([2, 0]).numpy(), expected(["9", "7"]))
    np.testing.assert_allclose(dataset.statistics(), load(root).statistics())
    assert not (tmp_path / "new").exists()
    shutil.rmtree(cache)
    load(root, cache_dir=Storage.MEMORY)
    assert not cache.exists()


def test_gin_binds_it(root):
    with gin.unlock_config():
        gin.parse_config(
            f"FashionDataset.csv_file = '{root}/train.csv'\n"
            f"FashionDataset.root_dir = '{root}'\nFashionDataset.image_size = (4, 4)"
        )
    try:
        assert gin.get_configurable("FashionDataset")().image_size == (4, 4)
    finally:
        gin.clear_config()


def test_a_csv_most_of_whose_images_are_missing_is_taken_for_another_data_sets(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "0.jpg")
    rows = "".join(f"{number},Bags\n" for number in range(20))
    (tmp_path / "test.csv").write_text(f"id,articleType\n{rows}")
    with pytest.raises(UserError, match=r"test\.csv: 1 of the 20 rows has a readable image under"):
        FashionDataset(tmp_path / "test.csv", tmp_path, image_size=(8, 8))


def test_further_columns_are_read_as_text_with_blanks(root):
    text = "id,articleType,season\n7,Shirt, Fall \n3,Dress,\n9,Shirt,2012\n"
    (root / "seasons.csv").write_text(text)
    dataset = load(root, "seasons.csv")
    assert dataset.column("season").tolist() == ["Fall", "", "2012"]
    assert dataset.subset([2, 0]).column("season").tolist() == ["2012", "Fall"]
    with pytest.raises(
        UserError, match=r"seasons\.csv has no column 'colour'; its columns are: id, "
    ):
        dataset.column("colour")
