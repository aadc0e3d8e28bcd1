"""How many camera frames a second the live page answers, and how soon the first.

    python -m benchmarks.demo_rate MODEL PHOTO [--seconds 20] [--class NAME]

`python -m fewshot demo MODEL` is opened in headless Chromium, whose camera plays the photo at
640x480, with a hand's tremble and a sensor's noise. Printed are the seconds from the start button
to the first answer and to the named class on top, and the frames a second that the page shows, read
twice a second. Browser and server share the machine. Needs chromium and chromedriver.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from selenium.webdriver.common.by import By

from tests.browsing import browser, write_video
from tests.demo.scenes import taken

SIZE = (640, 480)


def film(photo: Path, path: Path) -> Path:
    """The photo on its own ground, in the middle of a camera's view."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    ground = picture.getpixel((0, 0))
    picture = picture.resize((round(picture.width * 400 / picture.height), 400))
    view = Image.new("RGB", SIZE, ground)
    view.paste(picture, ((SIZE[0] - picture.width) // 2, 40))
    pixels = np.asarray(view)
    frames = [np.roll(pixels, (2 * (i % 3), 3 * (i % 2)), (0, 1)) for i in range(6)]
    return write_video(path, [taken(frame, seed=i) for i, frame in enumerate(frames)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--class", dest="name", help="what should be on top")
    given = parser.parse_args()
    command = [sys.executable, "-m", "fewshot", "demo", str(given.model), "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            address = server.stdout.readline().split()[0]
            video = film(given.photo, Path(place) / "camera.y4m")
            with browser(Path(place) / "profile", video, 1280) as driver:
                driver.get(address)
                measure(driver, given.name, given.seconds)
        finally:
            server.terminate()


def measure(driver, name: str | None, seconds: float) -> None:
    """Print what the page shows."""
    top = driver.find_element(By.ID, "name")
    pace = driver.find_element(By.ID, "fps")
    nothing = top.text
    driver.find_element(By.ID, "start").click()
    started = time.monotonic()
    first = right = None
    rates: list[float] = []
    while time.monotonic() < started + seconds:
        now = time.monotonic() - started
        if first is None and top.text not in ("", nothing):
            first = now
        if right is None and name and top.text == name:
            right = now
        rates.append(float(pace.get_attribute("textContent") or 0))
        time.sleep(0.5 if first is not None else 0.02)
    seen = [rate for rate in rates if rate > 0]
    print(f"first answer after {first:.2f} s, top {top.text!r}" if first else "no answer")
    if right is not None:
        print(f"{name} on top after {right:.2f} s")
    if seen:
        print(f"frames a second: median {statistics.median(seen):.1f}, least {min(seen):.1f}, "
              f"n {len(seen)}")  # fmt: skip


if __name__ == "__main__":
    main()
