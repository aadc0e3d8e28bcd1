"""python -m fewshot: what it lists, how it answers, and its manners towards any stream."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fewshot.__main__ as door
from fewshot import commands, console
from fewshot.binding.locating import REPOSITORY
from fewshot.data.audit.pairs import NearRule

FOLDER = Path(commands.__path__[0])
VERBS = [
    *([verb] for verb, file in door.verbs(FOLDER).items() if file.name != "__init__.py"),
    *(["study", verb] for verb in door.verbs(FOLDER / "study")),
]


def outcome(*arguments, module="fewshot", **options):
    program = [sys.executable, "-X", "importtime", "-m", module, *arguments]
    return subprocess.run(
        program, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False, **options
    )


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_list_of_verbs(words, capsys):
    assert door.main(words) == 0
    listed = capsys.readouterr().out
    for verb in ("splits", "import", "audit", "compare", "report", "study"):
        assert f"\n  {verb} " in listed
    assert "  audit       Find images and ids that are in more than one split CSV.\n" in listed


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_answers_before_anything_heavy_is_imported(words):
    answer = outcome(*words, "--help")
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"usage: python -m fewshot {' '.join(words)} ")
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "gin", "numpy", "pandas", "matplotlib"}


def test_a_misspelt_verb_is_one_message(capsys):
    assert door.main(["compar", "x"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: python -m fewshot: there is no 'compar'. Did you mean compare?")
    assert door.main(["study", "few-shoot"]) == 2
    assert "Did you mean few_shot? There are: chain, few_shot," in capsys.readouterr().err


def test_a_verb_may_be_typed_with_a_dash(capsys):
    with pytest.raises(SystemExit, match="0"):
        door.main(["study", "few-shot", "--help"])
    assert "usage: python -m fewshot study few_shot" in capsys.readouterr().out


def test_a_new_module_is_a_new_verb(tmp_path, monkeypatch, capsys):
    (tmp_path / "__init__.py").write_text('"""Verbs."""\n')
    (tmp_path / "sing_.py").write_text(
        '"""Sing a song.\n\nOr two."""\n\n\n'
        "def add_arguments(parser):\n    parser.add_argument('song')\n\n\n"
        "def run(given):\n    print(given.song)\n    return 7\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    monkeypatch.setattr(door, "_FOLDER", tmp_path)
    assert door.main([]) == 0
    assert "  sing        Sing a song.\n" in capsys.readouterr().out
    assert door.main(["sing", "la"]) == 7
    assert capsys.readouterr().out == "la\n"


@pytest.mark.parametrize(
    "module",
    [
        *("data.splits", "data.audit", "data.importers", "evaluation.compare", "reports.report"),
        *("studies.seeds", "studies.chain", "studies.table", "studies.few_shot"),
    ],
)
def test_the_first_names_still_work(module):
    answer = outcome("--help", module=f"fewshot.{module}")
    assert answer.returncode == 0
    assert answer.stdout.startswith("usage: ")


def test_the_audits_help_states_the_defaults_that_hold(capsys):
    with pytest.raises(SystemExit):
        door.main(["audit", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"of 64, default {NearRule.bits} " in told
    assert f"default {NearRule.distance}; 0 is equal" in told


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_that_a_stream_cannot_encode_are_escaped(tmp_path, encoding):
    name = "Kleid \N{HIRAGANA LETTER A}"
    answer = outcome(
        "report", str(tmp_path / name), env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert answer.returncode == 2
    assert "Kleid \\u3042 holds no results.json" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_full_device_behind_stdout_is_one_message():
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "fewshot"],
            cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert answer.returncode == 2
    assert answer.stderr == (
        "error: the answer cannot be written to standard output: No space left on device. Send it "
        "elsewhere.\n"
    )


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_a_message_that_nobody_can_read_costs_nothing_else(stderr):
    for words, code in (("repot", 2), ("--help", 0)):
        command = f"{sys.executable} -m fewshot {words} {stderr} | cat; exit ${{PIPESTATUS[0]}}"
        answer = subprocess.run(
            ["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert answer.returncode == code
        assert ("audit" in answer.stdout) == (code == 0)


def test_closed_streams_are_not_handed_to_the_next_file(tmp_path):
    program = (
        "from fewshot.console import exit_code, say, show\n"
        "def work():\n"
        f"    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        show('answer')\n        say('message')\n        file.write('own')\n"
        "raise SystemExit(exit_code(work))\n"
    )
    (tmp_path / "program.py").write_text(program)
    command = f"PYTHONPATH={REPOSITORY} {sys.executable} {tmp_path}/program.py <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0
    assert (tmp_path / "file").read_text() == "own"


def test_names_that_steer_a_terminal_are_shown_as_codes(tmp_path, capsys):
    name = "Kleid\x1b[2J\x9b\r\u202eX"
    assert door.main(["report", str(tmp_path / name)]) == 2
    console.show(f"{name}\tand\nmore")
    logging.getLogger("fewshot").warning("%s: skipped", name)
    shown = capsys.readouterr()
    told = r"Kleid\x1b[2J\x9b\r\u202eX"
    assert f"{told} holds no results.json" in shown.err
    assert f"warning: {told}: skipped" in shown.err
    assert shown.out == f"{told}\tand\nmore\n"
