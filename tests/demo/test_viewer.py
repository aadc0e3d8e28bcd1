import pytest

from fewshot.demo.refusals import RefusedError
from fewshot.demo.viewer import LONGEST_NAME, MOST_SNAPSHOTS, REFERENCES
from tests.demo.fakes import COLOURS, colour_viewer, patch
from tests.demo.scenes import jpeg

YELLOW = (220, 200, 40)


@pytest.mark.parametrize("name", COLOURS)
def test_the_likeliest_classes_of_a_picture_are_named(name):
    viewer, _ = colour_viewer()
    seen = viewer.look(jpeg(patch(COLOURS[name])))
    assert seen["top"][0]["name"] == name
    assert seen["top"][0]["score"] > 0.8
    assert not seen["top"][0]["added"]
    assert [entry["score"] for entry in seen["top"]] == sorted(
        (entry["score"] for entry in seen["top"]), reverse=True
    )
    assert seen["cut"] == "plain"
    assert seen["crop"].startswith("data:image/png;base64,")
    ((x, y), *_) = seen["outlines"][0]
    assert 0.2 < x < 0.6
    assert 0.3 < y < 0.8


@pytest.mark.parametrize(("threshold", "unknown"), [(None, False), (0.1, False), (1.0, True)])
def test_below_the_models_threshold_an_item_is_unknown(threshold, unknown):
    viewer, recogniser = colour_viewer()
    recogniser.threshold = threshold
    seen = viewer.look(jpeg(patch(COLOURS["Red"])))
    assert seen["unknown"] is unknown
    assert seen["top"][0]["name"] == "Red"


def test_the_file_of_the_model_has_what_was_added():
    viewer, _ = colour_viewer()
    viewer.teach("Scarf", [jpeg(patch(YELLOW))])
    assert viewer.download() == b"Red, Green, Blue, Scarf"


def test_against_its_background_an_item_is_found_and_an_empty_view_told():
    viewer, _ = colour_viewer()
    bare = patch(COLOURS["Green"], at=(2, 2))
    name = viewer.remember_background(jpeg(bare))
    shown = bare.copy()
    shown[30:54, 50:74] = COLOURS["Blue"]
    seen = viewer.look(jpeg(shown), name)
    assert seen["cut"] == "reference"
    assert seen["top"][0]["name"] == "Blue"
    assert viewer.look(jpeg(bare), name)["top"] == []


def test_only_the_latest_backgrounds_are_kept():
    viewer, _ = colour_viewer()
    frame = jpeg(patch(COLOURS["Red"]))
    first = viewer.remember_background(frame)
    others = [viewer.remember_background(frame) for _ in range(REFERENCES)]
    with pytest.raises(RefusedError, match="not known any longer: take it again"):
        viewer.look(frame, first)
    for name in others:
        viewer.look(frame, name)


def test_a_background_of_other_proportions_is_refused():
    viewer, _ = colour_viewer()
    name = viewer.remember_background(jpeg(patch(COLOURS["Red"])))
    with pytest.raises(RefusedError, match="other proportions than the background"):
        viewer.look(jpeg(patch(COLOURS["Red"], size=(80, 60))), name)


def test_an_article_is_known_after_its_snapshots_and_forgotten_again():
    viewer, _ = colour_viewer()
    snapshots = [jpeg(patch(YELLOW, at=(18 + i, 20 + i))) for i in range(5)]
    answer = viewer.teach("  My   scarf ", snapshots)
    assert answer["added"] == "My scarf"
    assert answer["snapshots"] == 5
    assert answer["articles"] == ["My scarf"]
    assert answer["classes"] == list(COLOURS)
    top = viewer.look(snapshots[0])["top"][0]
    assert top["name"] == "My scarf"
    assert top["added"]
    assert viewer.forget("My scarf")["articles"] == []
    assert viewer.look(snapshots[0])["top"][0]["name"] != "My scarf"


def test_snapshots_that_cannot_be_used_are_named_and_nothing_is_learned():
    viewer, _ = colour_viewer()
    good = jpeg(patch(YELLOW))
    with pytest.raises(RefusedError) as caught:
        viewer.teach("Scarf", [good, b"", b"words", good, good[:100]])
    told = str(caught.value)
    assert told.startswith(
        "3 of 5 snapshots cannot be used, so 'Scarf' was not added: snapshot 2: "
    )
    assert "snapshot 3: " in told
    assert "snapshot 5: " in told
    assert viewer.state()["articles"] == []


def test_snapshots_without_an_item_before_the_background_are_refused():
    viewer, _ = colour_viewer()
    bare = jpeg(patch(COLOURS["Red"], at=(2, 2)))
    name = viewer.remember_background(bare)
    with pytest.raises(RefusedError, match="snapshot 1: nothing stands out"):
        viewer.teach("Scarf", [bare], name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "has no name"),
        ("  ", "has no name"),
        ("Red", "'Red' is known already"),
        ("rEd", "'rEd' is known already"),
        ("x" * (LONGEST_NAME + 1), "printable characters"),
        ("bell\x07", "printable characters"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, told):
    viewer, _ = colour_viewer()
    with pytest.raises(RefusedError, match=told):
        viewer.teach(name, [jpeg(patch(YELLOW))])


@pytest.mark.parametrize("count", [0, MOST_SNAPSHOTS + 1])
def test_the_number_of_snapshots_is_bounded(count):
    viewer, _ = colour_viewer()
    with pytest.raises(RefusedError, match=f"{count} snapshots: take 1 to {MOST_SNAPSHOTS}"):
        viewer.teach("Scarf", [jpeg(patch(YELLOW))] * count)


@pytest.mark.parametrize("name", ["Red", "never added"])
def test_only_what_was_added_can_be_forgotten(name):
    viewer, _ = colour_viewer()
    with pytest.raises(RefusedError, match="is no article that was added"):
        viewer.forget(name)
    assert viewer.state()["classes"] == list(COLOURS)
