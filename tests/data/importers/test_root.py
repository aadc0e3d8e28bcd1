import json
import os
import shutil
import stat

import pytest

from fewshot.data.images.listed import ListedImages
from fewshot.data.images.vouching import imported_folders
from fewshot.data.importers.root import ABANDONED, ImportNote, make_root
from fewshot.errors import UserError


def note(source, importer="Thing", **options):
    return ImportNote(importer, source, options)


def write_one(folder):
    (folder / "styles.csv").write_text("id,articleType\n1,Bag\n")


def never(folder):
    pytest.fail("written twice")


def test_root_appears_whole_and_only_once(tmp_path):
    make_root(tmp_path / "new/root", note(tmp_path), write_one)
    root = tmp_path / "new/root"
    assert sorted(p.name for p in root.iterdir()) == ["import.json", "styles.csv"]
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    make_root(root, note(tmp_path), never)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["root"]


def test_an_empty_folder_will_do(tmp_path):
    (tmp_path / "root").mkdir()
    make_root(tmp_path / "root", note(None), write_one)
    assert (tmp_path / "root/import.json").is_file()


@pytest.mark.parametrize("error", [UserError("no"), KeyboardInterrupt(), RuntimeError()])
def test_a_failed_import_leaves_nothing(tmp_path, error):
    def fail(folder):
        write_one(folder)
        raise error

    with pytest.raises(type(error)):
        make_root(tmp_path / "root", note(None), fail)
    assert [p.name for p in tmp_path.iterdir()] == []


def test_a_full_disk_is_a_user_error(tmp_path):
    def fail(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot write .*/root: No space left on device"):
        make_root(tmp_path / "root", note(None), fail)
    assert [p.name for p in tmp_path.iterdir()] == []


def test_an_unwritable_place_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot make .*/file/root: File exists. Choose a"):
        make_root(tmp_path / "file/root", note(None), write_one)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError) as caught:
        make_root(tmp_path, note(None), never)
    assert str(caught.value) == (
        f"{tmp_path} is not empty (it holds mine.txt), so Thing does not write there: "
        "give a new or empty folder as root_dir."
    )
    with pytest.raises(UserError, match=r"mine.txt is not empty \(it holds a file\)"):
        make_root(tmp_path / "mine.txt", note(None), never)


def test_another_import_is_left_alone(tmp_path):
    make_root(tmp_path / "root", note(tmp_path / "a"), write_one)
    with pytest.raises(UserError, match=r"holds Thing data from .*/a, not Thing data from .*/b"):
        make_root(tmp_path / "root", note(tmp_path / "b"), never)
    with pytest.raises(UserError, match=r"not Other data from .*/a: give another root_dir"):
        make_root(tmp_path / "root", note(tmp_path / "a", "Other"), never)


def test_of_two_imports_at_once_the_first_wins(tmp_path):
    def race(folder):
        write_one(folder)
        make_root(tmp_path / "root", note(None), write_one)

    make_root(tmp_path / "root", note(None), race)
    assert [p.name for p in tmp_path.iterdir()] == ["root"]


def test_a_lost_race_with_a_broken_winner_is_said(tmp_path):
    def race(folder):
        write_one(folder)
        shutil.copytree(folder, tmp_path / "root")

    with pytest.raises(UserError, match=r"root is not empty \(it holds styles.csv\)"):
        make_root(tmp_path / "root", note(None), race)


def test_another_option_is_not_ignored(tmp_path):
    root = tmp_path / "root"
    make_root(root, note(None, top=5), write_one)
    make_root(root, note(None, top=5), never)
    with pytest.raises(UserError) as caught:
        make_root(root, note(None, top=3), never)
    assert str(caught.value) == (
        f"{root} holds Thing data imported with top=5, not with top=3: give another root_dir, or "
        "remove the folder."
    )


def test_the_note_of_an_older_version_is_taken_for_the_same_options(tmp_path):
    root = tmp_path / "root"
    make_root(root, note(None, top=5), write_one)
    (root / "import.json").write_text(json.dumps({"importer": "Thing", "source": None}))
    make_root(root, note(None, top=3), never)


@pytest.mark.parametrize("text", ["[]", "3", "{", "[" * 100_000])
def test_a_damaged_note_is_a_message(tmp_path, text):
    root = tmp_path / "root"
    make_root(root, note(None), write_one)
    (root / "import.json").write_text(text)
    with pytest.raises(UserError, match="is not empty"):
        make_root(root, note(None), never)


def test_what_a_killed_import_left_goes_and_what_still_grows_stays(tmp_path):
    old, new, other = (tmp_path / f".{n}.partial" for n in ("root.a", "root.b", "more.c"))
    for draft in (old, new, other):
        draft.mkdir()
        (draft / "images.npy").touch()
    past = (draft.stat().st_mtime - 2 * ABANDONED,) * 2
    for path in (old, old / "images.npy", new, other, other / "images.npy"):
        os.utime(path, past)
    make_root(tmp_path / "root", note(None), write_one)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".more.c.partial", ".root.b.partial", "root",
    ]  # fmt: skip


def test_an_import_from_another_machine_is_taken_over_by_running_it_again(tmp_path):
    source, root, secret = (tmp_path / name for name in ("source", "root", "secret"))
    for folder in (source, root, secret):
        folder.mkdir()
    for path in (source / "a.png", secret / "b.png"):
        path.write_bytes(b"picture")
    facts = note(source).facts() | {"folders": ["/"]}
    (root / "import.json").write_text(json.dumps(facts))
    up = f"{source}/../secret/b.png"
    (root / "images.csv").write_text(f"id,path\na,{source}/a.png\nb,{secret}/b.png\nc,{up}\n")
    assert ListedImages(root).find(["a", "b", "c"]) == {}
    make_root(root, note(source), never)
    assert set(ListedImages(root).find(["a", "b", "c"])) == {"a"}, "the source's alone"
    assert imported_folders(root) == [source]


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path / "file"))
    make_root(tmp_path / "root", note(tmp_path), lambda folder: [tmp_path])
    assert "cannot be noted as imported here" in caplog.text
    assert "set FEWSHOT_CACHE to a writable folder and run the import again" in caplog.text
