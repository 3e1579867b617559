import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.data import evaluation_batches
from experiment.training import Placement, TrainState
from tests.made_up import token_ids

DEVICES = [1, 4]


def placement(devices):
    return Placement(jax.devices()[:devices])


def state():
    return TrainState(np.int32(3), {"kernel": np.arange(6.0, dtype=np.float32)}, ())


def count(state, batch, rng, *, axis_name=None):
    """A step that adds up a batch into the parameters."""
    total = batch.source.sum()
    total = total if axis_name is None else jax.lax.psum(total, axis_name)
    params = {"kernel": state.params["kernel"] + total}
    return TrainState(state.step + 1, params, ()), {"total": total}


def batch(rows):
    (batch,) = evaluation_batches(
        token_ids(pairs=rows), bucket_lengths=(8,), sentences_per_batch=rows
    )
    return batch


@pytest.mark.parametrize("devices", DEVICES)
def test_state_comes_back_as_it_was_placed(devices):
    place = placement(devices)
    fetched = place.fetch(place.place_state(state()))
    assert all(leaf.flags.owndata for leaf in jax.tree.leaves(fetched))
    jax.tree.map(np.testing.assert_array_equal, fetched, state())


@pytest.mark.parametrize("devices", DEVICES)
def test_fetched_copy_survives_the_step_that_takes_the_state(devices):
    place = placement(devices)
    step, rng = place.compile_train_step(count), jax.random.key(0)
    host = state()
    placed = place.place_state(host)
    fetched = place.fetch(placed)
    for _ in range(3):
        placed, _ = step(placed, place.place_batch(batch(4)), rng)
    jax.block_until_ready(placed)
    jax.tree.map(np.testing.assert_array_equal, fetched, state())
    jax.tree.map(np.testing.assert_array_equal, host, state())
    assert place.fetch(placed).step == 6


@pytest.mark.parametrize("devices", DEVICES)
def test_step_takes_the_place_of_the_state_before(devices):
    place = placement(devices)
    before = place.place_state(state())
    place.compile_train_step(count)(before, place.place_batch(batch(4)), jax.random.key(0))
    assert before.params["kernel"].is_deleted()


@pytest.mark.parametrize("devices", DEVICES)
@pytest.mark.parametrize("rows", [1, 4, 6])
def test_every_row_is_seen_once(devices, rows):
    place = placement(devices)
    step = place.compile_train_step(count)
    _, metrics = step(place.place_state(state()), place.place_batch(batch(rows)), jax.random.key(0))
    assert place.fetch(metrics)["total"] == batch(rows).source.sum()


def test_missing_rows_are_padding():
    place, whole = placement(4), batch(6)
    split = place.place_batch(whole)
    for name, field, rows in zip(whole._fields, split, whole, strict=True):
        assert field.shape == (4, 2, 8), name
        np.testing.assert_array_equal(field.reshape(8, 8)[:6], rows)
        assert not np.any(field.reshape(8, 8)[6:]), name


def test_fewer_rows_than_devices_are_refused():
    placement(4).check_rows(4)
    with pytest.raises(ValueError) as refused:
        placement(4).check_rows(3)
    assert str(refused.value) == (
        "train.tokens_per_batch gives batches of 3 rows, fewer than the 4 devices. "
        "Raise it, or shorten the longest rows of data."
    )


def test_devices_are_described_in_words():
    assert placement(4).description == "4 x cpu"


def test_half_precision_keeps_its_type():
    place = placement(4)
    half = {"kernel": jnp.ones(3, jnp.bfloat16)}
    assert place.fetch(place.place_state(half))["kernel"].dtype == jnp.bfloat16
