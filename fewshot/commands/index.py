"""Put a gallery of any size beside a model, for predict --neighbours and k-NN models.

index MODEL PATH ...: photos as predict takes them, for example a training CSV with --root, are
embedded and written to MODEL's name with .gallery. Up to --exact-rows, all are compared with;
above, an index is made (pip install -r requirements-index.txt), and its recall against comparing
with all is told. The gallery takes the place of the one in the model file; remove its folder to
undo that. In a k-NN model, those images vote that are labelled with a class it was trained on; the
others are neighbours only.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.models.prediction.gallery_writing import Part
    from fewshot.models.prediction.photos import Photos
    from fewshot.models.prediction.predictor import Predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the photos, when an index is made."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model.mdl of an experiment's folder")
    add("photos", nargs="+", metavar="PATH", help="file, folder, pattern, CSV")
    add("--root", type=Path, metavar="DIR", help="as predict --root")
    add("--label-column", default="articleType", metavar="NAME", help="of the CSVs: the classes "
        "of their photos (default: articleType; '': they have none)")  # fmt: skip
    add("--exact-rows", type=int, default=1_000_000, metavar="N", help="images that are all "
        "compared with; above, an index is made (default: 1,000,000)")  # fmt: skip
    add("--photos", dest="turned", choices=("auto", "as-they-are", "on-black"), default="auto",
        help="as predict --photos")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    """Write the gallery; 2 where not one photo could be read."""
    from fewshot.console import say, show
    from fewshot.errors import UserError
    from fewshot.heads.comparing import imported
    from fewshot.models.load import load
    from fewshot.models.prediction.answers import Answers
    from fewshot.models.prediction.gallery_writing import write_gallery
    from fewshot.models.prediction.photos import Photos
    from fewshot.models.prediction.predictor import Predictor
    from fewshot.wording import counted, visible

    if given.exact_rows < 0:
        raise UserError(f"--exact-rows is {given.exact_rows}: give 0 or more.")
    model = Predictor(load(given.model), photos=given.turned)
    photos = Photos(given.photos, given.root, label_column=given.label_column or None)
    model.answers.check_labels(photos.labels)
    if (photos.total or 0) > given.exact_rows:
        imported("faiss")  # before hours of embedding, not after
    broken: list[str] = []
    parts = _parts(model, photos, broken)
    written = write_gallery(model.module.stored, parts, model.alike.metrics, given.exact_rows)
    if broken:
        say(visible(f"{counted(len(broken), 'photo')} could not be read, the first: {broken[0]}"))
    show(visible(f"{written.place}: {len(written):,} images, {len(written.class_names)} classes"))
    show(written.told())
    voters = Answers(model.module, model.extras, written).voters
    if voters is not None:
        show(voters.told())
    return 0


def _parts(model: "Predictor", photos: "Photos", broken: list[str]) -> Iterator["Part"]:
    """Batch by batch; what cannot be read is noted in `broken`."""
    from fewshot.models.prediction.decoded import decoded
    from fewshot.models.prediction.gallery_writing import Part
    from fewshot.progress import ProgressBar

    with ProgressBar("embedding", photos.total or 0, "photos") as bar:
        for batch in decoded(photos, model.image_format):
            good = [i for i in range(len(batch.photos)) if i not in batch.failures]
            broken += [f"{batch.photos[i].name} ({f.reason})" for i, f in batch.failures.items()]
            if good:
                features = model.embed(batch.images[good]).cpu().numpy()
                some = [batch.photos[i] for i in good]
                yield Part([p.name for p in some], [p.label for p in some], features)
            bar.update(len(batch.photos))
