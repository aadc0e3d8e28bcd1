"""Every field of a model file, changed in every way that is likely: refused in words, and soon."""

import copy
import random
import time

import pytest
import torch

from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.models.digest import digest_of
from fewshot.models.load import load
from fewshot.models.model_file import load_model, save_model
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_net import TripletNet
from tests.models.rewriting import downgrade
from tests.objectives.toy import spec

WRONG = [
    *(None, True, -1, 0, 2**31, 2**70, 10**5000, -0.5, float("nan"), float("inf"), 1e300),
    *("", "x", "Trainer", "FashionDataset", "main", "a/b", "%macro", "é" * 20_000),
    *((), [], {}, (1,), (2**40, 2**40), [[[[[[[[1]]]]]]]], {"a": {1, 2}}, {1: 2}),
    *(torch.zeros(2), torch.zeros(0), torch.full((2,), torch.nan), torch.eye(2).to_sparse()),
    *(torch.zeros(2, dtype=torch.complex64), b"bytes", torch.float32, {1, 2}),
]


def small(**sizes):
    return SmallResNet(**sizes, widths=(4,))


@pytest.fixture(scope="module", params=["classifier", "embedding", "first version"])
def content(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.mdl"
    method = TripletNet if request.param == "embedding" else TransferNet
    save_model(method(spec(), small), path)
    if request.param == "first version":
        downgrade(path)
    return torch.load(path, weights_only=True)


def places(value, path=()):
    """The path of every field, and of every item within."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key in value for place in places(value[key], (*path, key))]
    elif isinstance(value, tuple):
        found += [place for n in range(len(value)) for place in places(value[n], (*path, n))]
    return found


def changed(value, path, new):
    """The value with that place replaced; a removed one where `new` is KeyError."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, tuple):
        items = list(value)
        items[key] = changed(items[key], rest, new)
        return tuple(item for item in items if item is not KeyError)
    items = dict(value)
    items[key] = changed(items.get(key), rest, new)
    return {name: item for name, item in items.items() if item is not KeyError}


def read(content, path):
    """What comes of the file: a module that works, or the words of the refusal."""
    if "digest" in content:
        content = {
            **content,
            "digest": digest_of({k: v for k, v in content.items() if k != "digest"}),
        }
    torch.save(content, path)
    began = time.process_time()  # whatever else the machine does
    try:
        model = load(path)
        size = model.image_size
        if size[0] * size[1] < 10_000:
            model(torch.zeros(1, model.image_channels or 1, *size, dtype=torch.uint8))
    except UserError as error:
        assert str(path) in str(error)
        return str(error)
    finally:
        assert time.process_time() - began < 10
    return None


@pytest.mark.parametrize("many", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_one_wrong_field_is_refused_in_words_and_soon(content, tmp_path, many):
    refused, total, draws = 0, 0, random.Random(1)
    for place in places(content):
        for new in (*draws.sample(WRONG, many), KeyError):
            if place == ("digest",):
                continue
            total += 1
            refused += read(changed(content, place, new), tmp_path / "model.mdl") is not None
    # what is left are texts, flags and numbers that another model might well have
    assert refused > 0.8 * total > 50


def test_a_surplus_field_is_refused(content, tmp_path):
    for place in [(), *places(content)]:
        inner = content
        for key in place:
            inner = inner[key]
        if isinstance(inner, dict) and content["version"] > 1 and place != ("extras",):
            altered = (
                changed(content, (*place, "surplus"), 1) if place else content | {"surplus": 1}
            )
            assert read(altered, tmp_path / "model.mdl") is not None, place


def test_parts_of_two_models_do_not_pass_for_one(content, tmp_path):
    if content["version"] == 1:
        return
    for kind in ("encoder", "classifier", "projection"):
        if content[kind] is not None:
            altered = copy.deepcopy(content)
            state = altered[kind]["state"]
            name = next(name for name, tensor in state.items() if tensor.ndim)
            state[name] = torch.zeros(*state[name].shape, 2)
            assert "do not fit" in read(altered, tmp_path / "model.mdl")


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "model.mdl"
    save_model(TransferNet(spec(), small), path)
    whole, before = path.read_bytes(), load_model(path)
    draws = random.Random(0)
    silent = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        path.write_bytes(damaged)
        try:
            after = load_model(path)
        except UserError:
            continue
        # the archive's own padding and time stamps hold nothing of the model
        silent += 1
        assert digest_of(after.tensors()) == digest_of(before.tensors())
        assert (after.class_names, after.inputs) == (before.class_names, before.inputs)
    assert silent < 150


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["encoder", "classifier"])
def test_values_that_are_not_finite_are_refused_as_such(tmp_path, part, value):
    path = tmp_path / "model.mdl"
    save_model(TransferNet(spec(), small), path)
    content = torch.load(path, weights_only=True)
    name = next(name for name, t in content[part]["state"].items() if t.is_floating_point())
    content[part]["state"][name].view(-1)[0] = value
    words = read(content, path)
    assert f"holds values that are not finite, first in {part}.{name}: it was saved by" in words
    objective = TransferNet(spec(), small)
    getattr(objective, part).state_dict()[name].view(-1)[0] = value
    kept = path.read_bytes()
    with pytest.raises(UserError, match=r"the model is not written, because .* not finite"):
        save_model(objective, path)
    assert path.read_bytes() == kept
