"""Two processes that embed together: for an evaluation, then for two galleries.

python -m tests.distributed.evaluating FOLDER ROWS PHOTOS SHOP

Before and after, one of the processes is refused what it asks for. Both are forks of one, which has
imported for them; what each says is in FOLDER/rank<N>.log.
"""

import functools
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import experiment
import tests.objectives.toy  # noqa: F401  # registers the model's encoder
from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.evaluation import crew
from fewshot.evaluation.crew import shared
from fewshot.evaluation.inference import embed, score
from fewshot.models.prediction import decoded
from tests.conftest import Shop
from tests.distributed.meeting import as_rank, two_meet
from tests.distributed.shop import TRAINED
from tests.faults import child
from tests.faults.scenes import keep_warm


class Split:
    """Images of random pixels that notes which of them were asked for."""

    image_size, channels, class_names, further = (4, 4), 1, ("a", "b"), {}

    def __init__(self, rows: int, broken: int = -1) -> None:
        self.ids, self.labels = np.arange(rows), np.arange(rows) % 2
        self.pixels = torch.randint(0, 256, (rows, 1, 4, 4), generator=torch.Generator())
        self.broken, self.seen = broken, []

    def __len__(self) -> int:
        return len(self.ids)

    def images(self, rows: np.ndarray) -> torch.Tensor:
        if self.broken in rows:
            raise UserError(f"row {self.broken} cannot be read")
        self.seen += rows.tolist()
        return self.pixels[torch.from_numpy(rows)].to(torch.uint8)


class Net(torch.nn.Module):
    """An embedding whose weights differ in every process until they are shared."""

    def __init__(self) -> None:
        super().__init__()
        seed = dist.get_rank() if dist.is_initialized() else 0
        draw = torch.Generator().manual_seed(seed)
        self.layer = torch.nn.Conv2d(1, 6, 3).to(memory_format=torch.channels_last)
        self.norm = torch.nn.BatchNorm2d(6)
        with torch.no_grad():
            for tensor in (self.layer.weight, self.layer.bias, self.norm.running_mean):
                tensor.normal_(generator=draw)
        self.register_buffer("flags", torch.tensor([True, False]))
        self.eval()

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.layer(images.float())).flatten(1)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        return self.embed(images)[:, :2]


def evaluate(place: Path, rows: int) -> None:
    """Evaluate, and leave what came of it in the folder: results.pt, and rank<N>.json of each."""
    rank, net = dist.get_rank() if dist.is_initialized() else 0, Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    splits = {"test": Split(rows), "broken": Split(40, broken=17)}
    refused = None
    with torch.inference_mode(), shared(net, splits) as found:
        if found:
            results = [
                embed(net, found["test"], chunk=8),
                embed(net, found["test"], chunk=8),  # kept: nobody computes it again
                embed(net, found["test"], chunk=8, rows=np.array([3, 1])),
                score(net, found["test"], chunk=8, mirrored=True, rows=np.arange(1, rows, 2)),
            ]
            try:
                embed(net, found["broken"], chunk=8)
            except UserError as error:
                refused = str(error)
            torch.save(results, place / "results.pt")
    same = all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    told = {"seen": splits["test"].seen, "refused": refused, "same": same}
    (place / f"rank{rank}.json").write_text(json.dumps(told))


def wait_long(net: Net) -> None:
    """Wait for the first process longer than others are waited for while all are at work."""
    take_state = crew._Crew.take_state

    def then_hurry(self: crew._Crew) -> list[torch.Tensor]:
        before = take_state(self)
        dist.set_timeout(timedelta(seconds=0.5))
        return before

    crew._Crew.take_state = then_hurry
    with shared(net, {}) as found:
        if found is not None:
            time.sleep(1.5)


def index(place: Path, photos: Path) -> int:
    """Make the gallery of the folder's little model, eight photos a batch; the exit code."""
    decoded.BATCH = 8
    return main(["index", str(place / "x.mdl"), str(photos)])


def refused_in_the_second(folder: Path, shop: Path, binding: str) -> None:
    """A run of the little shop with one binding more in the second process."""
    (folder / "run.gin").write_text("")
    bound = [*Shop(shop).bindings(), *TRAINED, "main.objective = @TransferNet"]
    bound += ["TransferNet.encoder = @SmallResNet"]
    bound += [binding] if os.environ["RANK"] == "1" else []
    words = ["-c", str(folder / "run.gin"), "--output-dir", str(folder / "experiments")]
    words += [word for line in bound for word in ("-p", line)]
    assert experiment.run(words) == 2


def be_one(told: dict[str, str], here: Path, rows: int, photos: Path, shop: Path) -> int:
    """All that one of the two does; the exit code."""
    os.environ |= told
    torch.set_num_threads(1)
    # before they have met
    refused_in_the_second(here, shop, "FashionDataset.csv_file = '/no/such/train.csv'")
    dist.init_process_group("gloo")
    refused_in_the_second(here, shop, "TransferNet.saved_model_path = '/no/such/model.mdl'")
    evaluate(here, rows)
    wait_long(Net())
    code = index(here, photos)
    # one more place, and no model, in one of them
    model, other = str(here / "x.mdl"), [str(photos)] * dist.get_rank()
    assert main(["index", model, str(photos), *other]) == 2
    assert main(["index", [model, "/no/such/x.mdl"][dist.get_rank()], str(photos)]) == 2
    dist.destroy_process_group()
    return code


if __name__ == "__main__":
    folder, photos, shop = (Path(place) for place in (sys.argv[1], *sys.argv[3:]))
    keep_warm()
    meeting, going = two_meet(), {}
    for rank in "01":
        told = meeting | as_rank(rank)
        work = functools.partial(be_one, told, folder, int(sys.argv[2]), photos, shop)
        going[rank] = child.start(work, folder / f"rank{rank}.log")
    codes = {rank: child.wait(process, 100) for rank, process in going.items()}
    failed = [(folder / f"rank{rank}.log").read_text() for rank, code in codes.items() if code]
    sys.exit("\n".join(failed) if failed else 0)
