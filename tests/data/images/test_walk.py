import os

import pytest
from PIL import Image

from fewshot.data.images import walk as walk_module
from fewshot.data.images.walk import Walk, subfolders, walk_pictures


def save(path, file_format="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path, file_format)
    return path


def names(walk, folder):
    return [path.relative_to(folder).as_posix() for path in walk.files]


def test_every_file_is_taken_or_counted(tmp_path):
    taken = ["a.jpg", "b.JFIF", "c.jpe", "d.webp", "deep/e.avif", "f.bmp", "g.tiff", "bare"]
    for name in taken:
        save(tmp_path / name)
    for name in (".hidden.png", "._a.jpg", ".ipynb_checkpoints/a.png", "__MACOSX/a.png"):
        save(tmp_path / name)
    for name in ("Thumbs.db", "notes.txt", "README"):
        (tmp_path / name).write_text("text")
    walk = walk_pictures(tmp_path)
    assert names(walk, tmp_path) == sorted(taken)
    assert walk.summary() == "8 pictures, 7 left out: 5 hidden, 2 no picture"


def test_links_are_followed_once_and_loops_end(tmp_path):
    source, store = tmp_path / "source", tmp_path / "store"
    save(source / "a.png")
    save(source / "own/b.png")
    save(store / "c.png")
    save(store / "deep/d.png")
    (source / "more").symlink_to(store)
    (source / "again").symlink_to(store / "deep")
    (source / "twin").symlink_to(source / "own")
    (source / "up").symlink_to(tmp_path)
    (source / "self").symlink_to(".")
    (store / "back").symlink_to(store)
    walk = walk_pictures(source)
    assert [path.name for path in walk.files].count("d.png") == 1
    assert sorted(path.name for path in walk.files) == ["a.png", "b.png", "c.png", "d.png"]
    assert source / "more" in walk.linked
    assert walk.left_out[walk_module.LOOP] == 3
    assert walk.left_out[walk_module.TWICE] >= 1


def test_what_lies_in_the_whole_source_is_met_there(tmp_path):
    save(tmp_path / "bag/a.png")
    save(tmp_path / "hat/b.png")
    (tmp_path / "hat/bags").symlink_to(tmp_path / "bag")
    assert names(walk_pictures(tmp_path / "hat", tmp_path), tmp_path) == ["hat/b.png"]
    assert len(walk_pictures(tmp_path / "hat").files) == 2


def test_links_to_nothing_are_counted(tmp_path):
    save(tmp_path / "a.png")
    for name, target in (("b.png", "/nowhere"), ("c.png", "c.png"), ("d.png", "a.png/d.png")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe.png")
    assert walk_pictures(tmp_path).summary() == (
        "1 pictures, 4 left out: 3 link to nothing, 1 no picture"
    )


def test_names_that_no_csv_can_hold_are_counted(tmp_path):
    path = save(tmp_path / "a.png")
    for name in (b"b\xe9ret.png", b"two\nlines.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(path.read_bytes())
    (tmp_path / "béret 2.png").write_bytes(path.read_bytes())
    walk = walk_pictures(tmp_path)
    assert names(walk, tmp_path) == ["a.png", "béret 2.png"]
    assert walk.left_out[walk_module.BAD_NAME] == 2


def test_folders_that_cannot_be_listed_are_counted(tmp_path, monkeypatch):
    save(tmp_path / "shut/a.png")
    save(tmp_path / "b.png")
    listed = os.scandir

    def scandir(place):
        if os.fspath(place).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)
    assert walk_pictures(tmp_path).summary() == (
        "1 pictures, 1 left out: 1 folder cannot be listed"
    )


def test_subfolders_leave_out_what_is_hidden(tmp_path):
    for name in ("b", "a", ".git", "__MACOSX", os.fsdecode(b"\xe9")):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    found, left_out = subfolders(tmp_path)
    assert [path.name for path in found] == ["a", "b"]
    assert left_out == {walk_module.HIDDEN: 2, walk_module.BAD_NAME: 1}


def test_walks_add_up():
    total = Walk()
    for _ in range(2):
        total.add(Walk([], walk_module.Counter({"hidden": 2})))
    assert total.summary() == "0 pictures, 4 left out: 4 hidden"


@pytest.mark.parametrize("deep", [True, False])
def test_a_shallow_walk_stays_in_the_folder(tmp_path, deep):
    save(tmp_path / "a.png")
    save(tmp_path / "deep/b.png")
    assert len(walk_pictures(tmp_path, deep=deep).files) == 1 + deep


def test_of_links_to_one_picture_elsewhere_the_first_stays(tmp_path):
    save(tmp_path / "store/a.png")
    (tmp_path / "bag").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "bag" / name).symlink_to(tmp_path / "store/a.png")
    walk = walk_pictures(tmp_path / "bag")
    walk.drop_twins()
    assert names(walk, tmp_path) == ["bag/1.png"]
    assert walk.left_out == {walk_module.TWIN: 1}


def test_a_folder_that_a_walk_before_took_is_not_taken_again(tmp_path):
    save(tmp_path / "bag/deep/a.png")
    seen: set[str] = set()
    assert len(walk_pictures(tmp_path / "bag", seen=seen).files) == 1
    again = walk_pictures(tmp_path / "bag/deep", seen=seen)
    assert (again.files, again.left_out) == ([], {walk_module.TWICE: 1})
