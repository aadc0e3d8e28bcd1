"""Find images and ids that are in more than one split CSV.

Ids in both, images equal in every pixel, images nearly equal, and equal images of unequal labels:
audit.csv, and a sheet of pictures, audit.png. Each CSV is compared with those before it, so name
the training CSV first.
"""

import argparse
from pathlib import Path

from fewshot.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CSVs, their root, and what counts as nearly equal."""
    add = parser.add_argument
    add("csv", nargs="+", metavar="CSV", help="split CSVs; one alone is compared with itself")
    add("--root", required=True, type=Path, metavar="DIR", help="holds images/<id>.jpg")
    add("--output", type=Path, default=Path("audit"), metavar="DIR", help="default: audit")
    add("--strict", action="store_true", help="exit 1 if anything is found")
    add("--within", action="store_true", help="also compare the rows of each CSV with one another")
    add("--label-column", default="articleType", metavar="NAME", help="default articleType")
    add("--bits", type=int, metavar="N", help="near duplicates: most bits between their hashes, of "
        "64, default 6")  # fmt: skip
    add("--distance", type=float, metavar="X", help="near duplicates: largest distance of their "
        "thumbnails, default 0.1; 0 is equal, 1.4 unrelated")  # fmt: skip
    add("--pairs", type=int, default=60, metavar="N", help="pairs on the sheet, default 60")


def run(given: argparse.Namespace) -> int:
    """Write and sum up what is found; 1 where --strict is given and something is found."""
    from fewshot.data.audit.command import audit, write_audit
    from fewshot.data.audit.pairs import NearRule

    bound = {"bits": given.bits, "distance": given.distance}
    rule = NearRule(**{name: value for name, value in bound.items() if value is not None})
    found = audit(given.csv, given.root, given.label_column, rule, given.within)
    write_audit(found, given.root, given.output, given.pairs)
    show(found.summary())
    written = [given.output / name for name in ("audit.csv", "audit.png")]
    show(" and ".join(str(path) for path in written if path.exists()))
    return int(given.strict and len(found.findings) > 0)
