"""Show a model what a camera or a picture shows, on a page of this machine.

The item is cut out from the background, named live, and a new article is known from five
snapshots. Needs requirements-demo.txt. Ends with Ctrl-C.
"""

import argparse
from pathlib import Path

from fewshot.errors import UserError

LIBRARIES = ("cv2", "starlette", "uvicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and where to listen."""
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="model.mdl of an experiment's folder")
    add("--host", default="127.0.0.1", metavar="ADDRESS",
        help="where to listen, default 127.0.0.1 (0.0.0.0: others may come)")  # fmt: skip
    add("--port", type=int, default=8765, metavar="N", help="default 8765; 0 takes a free one")
    add("--photos", choices=("auto", "as-they-are", "on-black"), default="auto",
        help="on-black: made grey and inverted, as in Fashion-MNIST; auto, the default, does so "
        "for models of its classes")  # fmt: skip


def run(given: argparse.Namespace) -> None:
    """Load the model, open the port, serve."""
    if not 0 <= given.port <= 65535:
        raise UserError(f"--port is {given.port}: give a number from 0 to 65535.")
    try:
        from fewshot.demo.app import demo_app
        from fewshot.demo.serve import allowed_hosts, listen, serve
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in LIBRARIES:
            raise
        raise UserError(
            f"the demo needs {missing}, which is not installed: "
            "python -m pip install -r requirements-demo.txt"
        ) from error
    from fewshot.demo.model import open_viewer, share_cores
    from fewshot.demo.pages import demo_page

    share_cores()
    viewer = open_viewer(given.model, given.photos)
    page = demo_page(given.model.parent.name or given.model.stem)
    listening = listen(given.host, given.port)
    serve(demo_app(viewer, page, allowed_hosts(given.host)), listening)
