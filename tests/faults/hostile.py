"""Files that want to run, build, read or write something they should not: none gets it."""

import io
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import child
from tests.faults.hostile_files import archives, models
from tests.faults.scenes import Scene, make_shop
from tests.faults.tally import Tally

_ROOM = 3 << 30  # bytes that a hostile file may make the program take


def hostile(place: Path, _seed: int, _many: int) -> list[Tally]:
    """Every hostile file once."""
    tally = Tally("hostile files")
    (place / "outside").mkdir()
    for name, work in _works(place):
        before = _state(place / "outside")

        def limited(work: Callable[[], int] = work) -> int:
            child.limit_memory(_ROOM)
            return work()

        log = place / "log"
        code, told = child.outcome(limited, log), log.read_text()
        if _state(place / "outside") != before or (place / "executed").exists():
            tally.add("took effect", f"{name}: {told}")
        elif code not in (0, 2) or "Traceback" in told:
            tally.add(f"exit code {code}", f"{name}: {told[-1500:]}")
        else:
            tally.add("refused" if code == 2 else "right", name)
    return [tally]


def _state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _works(place: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """(what it is, what a user would do with it) of each."""
    yield from models(place)
    yield from archives(place)
    yield from _runs(place)


def _runs(place: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """Data and bindings of a run."""
    shop = make_shop(place / "shop")
    image = shop.root / "images/trainBags0.jpg"

    def run(*more: str) -> Callable[[], int]:
        output = place / "output"
        shutil.rmtree(output, ignore_errors=True)
        scene = Scene("transfer", shop, output, more)
        return lambda: scene.run([*scene.command(), "--dry-run"])

    for name in ("../../outside/x_", "/tmp/outside_", "a/../../x_"):
        yield f"a prefix of {name}", run(f"Classification.prefix = '{name}'")
    content = image.read_bytes()
    image.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print showpage\n")
    yield "PostScript for a photo", run()
    image.write_bytes(_huge_png())
    yield "a picture of 40,000 x 40,000 pixels", run()
    image.write_bytes(content)
    csv = shop.root / "train.csv"
    table = csv.read_text()
    for name in ("../secret", "../../outside/secret", "/etc/passwd", "a\\..\\b"):
        csv.write_text(table + f"{name},Bags\n")
        yield f"an id of {name}", run()
    for name in (
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "\x1b[2J\x1b]0;x\x07",
        "a/../b",
    ):
        csv.write_text(table.replace("Bags", name))
        yield f"a class called {name!r}", _without_escapes(place, run())
    csv.write_text(table)
    (shop.root / "tensorflow.py").write_text(f"open({str(place / 'executed')!r}, 'w')\n")
    (shop.root / "own.gin").write_text("main.num_epochs = 1\n")
    scene = Scene("transfer", shop, place / "output")
    yield (
        "a module beside a config that imports nothing",
        lambda: scene.run(["-c", str(shop.root / "own.gin"), *scene.command(), "--dry-run"]),
    )


def _without_escapes(place: Path, work: Callable[[], int]) -> Callable[[], int]:
    """The same work, which fails where an escape character reaches the terminal."""

    def checked() -> int:
        code = work()
        return 98 if b"\x1b" in (place / "log").read_bytes() else code

    return checked


def _huge_png() -> bytes:
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    stream = io.BytesIO(b"")
    packer = zlib.compressobj(9)
    for _ in range(40):
        stream.write(packer.compress(bytes(1 << 20)))
    stream.write(packer.flush())
    image = chunk(b"IHDR", header) + chunk(b"IDAT", stream.getvalue()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image
