import numpy as np
import pytest
from PIL import Image

from fewshot.reports.confusions import Confusions
from fewshot.reports.curves import accuracy_curves, loss_curves
from fewshot.reports.plots import confusion_matrix, image_grid, learning_curves

ROWS = [
    {"split": "train", "epoch": 1, "step": 5, "loss": 2.0, "top1": 0.2},
    {"split": "train", "epoch": 1, "step": 10, "loss": 1.0, "top1": 0.4},
    {"split": "train", "epoch": 2, "step": 20, "loss": 0.5, "top1": None},
    {
        "split": "validation",
        "epoch": 2,
        "loss": 0.7,
        "knn_top1": 0.6,
        "mean_class_top1": 0.1,
        "knn_mean_class_top1": 0.1,
    },
    {"split": "test", "epoch": 2, "loss": 0.8, "top1": 0.55},
]


def test_curves_average_within_an_epoch_and_leave_out_what_is_no_number():
    train, validation, test = loss_curves(ROWS)
    assert (train.split, train.epochs, train.values) == ("train", (1.0, 2.0), (1.5, 0.5))
    assert (validation.values, test.values) == ((0.7,), (0.8,))
    accuracies = {(c.split, c.key): c.values for c in accuracy_curves(ROWS)}
    assert accuracies == {
        ("train", "top1"): (pytest.approx(0.3),),
        ("validation", "knn_top1"): (0.6,),
        ("test", "top1"): (0.55,),
    }


def test_a_curve_is_named_after_its_figure_unless_that_is_plain():
    assert [c.label for c in loss_curves(ROWS)] == ["train", "validation", "test"]
    assert [c.label for c in accuracy_curves(ROWS[3:4])] == ["validation knn_top1"]
    assert [c.label for c in accuracy_curves(ROWS[4:])] == ["test"]


def test_largest_confusions_leave_out_the_diagonal_and_the_empty_cells():
    counts = np.array([[9, 2, 0], [0, 9, 5], [2, 0, 0]])
    assert Confusions.of_matrix(counts).largest(2) == [(1, 2, 5), (0, 1, 2)]
    assert Confusions.of_matrix(counts).largest(9) == [(1, 2, 5), (0, 1, 2), (2, 0, 2)]


def test_a_confusion_matrix_that_does_not_fit_its_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"confusions of 2 do not fit 3 class names"):
        confusion_matrix(
            Confusions.of_matrix(np.zeros((2, 2), dtype=int)), list("abc"), tmp_path / "c.png"
        )


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
def test_learning_curves_are_drawn_from_any_history(rows, tmp_path):
    learning_curves(rows, tmp_path / "curves.png", 2 if rows else None)
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size == (1260, 468)


@pytest.mark.parametrize(("classes", "inches"), [(2, 4.76), (10, 8.6), (70, 14.2), (130, 18.2)])
def test_confusion_matrices_of_any_size(classes, inches, tmp_path):
    counts = np.random.default_rng(0).integers(0, 50, (classes, classes))
    path = tmp_path / "confusion.png"
    confusion_matrix(Confusions.of_matrix(counts), [f"${i}" for i in range(classes)], path)
    assert 1000 < path.stat().st_size < 300_000
    with Image.open(path) as image:
        assert image.width == int(inches * (100 if classes <= 25 else 120))


def test_a_confusion_matrix_is_drawn_alike_every_time(tmp_path):
    for name in ("first.png", "second.png"):
        confusion_matrix(
            Confusions.of_matrix(np.array([[3, 1], [0, 2]])), ["a", "b"], tmp_path / name
        )
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_image_grid(tmp_path):
    images = np.zeros((5, 8, 6, 1), dtype=np.uint8)
    image_grid(images, list("abcde"), tmp_path / "grid.png", columns=3, right=[True] * 5)
    assert (tmp_path / "grid.png").stat().st_size > 500
    with pytest.raises(ValueError, match="5 images and 1 captions"):
        image_grid(images, ["a"], tmp_path / "grid.png")
