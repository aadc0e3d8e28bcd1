"""Add classes to a model from a few photos of each, without training.

add MODEL FOLDER OUT.mdl: FOLDER holds a folder of photos for each new class, called as the class
is. add MODEL OUT.mdl --remove NAME: without a class that was added. add MODEL --list: what the
model knows. OUT.mdl predicts as any model does.
"""

import argparse
from pathlib import Path

from fewshot.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the photos, where the new model goes."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model.mdl of an experiment's folder")
    add("folder", nargs="?", type=Path, metavar="FOLDER", help="a folder a class")
    add("out", nargs="?", type=Path, metavar="OUT.mdl", help="the new model; may be MODEL itself")
    add("--remove", action="append", default=[], metavar="NAME", help="a class that was added")
    add("--photos", choices=("auto", "as-they-are", "on-black"), default="auto",
        help="as predict --photos")  # fmt: skip
    add("--list", action="store_true", help="list the classes, and change nothing")


def run(given: argparse.Namespace) -> None:
    """Write the new model, or list what there is."""
    from fewshot.console import show
    from fewshot.models.prediction.adding import add_classes, read_classes, remove_classes
    from fewshot.models.prediction.predictor import load
    from fewshot.wording import counted, visible

    model = load(given.model, given.photos)
    if given.list:
        names = [f"{name}  (added)" if name in model.added else name for name in model.class_names]
        show("\n".join(visible(name) for name in names) or "the model knows no classes")
        return
    folder, out = (given.folder, given.out) if given.out else (None, given.folder)
    if out is None or (folder is None and not given.remove):
        raise UserError(
            "say what to do: add MODEL FOLDER OUT.mdl, add MODEL OUT.mdl --remove NAME, or "
            "add MODEL --list."
        )
    _check_out(out)
    model = remove_classes(model, given.remove)
    before = len(model.class_names)
    if folder is not None:
        classes = read_classes(model, folder)
        model = add_classes(model, classes)
        for name, images in classes.items():
            show(visible(f"{name}: {counted(len(images), 'photo')}"))
    model.save(out)
    if given.remove:
        show(visible(f"removed: {', '.join(given.remove)}"))
    added, now = len(model.added), len(model.class_names) - before
    new = f", {now} of these now" if folder is not None else ""
    show(visible(f"{out}: {len(model.class_names)} classes, {added} of them added{new}"))


def _check_out(out: Path) -> None:
    """Refuse to write over what is no model."""
    from fewshot.models.model_file import load_model

    if out.is_dir():
        raise UserError(f"'{out}' is a folder: name the file of the new model, e.g. {out}/new.mdl.")
    if out.exists():
        try:
            load_model(out)
        except UserError as error:
            raise UserError(
                f"'{out}' exists and is no model: name another file for the new model."
            ) from error
    if not out.absolute().parent.is_dir():
        raise UserError(f"the folder of '{out}' does not exist: make it, or name another file.")
