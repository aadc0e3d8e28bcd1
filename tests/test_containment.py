import pytest

from fewshot.containment import Roots


@pytest.fixture
def roots(tmp_path):
    (tmp_path / "root/in").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root/away").symlink_to(tmp_path / "out")
    (tmp_path / "root/inner").symlink_to("in")
    (tmp_path / "root/file.jpg").symlink_to(tmp_path / "out/a.jpg")
    (tmp_path / "root/loop").symlink_to("loop")
    return Roots(tmp_path / "root")


@pytest.mark.parametrize(
    "path", ["a.jpg", "in/a.jpg", "./a.jpg", "in/../a.jpg", "inner/a.jpg", "gone/a.jpg", "..a"]
)
def test_paths_that_stay(roots, tmp_path, path):
    assert roots.path(path) == tmp_path / "root" / path


@pytest.mark.parametrize(
    "path",
    ["../out/a.jpg", "in/../../out/a.jpg", "/etc/passwd", "away/a.jpg", "file.jpg", "..", ".", "",
     "in/..", "../root2/a.jpg", "a\0.jpg"],
)  # fmt: skip
def test_paths_that_leave(roots, path):
    assert roots.path(path) is None


def test_absolute_paths_may_name_what_is_inside(roots, tmp_path):
    assert roots.path(f"{tmp_path}/root/in/a.jpg") == tmp_path / "root/in/a.jpg"
    assert roots.path(f"{tmp_path}/root2/a.jpg") is None


def test_a_root_may_be_a_link_and_there_may_be_several(roots, tmp_path):
    assert Roots(tmp_path / "root/away").holds(tmp_path / "out/a.jpg")
    both = Roots(tmp_path / "root", tmp_path / "out")
    assert both.path("away/a.jpg") == tmp_path / "root/away/a.jpg"
    assert both.path("../root2/a.jpg") is None
    assert Roots(tmp_path.__class__("/")).holds(tmp_path / "anything")


def test_a_looping_link_ends(roots):
    found = roots.path("loop/a.jpg")
    assert found is None or not found.exists()
