"""The page in a browser with a camera, as a user has it before them."""

import contextlib
import functools
import subprocess
import sys
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from torch.nn import functional

import fewshot
from fewshot.batch import Batch, DataSpec
from fewshot.binding.locating import REPOSITORY
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.models.extras import add_extras, as_plain
from fewshot.models.model_file import save_model
from fewshot.models.references import Prototypes
from fewshot.objectives.transfer_net import TransferNet
from tests.browsing import browser, console_errors, requested, write_video
from tests.demo.scenes import held, jpeg, samples, shelf, taken, wall

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NEW = "Bag"  # not trained on: it is added by snapshots


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model.mdl of nine classes of Fashion-MNIST, trained for a few seconds."""
    images, names = samples("train")
    images, names = images[names != NEW], names[names != NEW]
    classes, labels = np.unique(names, return_inverse=True)
    pixels = torch.from_numpy(np.array(images[:, None]))
    spec = DataSpec(tuple(map(str, classes)), 1, (28, 28), (0.286,), (0.353,), len(images))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = functools.partial(SmallResNet, widths=(16, 32, 64), depth=1, stem_pool=True)
        net = TransferNet(spec, encoder=encoder)
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for epoch in range(12):
            for rows in torch.randperm(len(pixels)).split(48):
                keys = torch.zeros(len(rows), 3, dtype=torch.int64)
                keys[:, 1] = epoch
                batch = Batch(pixels[rows], torch.from_numpy(labels)[rows], rows, keys)
                optimiser.zero_grad()
                net(batch)[0].backward()
                optimiser.step()
    path = tmp_path_factory.mktemp("nine classes") / "model.mdl"
    save_model(net.eval(), path)
    with torch.inference_mode():
        features = net.embed(pixels).float()
    mean = features.mean(0)
    units = functional.normalize(features - mean)
    sums = torch.stack([units[torch.from_numpy(labels == i)].sum(0) for i in range(len(classes))])
    own = Prototypes(spec.class_names, functional.normalize(sums), mean, None, 0.1)
    add_extras(path, {"prototypes": as_plain(own)})
    return path


@pytest.fixture(scope="module")
def address(model):
    """The address that `python -m fewshot demo` prints."""
    command = [sys.executable, "-m", "fewshot", "demo", str(model), "--port", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()
            server.wait(20)


def item(name, number=0):
    """An item of that class which no model was trained on."""
    images, names = samples("t10k")
    return images[np.flatnonzero(names == name)[number]]


def film(path, ground, image):
    """A camera's view of an item: noise that changes, a hand that trembles."""
    picture, _ = held(ground, image, side=200)
    frames = [np.roll(picture, (2 * (i % 3), 3 * (i % 2)), (0, 1)) for i in range(6)]
    return write_video(path, [taken(frame, seed=i) for i, frame in enumerate(frames)])


class Page:
    """What a user sees and does."""

    def __init__(self, driver, address):
        self.driver = driver
        driver.get(address)

    def at(self, name):
        return self.driver.find_element(By.ID, name)

    def top(self):
        return self.at("name").text

    def pace(self):
        """Frames a second, 0 before there are any."""
        return float(self.at("fps").get_attribute("textContent"))

    def until(self, condition, seconds, what):
        return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition(), what)

    def show(self, picture, path):
        path.write_bytes(jpeg(picture))
        self.at("file").send_keys(str(path))


@pytest.fixture
def opened(address, tmp_path):
    """Open the page before a camera that shows what it is given."""
    with contextlib.ExitStack() as stack:

        def with_camera(ground, image, width=1280):
            video = film(tmp_path / "camera.y4m", ground, image)
            driver = stack.enter_context(browser(tmp_path / "profile", video, width))
            return Page(driver, address)

        yield with_camera


@pytest.mark.parametrize(("name", "width"), [("Trouser", 1280), ("Sneaker", 390)])
def test_an_item_before_the_camera_is_named_at_once_and_often(opened, name, width, address):
    page = opened(wall(480, 640), item(name), width)
    page.until(lambda: page.at("count").text == "9", 10, "the classes")
    started = time.monotonic()
    page.at("start").click()
    page.until(lambda: page.top() == name, 10, f"{name} on top")
    assert time.monotonic() - started < 2
    page.until(lambda: page.pace() >= 5, 20, "five frames a second")
    assert page.top() == name
    assert page.at("crop").get_attribute("naturalWidth") == "28"
    assert not page.at("message").is_displayed()
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert console_errors(page.driver) == []
    asked = requested(page.driver)
    assert f"{address}look" in asked
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


def test_what_is_unknown_is_called_so(opened):
    page = opened(wall(), item("Bag"))
    answer = {"top": [{"name": "Coat", "score": 0.41}], "crop": "data:,", "outlines": []}
    page.driver.execute_script("show(arguments[0])", answer | {"unknown": True})
    assert page.top() == "unknown"
    assert page.at("bars").text.split() == ["Coat", "41.0", "%"]
    page.driver.execute_script("show(arguments[0])", answer | {"unknown": False})
    assert page.top() == "Coat"


def test_an_article_is_known_after_five_snapshots_and_until_it_is_removed(
    opened, address, tmp_path
):
    page = opened(wall(480, 640), item(NEW))
    page.at("start").click()
    page.until(lambda: page.pace() > 0, 10, "frames")
    assert page.top() != "My bag"
    page.at("article-name").send_keys("My bag")
    for number in range(5):
        assert taken_ones(page) == number
        page.at("snapshot").click()
        time.sleep(0.2)
    page.until(lambda: page.at("added").text == "My bag is known now.", 10, "the article")
    page.until(lambda: page.top() == "My bag", 2, "the article on top")
    link = page.driver.find_element(By.CSS_SELECTOR, "#download a").get_attribute("href")
    assert link == f"{address}model.mdl"
    (tmp_path / "model.mdl").write_bytes(urlopen(link).read())
    assert fewshot.load(tmp_path / "model.mdl").added == ("My bag",)
    picture, _ = held(wall(480, 640), item("Trouser"), side=200)
    page.show(taken(picture), tmp_path / "trouser.jpg")
    page.until(lambda: page.top() == "Trouser", 5, "another item keeps its own name")
    page.driver.find_element(By.CSS_SELECTOR, "#articles button").click()
    page.until(lambda: page.at("articles").text == "", 5, "the article to go")
    assert console_errors(page.driver) == []


def test_a_picture_is_looked_at_again_where_an_article_was_added(opened, tmp_path):
    page = opened(wall(), item("Coat"))
    picture, _ = held(wall(480, 640), item(NEW), side=200)
    page.show(taken(picture), tmp_path / "bag.jpg")
    page.until(lambda: page.at("crop").is_displayed(), 5, "an answer")
    page.at("article-name").send_keys("My bag")
    for number in range(5):
        page.at("snapshot").click()
        page.until(lambda n=number: page.at("added").text or taken_ones(page) > n, 5, "a snapshot")
    page.until(lambda: page.top() == "My bag", 5, "the article on top")
    page.driver.find_element(By.CSS_SELECTOR, "#articles button").click()
    page.until(lambda: page.top() != "My bag", 5, "another answer")


def taken_ones(page):
    return len(page.driver.find_elements(By.CSS_SELECTOR, ".snapshots li.taken"))


def test_before_a_busy_shelf_the_background_makes_the_difference(opened, tmp_path):
    page = opened(shelf(480, 640), item("Sneaker"))
    ground = shelf(480, 640)
    page.show(taken(ground), tmp_path / "ground.jpg")
    page.until(lambda: page.at("background").is_enabled(), 5, "a picture")
    page.driver.find_element(By.TAG_NAME, "body").send_keys("r")
    page.until(lambda: page.top() == "Nothing in view", 5, "an empty view")
    picture, _ = held(ground, item("Sneaker"), side=200)
    page.show(taken(picture, gain=0.8, seed=5), tmp_path / "darker.jpg")
    page.until(lambda: page.top() == "Sneaker", 5, "the item, in another light")
    assert console_errors(page.driver) == []


def test_what_is_no_picture_is_told_and_the_next_one_is_looked_at(opened, tmp_path):
    page = opened(wall(), item("Bag"))
    broken = tmp_path / "photo.jpg"
    for content, told in (
        (b"words", "This file is no picture"),
        (b"", "The picture is empty (0 bytes)"),
        (jpeg(taken(wall()))[:900], "cut short or broken"),
    ):
        broken.write_bytes(content)
        page.at("file").send_keys(str(broken))
        page.until(lambda told=told: told in page.at("message").text, 5, told)
    picture, _ = held(wall(480, 640), item("Trouser"), side=200)
    page.show(taken(picture), tmp_path / "trouser.jpg")
    page.until(lambda: page.top() == "Trouser", 5, "the next picture")
    assert not page.at("message").is_displayed()
