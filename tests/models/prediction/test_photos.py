import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fewshot.data.images.decode import ImageFormat, decode_file
from fewshot.errors import UserError
from fewshot.models.prediction.decoded import decoded
from fewshot.models.prediction.photos import Photo, Photos
from fewshot.spreadsheet import write_csv

WANTED = ImageFormat((8, 6), 3, "pad")


def write(path, colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "new" / "a.jpg")
    write(tmp_path / "new" / "deep" / "b.png")
    (tmp_path / "new" / "notes.txt").write_text("no picture")
    return tmp_path / "new"


def names(photos):
    return [photo.name for photo in photos]


def test_files_folders_and_patterns_in_their_order(folder):
    photos = Photos([folder / "deep/b.png", folder, f"{folder}/*.jpg"])
    assert photos.total == 4
    a, b = str(folder / "a.jpg"), str(folder / "deep/b.png")
    assert names(photos) == [b, a, b, a]
    assert photos.left_out == {"no picture": 1}


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    path = write(tmp_path / "[1].jpg")
    write(tmp_path / "1.jpg")
    assert names(Photos([path])) == [str(path)]


def test_what_is_not_there_is_a_photo_that_cannot_be_read(tmp_path):
    (photo,) = Photos([tmp_path / "none.jpg"])
    with pytest.raises(FileNotFoundError):
        photo.read(WANTED)


def test_a_list_is_read_line_by_line(folder):
    lines = io.StringIO(f"{folder}/a.jpg\n\n{folder}/deep\r\n")
    photos = Photos([], lines=lines)
    assert photos.total is None
    found = iter(photos)
    assert next(found).name == f"{folder}/a.jpg"
    assert lines.readline() == "\n"
    assert names(found) == [f"{folder}/deep/b.png"]


def test_paths_of_a_csv_start_at_its_folder_and_stay_there(folder, tmp_path):
    outside = write(tmp_path / "outside.jpg")
    listed = pd.DataFrame({"path": ["a.jpg", "deep/b.png", "../outside.jpg", str(outside)]})
    listed.to_csv(folder / "list.csv", index=False)
    photos = list(Photos([folder / "list.csv"]))
    expected = decode_file(folder / "a.jpg", WANTED)
    np.testing.assert_array_equal(photos[0].read(WANTED), expected)
    for photo in photos[2:]:
        with pytest.raises(ValueError, match=f"leads out of {folder}"):
            photo.read(WANTED)
    assert photos[2].name == "../outside.jpg"
    above = list(Photos([folder / "list.csv"], root=tmp_path))
    with pytest.raises(FileNotFoundError):
        above[0].read(WANTED)


def test_ids_of_a_csv_are_images_of_the_root(folder, tmp_path):
    write(tmp_path / "images" / "7.jpg")
    listed = tmp_path / "list.csv"
    pd.DataFrame({"id": ["7", "8"]}).to_csv(listed, index=False)
    seven, eight = Photos([listed], root=tmp_path)
    expected = decode_file(tmp_path / "images/7.jpg", WANTED)
    np.testing.assert_array_equal(seven.read(WANTED), expected)
    with pytest.raises(ValueError, match=f"no image of this id in {tmp_path}"):
        eight.read(WANTED)
    with pytest.raises(UserError, match=r"lists ids: say where their images are, --root DIR"):
        Photos([listed])
    pd.DataFrame({"file": ["7.jpg"]}).to_csv(listed, index=False)
    with pytest.raises(UserError, match=r"neither a column 'path' nor 'id'; its columns are: file"):
        Photos([listed])
    for apart in (";", "\t"):
        pd.DataFrame({"path": ["7.jpg"], "label": ["a"]}).to_csv(listed, index=False, sep=apart)
        with pytest.raises(UserError, match=r"Separate the columns by commas, not by semicolons"):
            Photos([listed])


def test_ids_of_a_list_that_was_written_for_spreadsheets_are_those_of_its_images(folder, tmp_path):
    write(tmp_path / "images" / "-a1.jpg")
    write_csv(pd.DataFrame({"id": ["-a1"]}), tmp_path / "predictions.csv")
    (photo,) = Photos([tmp_path / "predictions.csv"], root=tmp_path)
    assert photo.name == "-a1"
    assert photo.read(WANTED).shape == WANTED.shape


def test_broken_photos_are_told_with_a_reason_and_the_order_is_kept(folder, tmp_path):
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("I am no picture")
    places = [folder / "text.jpg", *[folder / "a.jpg"] * 150, folder / "empty.jpg"]
    found = [
        (photo.name, batch.failures.get(i), batch.images[i].sum())
        for batch in decoded(Photos(places), WANTED)
        for i, photo in enumerate(batch.photos)
    ]
    assert [name for name, _, _ in found] == [str(place) for place in places]
    assert [why and why.reason for _, why, _ in (found[0], found[1], found[-1])] == [
        *("not an image", None, "the file is empty"),
    ]
    assert all(total > 0 for _, why, total in found if why is None)


def test_memory_does_not_grow_with_the_number_of_photos():
    def endless(count):
        image = np.zeros((3, 128, 128), np.uint8)
        return (Photo(str(i), lambda wanted: image) for i in range(count))

    def peak(count):
        tracemalloc.start()
        try:
            for _ in decoded(endless(count), ImageFormat((128, 128), 3, "pad")):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64)
    assert peak(4000) < 1.5 * peak(800)
