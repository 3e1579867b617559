import base64
import pathlib
import time

import jax
import numpy as np
import pytest

from experiment.data import Vocabulary
from experiment.training import TrainState
from tests.made_up import config, training_data, vocabulary
from tests.training.opened import opened

CONFIG = config()


def init():
    return TrainState(jax.numpy.int32(0), {"kernel": jax.numpy.arange(3.0)}, ())


def save(run, step):
    """What the loop does: the state after some steps, and how far it has come."""
    state = TrainState(np.int32(step), {"kernel": np.full(3, step, np.float32)}, ())
    progress = {"since_log": [{"loss": 0.1}], "target_tokens": 42, "seconds": {"total": 9.0}}
    run.checkpoints.save(state, {**run.record, **progress})
    run.log.write("train", step, {"loss": 1.0})


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_new_run_starts_from_init_and_says_what_it_is(tmp_path):
    with opened(tmp_path / "run", CONFIG, init) as run:
        assert run.step == run.state.step == 0
        np.testing.assert_array_equal(run.state.params["kernel"], [0, 1, 2])
        assert run.workdir.read_config() == {
            **CONFIG.resolved(),
            "data": {**CONFIG.resolved()["data"], "bucket_lengths": [8]},
        }
        assert Vocabulary.load(run.workdir.vocabulary).digest == vocabulary().digest


def test_run_goes_on_from_its_newest_checkpoint(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        for step in (4, 5):
            save(run, step)
        run.log.write("train", 6, {"loss": 1.0})
    with opened(tmp_path, CONFIG, init) as run:
        assert run.step == run.state.step == 5
        np.testing.assert_array_equal(run.state.params["kernel"], [5, 5, 5])
        assert (run.since_log, run.target_tokens) == ([{"loss": 0.1}], 42)
        assert 9 <= run.clock.seconds()["total"] < 60
        assert run.workdir.metrics.read_text().count("\n") == 2


def test_initialising_is_counted_as_starting(tmp_path):
    def slow():
        time.sleep(0.2)
        return init()

    with opened(tmp_path, CONFIG, slow) as run:
        run.clock.ready()
        assert run.clock.seconds()["starting"] >= 0.2 > run.clock.seconds()["training"]


def test_checkpoint_says_what_its_numbers_mean(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        save(run, 1)
        run.checkpoints.wait()
        record = run.checkpoints.record(1)
    assert record["config"]["model"] == CONFIG.resolved()["model"]
    assert base64.b64decode(record["vocabulary"]) == vocabulary().model_bytes
    assert record["fingerprint"] == training_data(CONFIG).fingerprint


def test_other_data_is_refused_by_name_and_nothing_is_changed(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        save(run, 1)
    before = contents(tmp_path)
    other = config(evaluation={"test_split": "other"})
    with pytest.raises(ValueError) as refused, opened(tmp_path, other, init, data=1):
        pass
    assert str(refused.value) == (
        "The data is not what this run was trained on: its corpus was made up 0, now it is "
        "made up 1. Restore it, or choose another --workdir."
    )
    assert contents(tmp_path) == before


def test_fewer_steps_than_were_taken_are_refused(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        save(run, 5)
    before = contents(tmp_path)
    shorter = config(train={"num_steps": 4})
    with pytest.raises(ValueError) as refused, opened(tmp_path, shorter, init):
        pass
    assert str(refused.value) == (
        f"{tmp_path} is at step 5, beyond train.num_steps=4. Raise it, or choose another --workdir."
    )
    assert contents(tmp_path) == before


def test_results_of_a_shorter_run_go_when_it_goes_on(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        save(run, CONFIG.train.num_steps)
        results = (run.workdir.results, run.workdir.translations)
    for file in results:
        file.write_text("")
    with opened(tmp_path, CONFIG, init):
        assert all(file.exists() for file in results)
    with opened(tmp_path, config(train={"num_steps": CONFIG.train.num_steps + 1}), init):
        assert not any(file.exists() for file in results)


def test_folder_without_a_checkpoint_starts_again(tmp_path):
    with opened(tmp_path, CONFIG, init) as run:
        run.log.write("train", 3, {"loss": 1.0})
    with opened(tmp_path, CONFIG, init) as run:
        assert run.step == 0
        assert run.workdir.metrics.read_text() == ""


@pytest.mark.parametrize("form", ["a b/ü", "relative", "~/home", "link"])
def test_workdir_may_be_given_in_any_form(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "target", target_is_directory=True)
    (tmp_path / "target").mkdir()
    with opened(pathlib.Path(form), CONFIG, init) as run:
        assert run.workdir.path == tmp_path / form.removeprefix("~/")
        save(run, 1)
    monkeypatch.chdir("/")
    with opened(tmp_path / form.removeprefix("~/"), CONFIG, init) as run:
        assert run.step == 1


def test_run_saved_on_several_devices_is_read_on_one(tmp_path):
    replicated = jax.sharding.NamedSharding(
        jax.sharding.Mesh(np.array(jax.devices()), ("data",)), jax.sharding.PartitionSpec()
    )
    state = jax.device_put(
        TrainState(np.int32(1), {"kernel": np.ones(3, np.float32)}, ()), replicated
    )
    with opened(tmp_path, CONFIG, init) as run:
        run.checkpoints.save(jax.device_get(state), run.record)
        run.checkpoints.wait()
        params = run.checkpoints.restore_params(1, jax.eval_shape(init).params)
    np.testing.assert_array_equal(params["kernel"], np.ones(3))
