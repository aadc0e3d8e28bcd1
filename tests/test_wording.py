import shlex

from fewshot.wording import all_compared, as_typed, compared, counted, first_few, visible


def test_one_is_singular():
    assert [counted(n, "photo") for n in (0, 1, 1000)] == ["0 photos", "1 photo", "1,000 photos"]


def test_a_long_list_says_how_many_are_left_out():
    assert first_few("abc", 2) == "a, b and 1 more"
    assert first_few("ab", 2) == "a, b"


def test_what_moves_a_cursor_is_shown_as_its_code():
    assert visible("red\x1b[31m\u2028é") == "red\\x1b[31m\\u2028é"


def test_many_names_are_compared_as_each_would_be():
    for names in ([" a", "b\t"], ["e\u0301", " u "], []):
        assert all_compared(names) == [compared(name) for name in names]


def test_a_command_is_quoted_as_a_person_would():
    words = ["python", "-p", "FashionDataset.root_dir='data/my shop'", "main.num_epochs = 3"]
    typed = as_typed(words)
    assert typed == """python -p "FashionDataset.root_dir='data/my shop'" 'main.num_epochs = 3'"""
    awkward = [*words, "it's $HOME", "it's `x`", "it's \\", 'it\'s "so"', "it's!", ""]
    assert shlex.split(as_typed(awkward)) == awkward
    assert all(as_typed([word])[0] == "'" for word in awkward[4:])
