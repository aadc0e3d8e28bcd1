"""A headless Chromium for tests that look at pages as a user does."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # the camera's permission is given, and its picture comes from a file
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    # whatever else it would like to ask, no name leads off this machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find(program: str) -> str:
    """The path of chromium or chromedriver; fails with what to do where it is not installed."""
    path = shutil.which(program)
    assert path is not None, (
        f"{program} is not installed: apt-get install chromium chromium-driver, or leave these "
        "tests out with -m 'not browser'"
    )
    return path


@contextlib.contextmanager
def browser(profile: Path, video: Path | None = None, width: int = 1280) -> Iterator[WebDriver]:
    """A new Chromium; profile: an empty folder; video: what its camera shows, again and again."""
    options = webdriver.ChromeOptions()
    options.binary_location = find("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900"):
        options.add_argument(flag)
    if video is not None:
        options.add_argument(f"--use-file-for-fake-video-capture={video}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(find("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        yield driver
    finally:
        driver.quit()


def console_errors(driver: WebDriver) -> list[str]:
    """What the console shows as warning or error since this was last asked."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "INFO"]


def requested(driver: WebDriver) -> set[str]:
    """Every address on a network that was asked for since this was last asked."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    addresses = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    # what is part of the browser or of the page itself needs no network
    return {a for a in addresses if not a.startswith(("chrome:", "data:", "blob:"))}


def write_video(path: Path, frames: list[np.ndarray]) -> Path:
    """Frames uint8 [H, W, 3], even sides, as a .y4m that plays fifteen of them a second."""
    height, width = frames[0].shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            luma, blue, red = Image.fromarray(frame).convert("YCbCr").split()
            half = (width // 2, height // 2)
            planes = luma, *(plane.resize(half, Image.Resampling.BOX) for plane in (blue, red))
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in planes))
    return path
