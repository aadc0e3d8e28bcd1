import dataclasses
import logging
from functools import partial

import pytest
import torch

from fewshot.models.model_file import save_model
from fewshot.objectives.advice import advise
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder, spec


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "fewshot")

    def advice(objective):
        caplog.clear()
        advise(objective)
        return caplog.messages

    return advice


def of(rows):
    return dataclasses.replace(spec(), rows=rows)


def test_a_small_shop_is_told_what_to_do(said):
    assert said(TransferNet(of(193), ToyEncoder)) == [
        "193 training images are too few to learn an encoder from: take a saved one "
        "(configs/five_pictures.gin trains nothing, configs/finetune.gin goes on with it) or "
        "ImageNet's (-c configs/encoder/efficientnet_lite0_imagenet.gin). Or pretrain one without "
        "labels on all the photos you have: configs/simclr.gin."
    ]


def test_who_has_enough_is_told_nothing(said):
    assert not said(TransferNet(of(1_000), ToyEncoder))


def test_who_starts_from_trained_weights_is_told_nothing(said, tmp_path):
    assert not said(TransferNet(of(193), partial(ToyEncoder, weights="imagenet")))
    base = TransferNet(
        dataclasses.replace(of(5_000), image_digests=torch.arange(9).numpy()), ToyEncoder
    )
    save_model(base, tmp_path / "model.mdl")
    again = TransferNet(of(193), saved_model_path=str(tmp_path / "model.mdl"))
    assert not said(again)
