import contextlib
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from orbax.checkpoint import v1 as orbax_v1

from experiment.training import Checkpoints, TrainState

OPTIMIZER = optax.adam(optax.constant_schedule(1e-3))


def init(rng):
    """A state with two types of numbers, and an optimizer that holds more than arrays."""
    params = {
        "embedding": jax.random.normal(rng, (5, 3)),
        "layer_0": {"kernel": jax.random.normal(rng, (3,)).astype(jnp.bfloat16)},
    }
    return TrainState(jnp.zeros((), jnp.int32), params, OPTIMIZER.init(params))


ABSTRACT = jax.eval_shape(init, jax.random.key(0))


@functools.cache
def state(step):
    """The state of `step`, unlike those of others in every number."""
    start = jax.jit(init)(jax.random.key(step))
    _, opt_state = OPTIMIZER.update(start.params, start.opt_state, start.params)
    return jax.device_get(start._replace(step=jnp.int32(step), opt_state=opt_state))


def saved(directory: pathlib.Path, *steps: int, keep: int = 9, every: int = 1, **record):
    with contextlib.closing(Checkpoints(directory, keep=keep, every=every)) as checkpoints:
        for step in steps:
            checkpoints.save(state(step), record)


def assert_equal(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for our, their in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_array_equal(our, their)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """The checkpoints of steps 1, 2 and 3, opened to be read."""
    directory = tmp_path_factory.mktemp("checkpoints")
    saved(directory, 1, 2, 3, seed=7, since_log=[{"loss": 0.1}])
    with contextlib.closing(Checkpoints(directory)) as checkpoints:
        yield checkpoints


def test_state_comes_back_bit_for_bit(three):
    restored, _ = three.restore(2, ABSTRACT)
    assert_equal(restored, state(2))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(restored))


def test_record_comes_back_with_the_state_and_alone(three):
    record = {"seed": 7, "since_log": [{"loss": 0.1}]}
    assert three.restore(1, ABSTRACT)[1] == record
    assert three.record(3) == record


def test_params_can_be_read_without_the_rest(three):
    assert_equal(three.restore_params(3, ABSTRACT.params), state(3).params)


def test_mean_of_params_is_that_of_numpy(three):
    mean = three.average_params([1, 2, 3], ABSTRACT.params)
    expected = jax.tree.map(
        lambda *leaves: np.mean([leaf.astype(np.float64) for leaf in leaves], 0).astype(
            leaves[0].dtype
        ),
        *(state(step).params for step in (1, 2, 3)),
    )
    assert_equal(mean, expected)


def test_mean_of_one_is_that_one(three):
    assert_equal(three.average_params([2], ABSTRACT.params), state(2).params)


def test_steps_are_ascending(three):
    assert three.steps() == [1, 2, 3]


def test_reading_creates_and_deletes_nothing(tmp_path):
    saved(tmp_path, 1, 2)
    before = sorted(tmp_path.rglob("*"))
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.restore(2, ABSTRACT)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_the_newest_stay(tmp_path):
    saved(tmp_path, 1, 2, 3, 4, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([4, 6], [4, 6]),  # stopped after step 6
        ([4, 6, 8], [4, 8]),  # ... and resumed
        ([4, 6, 8, 12], [8, 12]),
        ([4, 8, 11], [8, 11]),
    ],
)
def test_step_of_a_stop_leaves_no_trace_once_there_is_a_newer_one(tmp_path, steps, left):
    saved(tmp_path, *steps, keep=2, every=4)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == left


def test_saving_a_step_again_changes_nothing(tmp_path):
    saved(tmp_path, 1, said="first")
    saved(tmp_path, 1, said="again")
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.record(1) == {"said": "first"}


def test_what_a_dying_process_was_writing_is_no_step(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / "2.orbax-checkpoint-tmp-99").mkdir()
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        assert checkpoints.steps() == [1]


def test_params_can_be_read_by_orbax_alone(three, tmp_path):
    saved(tmp_path, 5)
    params = orbax_v1.load_checkpointables(tmp_path / "5")["params"]
    assert_equal(jax.device_get(params), state(5).params)
