"""Where the Fashion-MNIST files may be had, in the order they are looked for."""

import io
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from http.client import HTTPException
from pathlib import Path

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
DEBIAN_PACKAGE = "dataset-fashion-mnist"
CONNECT_SECONDS = 10
APT_SECONDS = 300


class UnavailableError(Exception):
    """A source does not have the files; the text says why."""


def sources(source: Path | None, scratch: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """(what it is, a function that gives the files' folder or raises UnavailableError) of each.

    source: the folder the user named, if any; scratch: an empty folder for what is fetched.
    """
    if source is not None:
        yield f"the folder {source}", partial(_existing, source)
    yield f"the folder {DEBIAN_FOLDER}", partial(_existing, DEBIAN_FOLDER)
    yield "torchvision's download (31 MB)", partial(from_torchvision, scratch / "torchvision")
    yield f"Debian's package {DEBIAN_PACKAGE} (31 MB)", partial(from_debian, scratch / "debian")


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise UnavailableError("no such folder")
    return folder


def from_torchvision(scratch: Path) -> Path:
    """Let torchvision download into the scratch folder; without a network it fails in seconds."""
    import torchvision  # 2 seconds that only this source needs

    try:
        with redirect_stdout(io.StringIO()), _socket_timeout(CONNECT_SECONDS):
            torchvision.datasets.FashionMNIST(str(scratch), download=True)
    except (OSError, RuntimeError, EOFError, ValueError, HTTPException) as error:
        raise UnavailableError(" ".join(str(error).split())[:200]) from error
    return scratch / "FashionMNIST" / "raw"


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torchvision sets no timeout: a firewall that swallows packets would hold it for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def from_debian(scratch: Path) -> Path:
    """Fetch and unpack the Debian package without root; the system's own state is not touched."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError("apt-get and dpkg-deb are not installed")
    scratch.mkdir(parents=True)
    try:
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
    except UnavailableError:  # the package lists are empty or old: get some of our own
        private = _private_apt(scratch / "apt")
        _run(["apt-get", *private, "update"], scratch)
        _run(["apt-get", *private, "download", DEBIAN_PACKAGE], scratch)
    packages = sorted(scratch.glob(f"{DEBIAN_PACKAGE}_*.deb"))
    if not packages:
        raise UnavailableError("apt-get left no package")
    _run(["dpkg-deb", "-x", str(packages[-1]), str(scratch / "unpacked")], scratch)
    return scratch / "unpacked" / DEBIAN_FOLDER.relative_to("/")


def _private_apt(folder: Path) -> list[str]:
    """Options that keep apt's lists and cache in a folder of ours."""
    for place in ("state/lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    return [
        f"-oDir::State={folder}/state",
        "-oDir::State::status=/var/lib/dpkg/status",
        f"-oDir::Cache={folder}/cache",
    ]


def _run(command: list[str], folder: Path) -> None:
    quick = [f"-oAcquire::http::Timeout={CONNECT_SECONDS}", "-oAcquire::Retries=1"]
    sandbox = ["-oAPT::Sandbox::User=root"]  # as root, apt could not write to our folder otherwise
    if command[0] == "apt-get":
        command = [command[0], *quick, *sandbox, *command[1:]]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=APT_SECONDS
        )
    except subprocess.CalledProcessError as error:
        complaint = _first_line(error.stderr) or f"exit code {error.returncode}"
        raise UnavailableError(f"{command[0]}: {complaint}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]}: {error}") from error


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
