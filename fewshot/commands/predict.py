"""Predict what photos show, by a trained model.

Files, folders (with all below them), patterns such as 'new/*.jpg', a CSV with a column path or id,
or - for a list of files on standard input. A line a photo: its five likeliest classes and their
probabilities; "unknown" before them where the model is not sure enough. A photo that cannot be
read is a line that says why.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the photos, the form of the answer."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model.mdl of an experiment's folder")
    add("photos", nargs="+", metavar="PATH", help="file, folder, pattern, CSV, or -")
    add("--csv", type=Path, metavar="FILE", help="write a CSV instead of a table")
    add("--json", action="store_true", help="print an object a line instead of a table")
    add("--neighbours", type=int, default=0, metavar="N", help="also name the N training images "
        "that are most alike")  # fmt: skip
    add("--root", type=Path, metavar="DIR", help="what a CSV's paths start at, or what holds "
        "images/<id>.jpg of its ids")  # fmt: skip
    add("--photos", dest="turned", choices=("auto", "as-they-are", "on-black"), default="auto",
        help="on-black: the item cut out, grey, on black, as Fashion-MNIST shows items; auto, the "
        "default, does so for models trained on such images")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Predict; 2 where not one photo could be read."""
    import sys

    from fewshot.console import say
    from fewshot.errors import UserError
    from fewshot.models.prediction.counting import Counted
    from fewshot.models.prediction.photos import Photos
    from fewshot.models.prediction.predictor import load
    from fewshot.models.prediction.shown import show_json, show_table, write_csv
    from fewshot.progress import followed

    if given.csv and given.json:
        raise UserError("--csv and --json are two forms of the answer: give one of them.")
    if given.csv:
        _refuse_to_write_over(given.csv, [given.model, *given.photos])
    model = load(given.model, given.turned)
    if model.image_format.items_on_black and given.turned == "auto":
        say(
            "the model was trained on grey items on black: photos are turned into such "
            "(--photos as-they-are leaves them)"
        )
    places = [place for place in given.photos if place != "-"]
    photos = Photos(places, given.root, sys.stdin if "-" in given.photos else None)
    # a bar and a table on one terminal would run into each other
    quiet = not given.csv and sys.stdout.isatty()
    counted = Counted(model.predictions(photos, given.neighbours), model.threshold)
    found = followed(counted, "predicting", "photos", photos.total, shown=not quiet)
    if given.csv:
        write_csv(found, given.csv, model.top, given.neighbours)
    elif given.json:
        show_json(found)
    else:
        show_table(found)
    say(counted.summary(photos.left_out))
    return 0 if counted.read else 2


def _refuse_to_write_over(out: Path, read: list[str]) -> None:
    """Raises UserError where the answer would take the place of what it is made of.

    Photos may come of folders, patterns and lists, so no photo at all is written over.
    """
    from contextlib import suppress

    from fewshot.data.images.photo import SUFFIXES, is_photo
    from fewshot.errors import UserError
    from fewshot.experiment.files import refuse_what_is_no_file

    printed = ", or leave --csv out: a table is printed, or by --json an object a line"
    refuse_what_is_no_file(out, printed)
    for place in read:
        with suppress(OSError):  # of what is not there
            if out.samefile(place):
                raise UserError(
                    f"--csv {out} is the file that is read: name another one for the answer."
                )
    if out.suffix.lower() in SUFFIXES:
        raise UserError(
            f"--csv {out} has the name of a photo: name a file such as {out.with_suffix('.csv')}."
        )
    if is_photo(out):
        raise UserError(
            f"--csv {out} is a photo: name another file for the answer, such as answers.csv."
        )
