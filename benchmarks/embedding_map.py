"""How long a frame of the embedding map takes on 20,000 points.

    python -m benchmarks.embedding_map [--points 20000] [--frames 100]

A page as a run writes it, of 20 classes of 60x80 photos, is opened in headless Chromium (software
rendering, no graphics card) at 1400x900, and its own functions are timed there: drawing the whole
map, drawing it zoomed in until images appear, and finding the point under the mouse. 16.7 ms a
frame are 60 frames a second. Needs chromium on the path.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from fewshot.reports.maps import embedding_html

CLASSES = 20
TIMES = """
<script>
D.atlases.forEach((_, a) => sheet(a * perAtlas));  // loading images hold the load event back
addEventListener("load", () => {
  const median = f => {
    const t = [];
    for (let i = 0; i < FRAMES; i++) { const s = performance.now(); f(i); t.push(performance.now() - s); }
    return t.sort((a, b) => a - b)[t.length >> 1].toFixed(2);
  };
  const whole = median(i => { view = {x: i % 7, y: 0, k: 1}; draw(); });
  const half = median(i => { view = {x: -W / 2 + i % 7, y: -H / 2, k: 2}; draw(); });
  const near = median(i => { view = {x: -20 * W + i % 7, y: -20 * H, k: 40}; draw(); });
  view = {x: 0, y: 0, k: 1}; draw();
  const hover = median(i => { for (let j = 0; j < 100; j++) nearest((i * 37 + j * 13) % W, (j * 7) % H, 9); }) / 100;
  document.title = `TIMES whole ${whole} half ${half} near ${near} hover ${hover.toFixed(3)}`;
});
</script>
"""  # noqa: E501


def page(points: int, frames: int, path: Path) -> None:
    """A map of so many points in clusters, with the timing script at its end."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, points)
    centres = generator.normal(scale=4, size=(CLASSES, 2))
    images = generator.integers(0, 255, (points, 80, 60, 3), dtype=np.uint8)
    names = [f"class {label}" for label in labels]
    guesses = [f"class {label}" for label in np.where(generator.random(points) < 0.1, 0, labels)]
    ids = [str(i) for i in range(points)]
    where = centres[labels] + generator.normal(size=(points, 2))
    embedding_html(where, names, guesses, ids, images, path)
    text = path.read_text(encoding="utf-8") + TIMES.replace("FRAMES", str(frames))
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "embedding.html"
        page(arguments.points, arguments.frames, path)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]
        command = ["chromium", *options, "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        megabytes = path.stat().st_size / 1e6
    found = re.search("<title>TIMES (.*?)</title>", done.stdout)
    if found is None:
        raise SystemExit("the page did not finish its timings")
    values = found[1].split()
    print(f"{arguments.points} points, {megabytes:.1f} MB; median ms:")
    for name, value in zip(values[::2], values[1::2], strict=True):
        print(f"  {name:6s} {value}")


if __name__ == "__main__":
    main()
