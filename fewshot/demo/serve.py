"""Runs the demo's server until Ctrl-C."""

import socket

import uvicorn
from starlette.applications import Starlette

from fewshot.console import say, show
from fewshot.errors import UserError

LOCAL = ("127.0.0.1", "localhost")


def allowed_hosts(host: str) -> list[str]:
    """The names by which the page may be asked for, when the server listens on `host`."""
    if host in LOCAL:
        return list(LOCAL)
    return ["*"] if host == "0.0.0.0" else [host, *LOCAL]


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises UserError where it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UserError(f"--host {host} is no address of this machine ({error}).") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UserError(
            f"{host}:{port} cannot be listened on ({error.strerror}): choose another --port "
            "(0 takes a free one) or --host."
        ) from error
    return listening


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answer until Ctrl-C; the address is printed."""
    host, port = listening.getsockname()[:2]
    if host not in LOCAL:
        say(f"warning: whoever reaches {host} can use this page and add articles.")
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
    show(f"http://{shown}:{port}/   (Ctrl-C ends it)")
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        say("stopped")
    finally:
        listening.close()
