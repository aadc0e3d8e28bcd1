"""Two runs at once on one cache or one name, and the memory of a long run."""

import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.faults import child
from tests.faults.scenes import Scene, differences, fingerprint, make_shop
from tests.faults.stopped import whole
from tests.faults.tally import Tally

_PAGE = 4096


def together(place: Path, _seed: int, many: int) -> list[Tally]:
    """Two runs begun within a moment of each other, by turns on one cache and on one name."""
    run = whole(Scene("transfer", make_shop(place / "shop"), place / "whole"))
    cache, names = Tally("two runs on one cache"), Tally("two runs of one name")
    for number in range(many):
        first = replace(run.scene, output=place / "pair")
        shutil.rmtree(first.output, ignore_errors=True)
        first.output.mkdir()
        second = [*first.command()]
        if number % 2 == 0:
            second[-1] = "other"
        begun = [child.start(partial(first.run, first.command()), place / "0.log")]
        time.sleep(0.1 * number)
        begun.append(child.start(partial(first.run, second), place / "1.log"))
        codes = [child.wait(one, 120) for one in begun]
        logs = "".join((place / f"{n}.log").read_text() for n in (0, 1))
        _judge(run.came_of_it, first, number % 2 == 0, codes, logs, cache, names)
    return [cache, names]


def _judge(
    wanted: dict[str, object],
    first: Scene,
    apart: bool,
    codes: list[int],
    logs: str,
    cache: Tally,
    names: Tally,
) -> None:
    """Both right where the names differ, else one right and the other refused."""
    tally = cache if apart else names
    expected = ([0, 0],) if apart else ([0, 2], [2, 0])
    folders = [first.folder, first.output / "other"][: 2 if apart else 1]
    if codes not in expected or "Traceback" in logs:
        tally.add(f"exit codes {codes}", logs)
        return
    told = [differences(fingerprint(folder), wanted) for folder in folders]
    tally.add("other results" if any(told) else "right", " ".join(told))


def memory(place: Path, _seed: int, epochs: int) -> list[Tally]:
    """The resident memory of a training run, from a fifth of its epochs to their end."""
    tally = Tally(f"memory over {epochs} epochs, flat within 5 %")
    more = (f"main.num_epochs = {epochs}", "ShuffledBatches.batch_size = 4")
    scene = Scene("transfer", make_shop(place / "shop"), place / "long", more)
    scene.output.mkdir()
    began = child.start(lambda: scene.run(scene.command()), place / "log")
    by_epoch: dict[int, float] = {}
    rows = scene.folder / "metrics.jsonl"
    while not (scene.folder / "operative.gin").is_file() and Path(f"/proc/{began}").exists():
        time.sleep(0.02)
        epoch = rows.read_text().count('"train"') if rows.is_file() else 0
        resident = Path(f"/proc/{began}/statm").read_text().split()[1:2]
        if resident and epoch:
            by_epoch[epoch] = int(resident[0]) * _PAGE / 1e6
        if epoch >= epochs:
            break
    code = child.wait(began)
    early = [by_epoch[n] for n in by_epoch if epochs // 5 <= n < epochs // 5 + 5]
    late = [by_epoch[n] for n in by_epoch if epochs - 5 <= n < epochs]
    if code != 0 or not early or not late:
        tally.add(f"exit code {code}", (place / "log").read_text())
        return [tally]
    ratio = (sum(late) / len(late)) / (sum(early) / len(early))
    told = f"{sum(early) / len(early):.0f} MB, then {sum(late) / len(late):.0f} MB ({ratio:.3f})"
    tally.name += f": {told}"
    tally.add("right" if ratio <= 1.05 else "grows", told)
    return [tally]
