"""Put a gallery of any size beside a model, for predict --neighbours and k-NN models.

index MODEL PATH ...: photos as predict takes them, for example a training CSV with --root, are
embedded and written to MODEL's name with .gallery. Up to --exact-rows, all are compared with;
above, an index is made (pip install -r requirements-index.txt), and its recall against comparing
with all is told. The gallery takes the place of the one in the model file; remove its folder to
undo that. In a k-NN model, those images vote that are labelled with a class it was trained on; the
others are neighbours only. torchrun --nproc_per_node=N -m fewshot index ... makes the same gallery
by N processes, each on a GPU of its own where there are any. The gallery's files are compared with
their digests when it is opened; FEWSHOT_UNCOMPARED=1 leaves out those above 64 MB.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.models.prediction.gallery_writing import Part
    from fewshot.models.prediction.photos import Photo
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
    import torch

    from fewshot.errors import UserError
    from fewshot.heads.comparing import imported_faiss
    from fewshot.models.load import load
    from fewshot.models.prediction.among_ranks import in_order, share
    from fewshot.models.prediction.decoded import batch_size
    from fewshot.models.prediction.gallery_folder import embedding_digest
    from fewshot.models.prediction.photos import Photos
    from fewshot.models.prediction.predictor import Predictor
    from fewshot.training.launched import met
    from fewshot.training.shared_start import refused_together

    if given.exact_rows < 0:
        raise UserError(f"--exact-rows is {given.exact_rows}: give 0 or more.")
    meeting = met("cuda" if torch.cuda.is_available() else "cpu")
    with meeting as (rank, ranks), refused_together("Give the same command again.") as agree:
        model = Predictor(load(given.model), photos=given.turned)
        photos = Photos(given.photos, given.root, label_column=given.label_column or None)
        model.answers.check_labels(photos.labels)
        if (photos.total or 0) > given.exact_rows:
            imported_faiss()  # before hours of embedding, not after
        if ranks == 1:
            _write(model, _embedded(model, photos), given.exact_rows, photos.total)
            return 0
        facts = {"model": embedding_digest(model.module.stored), "photos": photos.digest()}
        agree(facts | {"command line": str(sorted(vars(given).items()))})
        own = share(photos, batch_size(model.image_format), rank, ranks)
        parts = in_order(_embedded(model, own), rank, ranks)
        if rank == 0:
            _write(model, parts, given.exact_rows, photos.total)
        else:
            list(parts)  # none: the first process has them
    return 0


def _embedded(model: "Predictor", photos: Iterable["Photo"]) -> Iterator["Part"]:
    """Batch by batch."""
    import numpy as np

    from fewshot.allocation import freed_memory_kept
    from fewshot.models.prediction.decoded import decoded
    from fewshot.models.prediction.gallery_writing import Part

    with freed_memory_kept(model.device):
        for batch in decoded(photos, model.image_format):
            good = [i for i in range(len(batch.photos)) if i not in batch.failures]
            broken = [f"{batch.photos[i].name} ({f.reason})" for i, f in batch.failures.items()]
            features = np.zeros((0, 0), np.float32)
            if good:
                features = model.embed(batch.images[good]).cpu().numpy()
            some = [batch.photos[i] for i in good]
            yield Part([p.name for p in some], [p.label for p in some], features, broken)


def _write(model: "Predictor", parts: Iterator["Part"], exact_rows: int, total: int | None) -> None:
    """Write what is embedded, and say what has come of it."""
    from fewshot.console import say, show
    from fewshot.models.prediction.answers import Answers
    from fewshot.models.prediction.gallery_writing import write_gallery
    from fewshot.progress import ProgressBar
    from fewshot.wording import counted, visible

    broken: list[str] = []

    def followed() -> Iterator["Part"]:
        with ProgressBar("embedding", total, "photos") as bar:
            for part in parts:
                broken.extend(part.broken)
                yield part
                bar.update(len(part.names) + len(part.broken))

    written = write_gallery(model.module.stored, followed(), model.alike.metrics, exact_rows)
    if broken:
        say(visible(f"{counted(len(broken), 'photo')} could not be read, the first: {broken[0]}"))
    show(visible(f"{written.place}: {len(written):,} images, {len(written.class_names)} classes"))
    for line in dict.fromkeys(written.told(metric) for metric in model.alike.metrics):
        show(line)
    voters = Answers(model.module, model.extras, written).voters
    if voters is not None:
        show(voters.told())
