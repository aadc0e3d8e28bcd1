import pytest

from fewshot.__main__ import main


def test_the_command_imports_and_says_what_to_bind(sample, tmp_path, capsys):
    command = ["fashion-mnist", str(tmp_path / "root"), "--source", str(sample), "--top", "3"]
    assert main(["import", *command]) == 0
    assert capsys.readouterr().out == (
        f"FashionDataset.root_dir = '{tmp_path}/root'\n"
        f"FashionDataset.csv_file = '{tmp_path}/root/train.csv'\n"
    )
    assert (tmp_path / "root/train_top3.csv").is_file()


def test_a_validation_part_is_to_be_bound_too(tmp_path, save_image, capsys):
    for folder in ("train/bag", "val/bag", "test/bag"):
        save_image(tmp_path / f"source/{folder}/1.jpg")
    assert (
        main(["import", "image-folder", f"{tmp_path}/root", "--source", f"{tmp_path}/source"]) == 0
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"validation/FashionDataset.csv_file = '{tmp_path}/root/validation.csv'"


@pytest.mark.parametrize("layout", ["image-folder", "deep-fashion", "cats-vs-dogs", "cifar-10"])
def test_a_wrong_source_is_one_message_and_exit_code_2(tmp_path, capsys, layout):
    assert main(["import", layout, str(tmp_path / "root"), "--source", str(tmp_path / "no")]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert f"{tmp_path}/no is not a folder" in output.err
    assert "Traceback" not in output.err


def test_an_unknown_layout_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["import", "mnist", "dir"])
    assert caught.value.code == 2
    assert "invalid choice: 'mnist'" in capsys.readouterr().err
