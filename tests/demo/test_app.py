import base64
import http.client
import json
import re
import socket
import threading

import pytest
import uvicorn
from starlette.testclient import TestClient

from fewshot.demo import app as app_module
from fewshot.demo.app import demo_app
from fewshot.demo.pages import demo_page
from fewshot.demo.serve import allowed_hosts, listen
from tests.demo.fakes import COLOURS, colour_viewer, patch
from tests.demo.scenes import jpeg


def client(**options):
    viewer, recogniser = colour_viewer()
    asking = TestClient(
        demo_app(viewer, demo_page("a model"), ["127.0.0.1", "localhost"]),
        base_url="http://127.0.0.1:8765",
        **options,
    )
    asking.recogniser = recogniser
    return asking


def texts(*pictures):
    return [base64.b64encode(picture).decode() for picture in pictures]


def test_the_page_is_one_file_that_lets_nothing_else_in():
    answer = client().get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "a model" in answer.text
    assert not re.search(r"(src|href)=\"(?!data:|model\.mdl)", answer.text)
    assert not re.search(r"https?://", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy


def test_a_title_cannot_bring_markup():
    page = demo_page("<script>alert(1)</script>")
    assert "<script>alert" not in page.html


def test_what_a_user_does_in_turn():
    asking = client()
    blue = jpeg(patch(COLOURS["Blue"]))
    assert asking.get("/state").json()["classes"] == list(COLOURS)
    assert asking.post("/look", content=blue).json()["top"][0]["name"] == "Blue"
    background = asking.post("/background", content=jpeg(patch(COLOURS["Red"]))).json()
    seen = asking.post("/look", content=blue, params=background).json()
    assert seen["cut"] == "reference"
    snapshots = texts(*[jpeg(patch((220, 200, 40)))] * 5)
    added = asking.post("/articles", json={"name": "Scarf", "snapshots": snapshots}).json()
    assert added["articles"] == ["Scarf"]
    yellow = asking.post("/look", content=jpeg(patch((220, 200, 40)))).json()
    assert yellow["top"][0] == {"name": "Scarf", "score": yellow["top"][0]["score"], "added": True}
    file = asking.get("/model.mdl")
    assert file.text == "Red, Green, Blue, Scarf"
    assert file.headers["content-disposition"] == 'attachment; filename="model.mdl"'
    removed = asking.delete("/articles", params={"name": "Scarf"})
    assert removed.json()["articles"] == []


GOOD = jpeg(patch(COLOURS["Blue"]))


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "told"),
    [
        ("POST", "/look", {"content": b""}, 400, "0 bytes"),
        ("POST", "/look", {"content": b"words, named photo.jpg"}, 415, "no picture"),
        ("POST", "/look", {"content": GOOD[:300]}, 415, "cut short or broken"),
        ("POST", "/look", {"content": bytes(13 * 2**20)}, 413, "more than 12 MB"),
        ("POST", "/look?background=unknown", {"content": GOOD}, 410, "take it again"),
        ("POST", "/look?background=../../etc/passwd", {"content": GOOD}, 410, "take it again"),
        ("POST", "/background", {"content": b"words"}, 415, "no picture"),
        ("POST", "/articles", {"content": b"{"}, 400, "as JSON"),
        ("POST", "/articles", {"content": b"[" * 100_000}, 400, "as JSON"),
        ("POST", "/articles", {"json": []}, 400, "as JSON"),
        ("POST", "/articles", {"json": {"name": 3, "snapshots": []}}, 400, "as JSON"),
        ("POST", "/articles", {"json": {"name": "x", "snapshots": ["!"]}}, 400, "as JSON"),
        ("POST", "/articles", {"json": {"name": "x", "snapshots": 5}}, 400, "as JSON"),
        ("POST", "/articles", {"json": {"name": "x", "snapshots": []}}, 422, "0 snapshots"),
        ("POST", "/articles", {"json": {"name": "Red", "snapshots": texts(GOOD)}}, 409, "known"),
        ("POST", "/articles", {"json": {"name": "x", "snapshots": texts(b"")}}, 422, "1 of 1"),
        ("DELETE", "/articles?name=Red", {}, 404, "no article that was added"),
        ("GET", "/etc/passwd", {}, 404, "Not Found"),
        ("GET", "/..%2f..%2fetc%2fpasswd", {}, 404, "Not Found"),
        ("GET", "/look", {}, 405, "Method Not Allowed"),
    ],
)
def test_whatever_is_sent_one_message_comes_back_and_the_server_lives(
    method, path, sent, status, told
):
    asking = client()
    answer = asking.request(method, path, **sent)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert told in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert asking.post("/look", content=GOOD).json()["top"][0]["name"] == "Blue"


def test_a_bug_is_told_as_such_and_the_server_lives():
    asking = client(raise_server_exceptions=False)
    asking.recogniser.broken = True
    answer = asking.post("/look", content=GOOD)
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server made a mistake (RuntimeError): see its terminal."}
    asking.recogniser.broken = False
    assert asking.post("/look", content=GOOD).status_code == 200


@pytest.fixture
def serving():
    """The port of a server of its own, in a thread."""
    viewer, _ = colour_viewer()
    listening = listen("127.0.0.1", 0)
    app = demo_app(viewer, demo_page("a model"), allowed_hosts("127.0.0.1"))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    listening.close()


def test_an_upload_that_is_too_large_gets_its_answer_over_the_network(serving):
    asking = http.client.HTTPConnection("127.0.0.1", serving, timeout=30)
    asking.request("POST", "/look", body=bytes(40 * 2**20))
    answer = asking.getresponse()
    assert answer.status == 413
    assert "more than 12 MB" in json.loads(answer.read())["error"]
    asking.close()


def test_an_endless_upload_is_cut_off(serving, monkeypatch):
    monkeypatch.setattr(app_module, "MOST_DROPPED", 20 * 2**20)
    sending = socket.create_connection(("127.0.0.1", serving), timeout=30)
    sending.sendall(b"POST /look HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999\r\n\r\n")
    sent = 0
    with pytest.raises(OSError):
        while sent < 400 * 2**20:
            sending.sendall(bytes(2**20))
            sent += 2**20
    sending.close()
    asking = http.client.HTTPConnection("127.0.0.1", serving, timeout=30)
    asking.request("GET", "/state")
    assert asking.getresponse().status == 200
    asking.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
def test_a_name_that_leads_here_from_elsewhere_is_not_answered(host):
    assert client().get("/state", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/model.mdl"),
        ("POST", "/look"),
        ("POST", "/background"),
        ("POST", "/articles"),
        ("DELETE", "/articles"),
    ],
)
def test_other_sites_pages_cannot_use_the_server(method, path):
    asking = client()
    answer = asking.request(method, path, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "https://evil.example are not answered" in answer.json()["error"]
    own = {"Origin": "http://127.0.0.1:8765"}
    assert asking.request(method, path, headers=own).status_code != 403
