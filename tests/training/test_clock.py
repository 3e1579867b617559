import pytest

from experiment.training import Clock, clock


@pytest.fixture
def pass_time(monkeypatch):
    """Time stands still but for what is asked of it."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


def test_what_is_in_no_phase_is_training(pass_time):
    measured = Clock()
    pass_time(5)
    with measured.phase("saving"):
        pass_time(2)
    with measured.phase("compiling"):
        pass_time(1)
    assert measured.seconds() == {
        "compiling": 1,
        "evaluating": 0,
        "saving": 2,
        "training": 5,
        "total": 8,
    }


def test_clock_goes_on_from_what_was_kept(pass_time):
    first = Clock()
    pass_time(5)
    with first.phase("saving"):
        pass_time(2)
    kept = first.seconds()
    pass_time(1_000)  # nothing runs
    second = Clock(kept)
    pass_time(3)
    assert second.seconds() == {**kept, "training": 8, "total": 10}


def test_phase_that_fails_is_counted(pass_time):
    measured = Clock()
    with pytest.raises(OSError, match="disk"), measured.phase("saving"):
        pass_time(2)
        raise OSError("disk")
    assert measured.seconds()["saving"] == 2


def test_stopped_clock_stands_still(pass_time):
    measured = Clock()
    pass_time(5)
    measured.stop()
    pass_time(1_000)
    assert measured.seconds()["total"] == measured.seconds()["training"] == 5


def test_clock_of_the_machine_may_be_set_back(monkeypatch):
    measured = Clock()
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    with measured.phase("saving"):
        pass
    seconds = measured.seconds()
    assert 0 <= seconds["saving"] <= seconds["total"] < 60
