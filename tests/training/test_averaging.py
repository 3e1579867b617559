import functools
import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from experiment.analysis import load
from experiment.data import Vocabulary
from experiment.training import Checkpoints, Workdir, adam, average_run, init_state
from experiment.training.checkpoint import __main__ as checkpoint_command
from model.transformer import Transformer
from tests.made_up import config, vocabulary
from tests.training.opened import opened

CONFIG = config()
MODEL = Transformer(CONFIG.model.system_config(vocabulary().size))
INIT = functools.partial(init_state, MODEL, adam(CONFIG), jax.random.key(0))
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with checkpoints of steps 4, 8 and 10, in which no two numbers are alike."""
    folder = tmp_path_factory.mktemp("run")
    three = config(train={"keep_checkpoints": 3})
    with opened(folder, three, INIT) as run:
        for step in (4, 8, 10):
            params = jax.tree.map(lambda leaf, s=step: (leaf + 0.1) * s, run.state.params)
            run.checkpoints.save(run.state._replace(step=np.int32(step), params=params), run.record)
    return folder


@pytest.fixture
def average(run, tmp_path):
    """The mean of all three."""
    average_run(Workdir(run), last=3, to=tmp_path / "means" / "average", say=print)
    return tmp_path / "means" / "average"


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_mean_is_loaded_as_that_run_averaged(run, average):
    ours, theirs = load(average), load(run, average=3)
    assert_equal(ours.params, theirs.params)
    assert ours.steps == theirs.steps == (4, 8, 10)
    assert (ours.config, ours.fingerprint) == (theirs.config, theirs.fingerprint)
    assert ours.vocabulary.digest == theirs.vocabulary.digest


def test_mean_is_that_of_the_newest(run, tmp_path):
    assert average_run(Workdir(run), last=2, to=tmp_path / "two", say=print) == [8, 10]
    assert_equal(load(tmp_path / "two").params, load(run, average=2).params)


def test_folder_holds_a_config_a_vocabulary_and_one_checkpoint_that_says_what_it_is(average, run):
    assert sorted(path.name for path in average.iterdir()) == [
        "checkpoints",
        "config.json",
        "vocabulary.model",
    ]
    assert sorted(path.name for path in average.parent.iterdir()) == ["average"]
    assert json.loads((average / "config.json").read_text()) == Workdir(run).read_config()
    assert Vocabulary.load(average / "vocabulary.model").digest == vocabulary().digest
    checkpoints = Checkpoints(average / "checkpoints")
    assert checkpoints.steps() == [10]
    record = checkpoints.record(10)
    assert record["averaged_steps"] == [4, 8, 10]
    assert record["config"]["model"] == Workdir(run).read_config()["model"]


def test_mean_of_a_mean_keeps_the_steps(average, tmp_path):
    assert average_run(Workdir(average), last=1, to=tmp_path / "again", say=print) == [4, 8, 10]
    assert load(tmp_path / "again").steps == (4, 8, 10)


def test_empty_folder_is_taken(run, tmp_path):
    average_run(Workdir(run), last=1, to=tmp_path, say=print)
    assert load(tmp_path).steps == (10,)


def test_averaging_changes_nothing_of_the_run(run, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    average_run(Workdir(run), last=2, to=tmp_path / "two", say=print)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_training_does_not_go_on_from_a_mean(average):
    before = {path: path.is_file() and path.read_bytes() for path in average.rglob("*")}
    three = config(train={"keep_checkpoints": 3})
    with pytest.raises(ValueError) as refused, opened(average, three, INIT):
        pass
    assert str(refused.value) == (
        f"{average} holds the mean of the checkpoints 4, 8, 10, and no optimizer to go on with. "
        "Go on with the run it was made from, or choose another --workdir."
    )
    assert {path: path.is_file() and path.read_bytes() for path in average.rglob("*")} == before


def refusal(capsys, *argv):
    with pytest.raises(SystemExit) as ended:
        checkpoint_command.main(["average", *map(str, argv)])
    printed, said = capsys.readouterr()
    assert (ended.value.code, printed) == (2, "")
    (line,) = said.splitlines()
    return line.removeprefix("error: ")


def test_command_says_what_it_wrote(run, tmp_path, capsys):
    checkpoint_command.main(["average", str(run), "--last=2", f"--to={tmp_path / 'two'}"])
    assert capsys.readouterr().out == f"{tmp_path / 'two'}: the mean of the checkpoints 8, 10\n"
    assert load(tmp_path / "two").steps == (8, 10)


def test_more_checkpoints_than_there_are_are_refused(run, tmp_path, capsys):
    said = refusal(capsys, run, "--last=4", f"--to={tmp_path / 'four'}")
    assert said == f"{run} has 3 checkpoints, not --last=4."
    assert list(tmp_path.iterdir()) == []


def test_fewer_than_one_is_refused(run, tmp_path, capsys):
    said = refusal(capsys, run, "--last=0", f"--to={tmp_path / 'none'}")
    assert said == "--last=0 must be at least 1."


def test_folder_without_a_run_is_refused(tmp_path, capsys):
    said = refusal(capsys, tmp_path, "--last=1", f"--to={tmp_path / 'one'}")
    assert said.startswith(f"{tmp_path} holds no run (no config.json).")
    assert list(tmp_path.iterdir()) == []


def test_run_without_a_checkpoint_is_refused(tmp_path, capsys):
    with opened(tmp_path / "run", CONFIG, INIT):
        pass
    argv = [tmp_path / "run", "--last=1", f"--to={tmp_path / 'one'}"]
    assert refusal(capsys, *argv) == (
        f"{tmp_path / 'run'} has no checkpoint yet. Let its training go on."
    )
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    said = refusal(capsys, *argv)
    assert said == f"{tmp_path / 'run'} has no checkpoint yet. Let its training go on."


@pytest.mark.parametrize("name", ["folder", "folder/file"])
def test_place_that_is_taken_is_refused(run, tmp_path, capsys, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    to = tmp_path / name
    said = refusal(capsys, run, "--last=1", f"--to={to}")
    assert said == f"--to={to} must be a new folder; there is something. Name another."
    assert (tmp_path / "folder" / "file").read_text() == "mine"


def test_real_process_says_one_line_and_no_warning(tmp_path):
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "experiment.training.checkpoint", "average"),
            *(tmp_path, "--last=1", f"--to={tmp_path / 'one'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {tmp_path} holds no run")
    assert ended.stderr.count("\n") == 1
