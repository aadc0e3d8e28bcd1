import shutil
import socket
import subprocess
from pathlib import Path
from urllib.error import URLError

import pytest
import torchvision

from fewshot.data.importers import fashion_mnist_sources as module
from fewshot.data.importers.fashion_mnist_sources import (
    UnavailableError,
    from_debian,
    from_torchvision,
)


def test_torchvision_is_quiet_and_does_not_wait_for_ever(tmp_path, monkeypatch, capsys):
    timeouts = []

    def download(root, download):
        print("Downloading")
        timeouts.append(socket.getdefaulttimeout())
        (Path(root) / "FashionMNIST/raw").mkdir(parents=True)

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", download)
    assert from_torchvision(tmp_path / "t") == tmp_path / "t/FashionMNIST/raw"
    assert timeouts == [10]
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("no route\nat all")])
def test_torchvision_without_network_is_unavailable(tmp_path, monkeypatch, error):
    def download(root, download):
        raise error

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", download)
    with pytest.raises(UnavailableError, match=r"no route( at all)?>?$"):
        from_torchvision(tmp_path)
    assert socket.getdefaulttimeout() is None


class Apt:
    """Stands for apt-get and dpkg-deb: notes what is run, fails what it is told to."""

    def __init__(self, failing=()):
        self.failing = dict(failing)
        self.commands = []

    def run(self, command, cwd, **options):
        assert options["timeout"] == 300
        words = [word for word in command if not word.startswith("-o")]
        private = any(word.startswith("-oDir::State=") for word in command)
        self.commands.append((" ".join(words[:2]), private))
        complaint = self.failing.pop(self.commands[-1], None)
        if complaint is not None:
            raise subprocess.CalledProcessError(100, command, stderr=complaint)
        if "download" in words:
            (cwd / "dataset-fashion-mnist_0.0_all.deb").touch()
        if command[0] == "dpkg-deb":
            assert command[2] == str(cwd / "dataset-fashion-mnist_0.0_all.deb")


@pytest.fixture
def apt(monkeypatch):
    def install(failing=()):
        fake = Apt(failing)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(module.subprocess, "run", fake.run)
        return fake

    return install


def test_debian_package_is_fetched_and_unpacked(tmp_path, apt):
    fake = apt()
    folder = from_debian(tmp_path / "d")
    assert folder == tmp_path / "d/unpacked/usr/share/datasets/fashion-mnist"
    assert fake.commands == [("apt-get download", False), ("dpkg-deb -x", False)]


def test_empty_package_lists_are_filled_in_a_folder_of_ours(tmp_path, apt):
    fake = apt({("apt-get download", False): "E: Unable to locate package"})
    from_debian(tmp_path / "d")
    assert fake.commands == [
        ("apt-get download", False),
        ("apt-get update", True),
        ("apt-get download", True),
        ("dpkg-deb -x", False),
    ]
    assert (tmp_path / "d/apt/state/lists/partial").is_dir()


def test_debian_without_network_is_unavailable(tmp_path, apt):
    apt({("apt-get download", False): "E: x", ("apt-get update", True): "\nE: no route\nE: y"})
    with pytest.raises(UnavailableError, match=r"^apt-get: E: no route$"):
        from_debian(tmp_path / "d")


def test_a_package_that_does_not_come_is_unavailable(tmp_path, apt, monkeypatch):
    apt()
    monkeypatch.setattr(module.subprocess, "run", lambda *args, **options: None)
    with pytest.raises(UnavailableError, match="apt-get left no package"):
        from_debian(tmp_path / "d")


def test_an_apt_that_hangs_is_unavailable(tmp_path, apt, monkeypatch):
    apt()

    def hang(command, timeout, **options):
        raise subprocess.TimeoutExpired(command[0], timeout)

    monkeypatch.setattr(module.subprocess, "run", hang)
    with pytest.raises(UnavailableError, match=r"'apt-get' timed out after 300 seconds"):
        from_debian(tmp_path / "d")


def test_a_system_without_apt_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnavailableError, match="apt-get and dpkg-deb are not installed"):
        from_debian(tmp_path / "d")
