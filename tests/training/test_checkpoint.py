import shutil

import pytest
import torch

from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.training import checkpoint
from fewshot.training.checkpoint import VERSION, load_checkpoint, save_checkpoint

DIGESTS = {"training CSV": "a" * 40, "image store": "b" * 40}


def test_round_trip(tmp_path):
    path = tmp_path / "last.ckpt"
    weights = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    save_checkpoint(path, {"weights": weights, "epoch": 3, "keyed": {(0, 1): 2}}, DIGESTS)
    loaded = load_checkpoint(path, DIGESTS)
    assert torch.equal(loaded["weights"], weights)
    assert loaded["weights"].stride() == weights.stride()
    assert loaded["epoch"] == 3 and loaded["keyed"] == {(0, 1): 2}
    assert [item.name for item in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        (DIGESTS | {"image store": "c" * 40}, "the image store has changed since "),
        ({"training CSV": "a" * 40}, "the image store has changed since "),
        (DIGESTS | {"training CSV": "d" * 40}, "(digest aaaaaaaaaaaa then, dddddddddddd now)"),
    ],
)
def test_changed_data_are_named(tmp_path, digests, message):
    save_checkpoint(tmp_path / "last.ckpt", {}, DIGESTS)
    with pytest.raises(UserError) as caught:
        load_checkpoint(tmp_path / "last.ckpt", digests)
    assert message in str(caught.value)
    assert "restore it, or start a new experiment" in str(caught.value)


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"version": VERSION + 1, "digests": {}, "contents": {}}, path)
    with pytest.raises(
        UserError, match=f"checkpoint version {VERSION + 1}, newer than .* {VERSION}"
    ):
        load_checkpoint(path, {})


def _truncated(path):
    save_checkpoint(path, {"weights": torch.zeros(1000)}, {})
    path.write_bytes(path.read_bytes()[:1000])


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("not a checkpoint")


def _other(path):
    torch.save([1, 2], path)


class _Code:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def _code(path):
    torch.save(_Code(), path)


@pytest.mark.parametrize("damage", [_truncated, _empty, _text, _other, _code])
def test_a_damaged_file_is_said_and_never_executed(tmp_path, damage):
    path = tmp_path / "last.ckpt"
    damage(path)
    with pytest.raises(UserError, match=r"ckpt is damaged or not a checkpoint: remove last\.ckpt"):
        load_checkpoint(path, {})


def test_a_folder_that_goes_before_the_file_is_in_place_is_said(tmp_path, monkeypatch):
    path = tmp_path / "run" / "last.ckpt"

    def gone(following, writer):
        write_atomically(following, writer)
        shutil.rmtree(path.parent)

    save_checkpoint(path, {}, DIGESTS)
    monkeypatch.setattr(checkpoint, "write_atomically", gone)
    with pytest.raises(
        UserError, match=r"last\.ckpt cannot be written \(No such file or directory"
    ):
        save_checkpoint(path, {}, DIGESTS)
