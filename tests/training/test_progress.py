import sys
import time

import pytest

from experiment.training import Progress, duration


def at_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    return Progress()


def test_on_a_terminal_a_line_is_overwritten_by_the_next(monkeypatch, capsys):
    progress = at_a_terminal(monkeypatch)
    progress.update("step 1")
    progress.update("step 2")
    progress.say("saved")
    progress.say("done")
    assert capsys.readouterr() == ("", "\r\033[Kstep 1\r\033[Kstep 2\r\033[Ksaved\ndone\n")


def test_on_a_terminal_the_last_line_can_be_taken_away(monkeypatch, capsys):
    progress = at_a_terminal(monkeypatch)
    progress.clear()
    assert capsys.readouterr().err == ""
    progress.update("step 1")
    progress.clear()
    progress.clear()
    assert capsys.readouterr().err == "\r\033[Kstep 1\r\033[K"


def test_in_a_log_updates_come_now_and_then_and_words_always(capsys):
    progress = Progress(every_seconds=1_000.0)
    for step in range(5):
        progress.update(f"step {step}")
    progress.say("saved")
    progress.clear()
    assert capsys.readouterr() == ("", "step 0\nsaved\n")


def test_in_a_log_every_wait_is_announced_however_soon(capsys):
    progress = Progress(every_seconds=1_000.0)
    progress.update("step 1")
    progress.wait_for("compiling")
    progress.wait_for("restoring")
    assert capsys.readouterr().err == "step 1\ncompiling ...\nrestoring ...\n"


def test_in_a_log_every_update_comes_when_none_is_too_soon(capsys):
    progress = Progress(every_seconds=0.0)
    progress.update("step 1")
    progress.update("step 2")
    assert capsys.readouterr().err == "step 1\nstep 2\n"


def test_only_what_takes_long_is_said_to_be_waited_for(monkeypatch, capsys):
    monkeypatch.setattr("experiment.training.progress.PATIENCE_SECONDS", 0.2)
    progress = Progress()
    with progress.waiting("what is there at once"):
        pass
    with progress.waiting("the bus"):
        time.sleep(1.0)
    assert capsys.readouterr().err == "waiting for the bus, 0s so far ...\n"


def test_lines_can_go_to_a_file(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        Progress(stream).say("done")
    assert (tmp_path / "log").read_text() == "done\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0s"),
        (59.9, "59s"),
        (60.0, "1m00s"),
        (754.0, "12m34s"),
        (3600.0, "1h00m"),
        (8054.0, "2h14m"),
    ],
)
def test_duration_is_as_people_say_it(seconds, said):
    assert duration(seconds) == said
