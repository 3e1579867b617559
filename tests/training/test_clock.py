import pytest

from experiment.training import Clock, clock
from experiment.training.clock import in_words, of_steps


@pytest.fixture
def pass_time(monkeypatch):
    """Time stands still but for what is asked of it."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


def ready(*arguments, **options):
    """A clock of a run that is about to take its first step."""
    measured = Clock(*arguments, **options)
    measured.ready()
    return measured


NOTHING = dict.fromkeys(("starting", "compiling", "data", "evaluating", "saving", "training"), 0.0)


def test_what_is_in_no_phase_is_training(pass_time):
    measured = ready()
    pass_time(5)
    with measured.phase("saving"):
        pass_time(2)
    with measured.phase("compiling"):
        pass_time(1)
    with measured.phase("data"):
        pass_time(0.5)
    assert measured.seconds() == {
        **NOTHING,
        "compiling": 1,
        "data": 0.5,
        "saving": 2,
        "training": 5,
        "total": 8.5,
    }


def test_what_comes_before_the_first_step_is_starting(pass_time):
    measured = Clock(since=97.0)  # three seconds ago
    pass_time(4)
    with measured.phase("evaluating"):
        pass_time(2)
    pass_time(1)
    measured.ready()
    pass_time(5)
    assert measured.seconds() == {
        **NOTHING,
        "starting": 8,
        "evaluating": 2,
        "training": 5,
        "total": 15,
    }


def test_second_in_two_phases_is_counted_in_the_inner_one_alone(pass_time):
    measured = ready()
    with measured.phase("evaluating"):
        pass_time(1)
        with measured.phase("compiling"):
            pass_time(10)
        pass_time(2)
    assert measured.seconds() == {**NOTHING, "evaluating": 3, "compiling": 10, "total": 13}


def test_phase_that_is_still_going_on_is_counted_until_now(pass_time):
    measured = ready()
    with measured.phase("data"):
        pass_time(4)
        assert measured.seconds() == {**NOTHING, "data": 4, "total": 4}
        pass_time(4)
    assert measured.seconds()["data"] == 8


def test_clock_goes_on_from_what_was_kept(pass_time):
    first = ready()
    pass_time(5)
    with first.phase("saving"):
        pass_time(2)
    kept = first.seconds()
    pass_time(1_000)  # nothing runs
    second = ready(kept)
    pass_time(3)
    assert second.seconds() == {**kept, "training": 8, "total": 10}


def test_phases_that_an_older_checkpoint_does_not_know_took_no_time(pass_time):
    kept = {"compiling": 1.0, "evaluating": 2.0, "saving": 3.0, "training": 4.0, "total": 10.0}
    assert Clock(kept).seconds() == {**NOTHING, **kept}
    assert Clock({"total": 10.0}).seconds() == {**NOTHING, "training": 10, "total": 10}


def test_phase_that_fails_is_counted_and_left(pass_time):
    measured = ready()
    with pytest.raises(OSError, match="disk"), measured.phase("saving"):
        pass_time(2)
        raise OSError("disk")
    pass_time(3)
    assert measured.seconds() == {**NOTHING, "saving": 2, "training": 3, "total": 5}


def test_stopped_clock_stands_still(pass_time):
    measured = ready()
    pass_time(5)
    measured.stop()
    pass_time(1_000)
    with measured.phase("saving"):
        pass_time(1_000)
    assert measured.seconds() == {**NOTHING, "training": 5, "total": 5}


def test_clock_of_the_machine_may_be_set_back(monkeypatch):
    measured = Clock()
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    with measured.phase("saving"):
        pass
    seconds = measured.seconds()
    assert 0 <= seconds["saving"] <= seconds["total"] < 60


def test_time_of_steps_is_training_and_waiting_for_batches():
    assert of_steps({**NOTHING, "training": 5.0, "data": 2.0, "saving": 1.0, "total": 8.0}) == 7


def test_where_the_time_went_is_said_in_one_line():
    seconds = {"starting": 1.0, "compiling": 12.4, "data": 0.2, "evaluating": 5.0, "saving": 0.0}
    said = in_words({**seconds, "training": 110.9, "total": 130.0})
    assert said == (
        "2m10s in all: training 1m50s (85%), starting 1s, compiling 12s, data 0s, evaluating 5s, "
        "saving 0s"
    )


def test_line_of_a_run_that_took_no_time_at_all():
    assert in_words({**NOTHING, "total": 0.0}).startswith("0s in all: training 0s (0%), ")
