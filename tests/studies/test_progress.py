import math

from fewshot.studies.progress import Progress


def test_runs_take_as_long_as_those_like_them():
    progress = Progress(["small", "small", "large", "large", "other"], jobs=2)
    assert math.isnan(progress.seconds_left())
    progress.end("small", 10)
    assert progress.seconds_left() == (10 + 10 + 10 + 10) / 2, "nothing else is known"
    progress.end("large", 100)
    assert progress.seconds_left() == (10 + 100 + 100) / 2, "it may be as long as the longest"
    assert progress.told(1) == (
        "2 of 5 runs are done, 1 going on; about 1 min 45 s left (1 of them of kinds that none has "
        "ended of)"
    )


def test_no_run_is_shared_by_those_that_have_nothing_to_do():
    progress = Progress(["a"] * 5, jobs=4)
    for _ in range(4):
        progress.end("a", 100)
    assert progress.seconds_left() == 100
    progress.end("a", 100)
    assert progress.seconds_left() == 0


def test_what_is_skipped_teaches_nothing():
    progress = Progress(["a", "b"], jobs=1)
    progress.skip("a")
    progress.end("b", 3)
    assert progress.told() == "2 of 2 runs are done"


def test_what_failed_is_counted_apart():
    progress = Progress(["a", "a", "b"], jobs=1)
    progress.end("a", 4, failed=True)
    assert progress.told() == "0 of 3 runs are done, 1 failed or were left out", "it taught nothing"
    progress.skip("b", failed=True)
    progress.end("a", 4)
    assert progress.told() == "1 of 3 runs are done, 2 failed or were left out"
