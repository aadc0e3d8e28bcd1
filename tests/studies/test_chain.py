import json

import pytest

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.models.model_file import load_model
from fewshot.studies import chain

KEEP = ("-p1", "Trainer.keep_every = 1")


def test_two_folders_and_the_second_starts_from_the_firsts_model(
    tmp_path, shop, tiny, in_process, capsys
):
    # as the two commands stand: unlabelled pretraining on all rows, then other classes
    command = ["configs/rotation.gin", "configs/finetune.gin", *tiny]
    classes = ("-p2", "main.train_rows = @SelectRows", "-p2", "SelectRows.fraction = 0.5")
    still = ("-p2", "torch.optim.Adam.lr = 0.0", "-p2", "TransferNet.frozen = True")
    arguments = [*command, *KEEP, *classes, *still, "--output-dir", str(tmp_path)]
    assert main(["study", "chain", *arguments]) == 0
    assert in_process == ["1-rotation", "2-finetune"]
    place = tmp_path / "rotation-finetune"
    first, second = (load_model(place / name / "model.mdl") for name in in_process)
    assert (first.objective, second.objective) == ("RotationNet", "TransferNet")
    for name, tensor in first.encoder.state.items():
        assert tensor.equal(second.encoder.state[name]), name
    printed = capsys.readouterr().out
    found = json.loads((place / "2-finetune" / "results.json").read_text())["test"]["top1"]
    assert "test/knn_top1" in printed
    assert f"{found:.4f}" in printed
    assert main(["study", "chain", *arguments]) == 0
    assert in_process == ["1-rotation", "2-finetune"], "completed runs were repeated"
    # any model that was kept serves as well
    kept = chain.model_of(ExperimentFolder(place / "1-rotation"), "checkpoints/epoch_001.mdl")
    path = f"TransferNet.saved_model_path = '{kept}'"
    assert main(["study", "chain", *arguments, "-p2", path, "--name", "kept"]) == 0


def test_a_run_without_a_model_cannot_be_gone_on_with(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch_004.mdl").touch()
    text = r"has no model\.mdl to go on with; models there: checkpoints/epoch_004\.mdl\. A run with"
    with pytest.raises(UserError, match=text):
        chain.model_of(ExperimentFolder(tmp_path))


def test_a_mistake_is_one_message(tmp_path, capsys, in_process):
    configs = ["configs/nowhere.gin", "configs/finetune.gin"]
    assert main(["study", "chain", *configs, "--output-dir", str(tmp_path)]) == 2
    assert (
        "nothing was run: there is no config file 'configs/nowhere.gin'" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (["configs/rotation.gin"], "the run '2-rotation' cannot start from a saved model"),
        (["configs/finetune.gin", "-p2", "main.epochs = 1"], "main has no parameter 'epochs'"),
    ],
)
def test_what_is_wrong_with_the_second_run_is_said_before_the_first(
    tmp_path, capsys, in_process, second, text
):
    first = ["configs/rotation.gin", *second]
    assert main(["study", "chain", *first, "--output-dir", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "error: nothing was run: " in told and text in told
    assert not in_process
