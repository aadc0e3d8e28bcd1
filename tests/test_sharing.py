import pytest

from fewshot.sharing import is_peer


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "NODE_RANK"])
def test_a_peer_is_known_by_its_rank(monkeypatch, name):
    for other in ("RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(other, raising=False)
    assert not is_peer()
    monkeypatch.setenv(name, "0")
    assert not is_peer()
    monkeypatch.setenv(name, "1")
    assert is_peer()
