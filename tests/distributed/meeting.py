"""What two processes of this machine are told, so that they meet."""

import socket


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def two_meet() -> dict[str, str]:
    """What the environment of both has."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return place | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


def as_rank(rank: str) -> dict[str, str]:
    """What that of one of them has."""
    return {"RANK": rank, "LOCAL_RANK": rank}
