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
    add("--root", required=True, action="append", type=Path, metavar="DIR", help="holds "
        "images/<id>.jpg; one for all CSVs, or one for each in their order")  # fmt: skip
    add("--output", type=Path, default=Path("audit"), metavar="DIR", help="default: audit")
    add("--strict", action="store_true", help="exit 1 if anything is found")
    add("--within", action="store_true", help="also compare the rows of each CSV with one another")
    add("--label-column", default="articleType", metavar="NAME", help="default articleType")
    add("--bits", type=int, metavar="N", help="near duplicates: most bits between their hashes, of "
        "64, default 6")  # fmt: skip
    add("--distance", type=float, metavar="X", help="near duplicates: largest distance of their "
        "thumbnails, default 0.1; 0 is equal, 1.4 unrelated")  # fmt: skip
    add("--write", type=Path, metavar="CLEAN.csv", help="also write the rows of the last CSV but "
        "those found in it")  # fmt: skip
    add("--groups", type=Path, metavar="GROUPS.csv", help="also write all rows with a column group "
        "of images that show the same, for splits --group-column")  # fmt: skip
    add("--pairs", type=int, default=60, metavar="N", help="pairs on the sheet, default 60")


def run(given: argparse.Namespace) -> int:
    """Write and sum up what is found; 1 where --strict is given and something is found."""
    from fewshot.data.audit.command import audit
    from fewshot.data.audit.pairs import NearRule
    from fewshot.data.audit.writing import write_audit, write_clean, write_groups
    from fewshot.reports.fonts import pieces

    bound = {"bits": given.bits, "distance": given.distance}
    rule = NearRule(**{name: value for name, value in bound.items() if value is not None})
    found = audit(given.csv, given.root, given.label_column, rule, given.within)
    write_audit(found, given.output, given.pairs, pieces)
    show(found.summary())
    if given.write:
        removed = write_clean(found, given.csv[-1], given.write)
        show(f"{given.write}: {given.csv[-1]} without {removed:,} rows")
    if given.groups:
        several, largest = write_groups(found, rule, given.groups)
        show(f"{given.groups}: {several:,} groups of several images, the largest of {largest:,}")
    written = [given.output / name for name in ("audit.csv", "audit.png")]
    show(" and ".join(str(path) for path in written if path.exists()))
    return int(given.strict and len(found.findings) > 0)
