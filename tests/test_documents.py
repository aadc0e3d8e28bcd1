"""What the documents promise is there: links, pictures, configs, filled-in headers."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("*/*.md"), *REPOSITORY.glob("docs/*/*.md")]
CONFIGS = sorted(REPOSITORY.glob("configs/**/*.gin"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_pictures_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)", text)
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing


def test_configs_that_the_readme_names_exist():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"configs/[\w/]+\.gin", text)
    assert len(named) > 5
    assert not [name for name in named if not (REPOSITORY / name).is_file()]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_headers_hold_no_placeholder(path):
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    assert header, "a config says what it is"
    for line in header:
        assert not re.search(r"^# (run time|result)\s+[A-Z]+$", line)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_experiments_at_the_top_state_command_run_time_and_result(path):
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "configs":
        command = rf"^#.* python experiment\.py -c configs/{re.escape(path.name)}"
        for what in (command, "^# command   ", "^# run time  ", "^# result    "):
            assert re.search(what, text, re.M), what


@pytest.mark.parametrize("name", ["transfer", "finetune", "transfer_evaluate", "triplet"])
def test_the_four_configs_state_command_run_time_and_result(name):
    text = (REPOSITORY / "configs" / f"{name}.gin").read_text(encoding="utf-8")
    assert f"# command   python experiment.py -c configs/{name}.gin" in text
    assert re.search(r"^# run time  .*(second|minute)", text, re.M)
    assert re.search(r"^# result    test top-1 0\.\d{4}", text, re.M)
