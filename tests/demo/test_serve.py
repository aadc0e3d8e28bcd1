import socket

import pytest

from fewshot.demo.serve import allowed_hosts, listen
from fewshot.errors import UserError


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", ["127.0.0.1", "localhost"]),
        ("localhost", ["127.0.0.1", "localhost"]),
        ("192.168.1.7", ["192.168.1.7", "127.0.0.1", "localhost"]),
        ("0.0.0.0", ["*"]),
    ],
)
def test_a_page_is_asked_for_by_the_names_of_its_address(host, allowed):
    assert allowed_hosts(host) == allowed


def test_port_0_takes_a_free_one_of_this_machine_alone():
    with listen("127.0.0.1", 0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert port > 0


def test_a_port_in_use_is_refused_with_a_remedy():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} cannot be listened on .*--port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no such host", "203.0.113.9"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(UserError, match=f"{host}.*--host|--host {host}"):
        listen(host, 0)
