import pathlib

import pytest

from experiment.errors import InUse
from experiment.training import check_nothing_changed, origin_of, runs_of, write_json
from experiment.training.origin import Origin
from tests.made_up import config

CONFIG = config()
ORIGIN = Origin("/elsewhere", 10, "a digest")


def begun(run, origin=None):
    run.workdir.write_config(run.config.resolved())
    if origin:
        write_json(run.workdir.origin, origin._asdict())


def test_what_was_written_down_is_found_again_without_the_flag(tmp_path):
    runs = runs_of(tmp_path, CONFIG, 2)
    for run in runs:
        begun(run, ORIGIN)
    assert origin_of(runs, None, print) == ORIGIN
    assert origin_of(runs, pathlib.Path("/elsewhere"), print) == ORIGIN


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "was started without --finetune_from=/elsewhere."),
        (ORIGIN._replace(step=8), "was started from /elsewhere, not from"),
        (ORIGIN._replace(workdir="/third"), "was started from /third, not from"),
    ],
)
def test_seeds_of_different_origins_are_not_trained_together(tmp_path, other, message):
    first, second = runs_of(tmp_path, CONFIG, 2)
    begun(first, ORIGIN)
    begun(second, other)
    with pytest.raises(ValueError, match=f"seed_1 {message}"):
        origin_of([first, second], None, print)


def test_run_that_another_process_finished_meanwhile_is_left_to_it(tmp_path):
    runs = runs_of(tmp_path, CONFIG, 1)
    begun(runs[0])
    check_nothing_changed(runs, None)
    write_json(runs[0].workdir.results, {"step": 10})
    with pytest.raises(InUse) as refused:
        check_nothing_changed(runs, None)
    assert str(refused.value) == (
        f"{tmp_path} was in use by another process meanwhile. Give the same command again."
    )


def test_run_that_another_process_began_otherwise_is_left_to_it(tmp_path):
    runs = runs_of(tmp_path, CONFIG, 1)
    check_nothing_changed(runs, ORIGIN)
    begun(runs[0])
    with pytest.raises(InUse):
        check_nothing_changed(runs, ORIGIN)
