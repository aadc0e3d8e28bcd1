"""One run on a worker: it saves when it is cancelled, and ends with the worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

# a worker of a cluster that a script started in its background, where an interrupt is ignored
WORKER = dedent(
    """
    import _thread, pathlib, signal, sys, threading, time
    from fewshot.studies.engines.worker import compute
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    log, run = sys.argv[1:]
    def cancel():
        while not pathlib.Path(log).exists() or "up" not in pathlib.Path(log).read_text():
            time.sleep(0.02)
        _thread.interrupt_main()
    if "cancel" in log:
        threading.Thread(target=cancel).start()
    sys.exit(compute(["python", "-c", run], log, "/", {"FEWSHOT_TOLD": "told"}))
    """
)
RUN = dedent(
    """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(130)))
    print("up", os.getpid(), os.environ["FEWSHOT_TOLD"], os.getcwd(), flush=True)
    time.sleep(60)
    """
)


def started(log):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(log), RUN])


def test_a_run_that_is_cancelled_saves(tmp_path):
    worker = started(tmp_path / "cancelled")
    assert worker.wait(30) == 130
    first, second = (tmp_path / "cancelled").read_text().splitlines()
    assert first.split()[2:] == ["told", "/"]
    assert second == "saved"


def test_a_run_ends_with_its_worker(tmp_path):
    log = tmp_path / "log"
    worker = started(log)
    end = time.monotonic() + 30
    while not log.exists() or "up" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    run = int(log.read_text().split()[1])
    worker.kill()
    worker.wait()
    while time.monotonic() < end:
        try:
            os.kill(run, 0)
            if Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
        except (ProcessLookupError, FileNotFoundError):
            break
        time.sleep(0.02)
    else:
        os.kill(run, signal.SIGKILL)
        pytest.fail("the run goes on without its worker")
