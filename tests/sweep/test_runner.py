import dataclasses
import os
import signal
import sys
import threading
import time

import pytest

from experiment.sweep.rows import Row
from experiment.sweep.runner import Runner, shares, train_command
from experiment.training import PlannedRun, Progress, Workdir
from tests.made_up import config

SUCCEED = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / "results.json").write_text(json.dumps({"step": 10}))
"""
FAIL = "import sys; print('error: this is why', file=sys.stderr); sys.exit(6)"
WAIT = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(42))
(pathlib.Path(sys.argv[1]) / "pid").write_text(str(os.getpid()))
(pathlib.Path(sys.argv[1]) / "started").touch()
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def look_often(monkeypatch):
    monkeypatch.setattr("experiment.sweep.runner._SECONDS_BETWEEN_LOOKS", 0.02)


def row(tmp_path, name):
    made_up = dataclasses.replace(config(), seed=0)
    return Row(name, made_up, {}, {}, (PlannedRun(Workdir(tmp_path / name), made_up),))


def run(tmp_path, programs, *, processes=1, finished=lambda row: None):
    """Runs a program for each row's name; returns the runner, and whether it came to its end."""
    rows = [row(tmp_path, name) for name in programs]
    runner = Runner(
        lambda row: [sys.executable, "-c", programs[row.name], str(tmp_path / row.name)],
        tmp_path,
        processes=processes,
        progress=Progress(every_seconds=0.0),
        finished=finished,
    )
    return runner, runner.run(rows)


def test_every_row_runs_and_is_told_of_when_it_is_finished(tmp_path):
    heard = []
    runner, done = run(
        tmp_path, {"A": SUCCEED, "B": SUCCEED}, finished=lambda row: heard.append(row.name)
    )
    assert done
    assert heard == ["A", "B"]
    assert runner.exit_codes == {"A": 0, "B": 0}


def test_a_row_that_fails_does_not_keep_the_others(tmp_path, capsys):
    runner, done = run(tmp_path, {"A": FAIL, "B": SUCCEED})
    assert done
    assert runner.exit_codes == {"A": 6, "B": 0}
    assert "A: ended with exit code 6: error: this is why" in capsys.readouterr().err
    assert "this is why" in (tmp_path / "A" / "log.txt").read_text()


def test_several_processes_run_at_the_same_time(tmp_path):
    meet = (
        """
import pathlib, sys, time
here = pathlib.Path(sys.argv[1]); other = here.parent / {"A": "B", "B": "A"}[here.name]
(here / "started").touch()
end = time.monotonic() + 20
while not (other / "started").exists():
    assert time.monotonic() < end
    time.sleep(0.01)
"""
        + SUCCEED
    )
    runner, _ = run(tmp_path, {"A": meet, "B": meet}, processes=2)
    assert runner.exit_codes == {"A": 0, "B": 0}


def test_asked_to_stop_it_asks_every_row_once_and_starts_no_other(tmp_path):
    def ask():
        while not (all((tmp_path / name / "started").exists() for name in "AB")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    runner, done = run(tmp_path, {"A": WAIT, "B": WAIT, "C": SUCCEED}, processes=2)
    asking.join()
    assert not done
    assert runner.exit_codes == {"A": 42, "B": 42}
    assert not (tmp_path / "C").exists()


def test_when_this_process_fails_the_rows_are_asked_to_stop_and_waited_for(tmp_path):
    succeed_soon = "import time; time.sleep(1)" + SUCCEED

    def fail(row):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(tmp_path, {"A": succeed_soon, "B": WAIT}, processes=2, finished=fail)
    pids = (tmp_path / "B" / "pid").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids), 0)


def test_a_row_that_says_nothing_is_not_given_the_last_words_of_an_earlier_start(tmp_path, capsys):
    run(tmp_path, {"A": FAIL})
    run(tmp_path, {"A": "import sys; sys.exit(3)"})
    assert "A: ended with exit code 3: it says nothing" in capsys.readouterr().err


def test_progress_says_what_is_done_and_what_is_left(tmp_path, capsys):
    run(tmp_path, {"A": SUCCEED, "B": SUCCEED})
    said = capsys.readouterr().err
    assert "0 rows ended, 1 waiting; A step 0/10; 0s gone\n" in said
    assert "1 rows ended, 0 waiting; B step 0/10" in said


@pytest.mark.parametrize(
    ("processors", "processes", "expected"),
    [
        ([0, 1], 1, [[0, 1]]),
        ([0, 1], 2, [[0], [1]]),
        ([2, 3, 5], 2, [[2, 5], [3]]),
        ([0, 1], 3, [[0], [1], [0]]),
    ],
)
def test_processors_are_divided(processors, processes, expected):
    assert shares(processors, processes) == expected


def test_a_row_is_trained_by_the_command_that_a_user_would_type(tmp_path):
    _, script, *flags = train_command(
        "configs/t.py", ["--config.seed=1"], row(tmp_path, "B1"), tmp_path / "B1", ["--seeds=2"]
    )
    assert os.path.isfile(script)
    assert os.path.basename(script) == "train.py"
    assert flags == [
        "--config=configs/t.py:B1",
        "--config.seed=1",
        f"--workdir={tmp_path / 'B1'}",
        "--seeds=2",
    ]
