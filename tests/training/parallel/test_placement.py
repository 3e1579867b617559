import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.config import MeshConfig
from experiment.data import evaluation_batches
from experiment.training import Meshed, Pmapped, Sums, TrainState, place
from experiment.training.gradients import local_gradients
from tests.made_up import config, token_ids

DEVICES = jax.devices()[:4]
PLACEMENTS = {
    "one device": lambda at_once: Pmapped(DEVICES[:1], at_once),
    "pmap": lambda at_once: Pmapped(DEVICES, at_once),
    "mesh": lambda at_once: Meshed(DEVICES, MeshConfig(data=2, fsdp=2, tokens_per_device=at_once)),
}
SOME = pytest.mark.parametrize("kind", PLACEMENTS)
AT_ONCE = pytest.mark.parametrize("at_once", [0, 8])  # all rows, or one


def placed(kind, at_once=0):
    return PLACEMENTS[kind](at_once)


def state():
    kernel = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    return TrainState(np.int32(3), {"feed_forward": {"out": {"kernel": kernel}}}, ())


def kernel(state):
    return state.params["feed_forward"]["out"]["kernel"]


def count(state, batch, rng, *, gradients_fn=local_gradients):
    """A step that adds up a batch into the parameters: the gradients of their sum times it."""

    def loss_fn(params, batch, rng):
        total = batch.source.sum().astype(jnp.float32)
        loss = total * sum(leaf.sum() for leaf in jax.tree.leaves(params))
        return loss, Sums(loss, loss, total)

    gradients, sums = gradients_fn(state.params, batch, rng, loss_fn=loss_fn)
    params = jax.tree.map(jnp.add, state.params, gradients)
    return TrainState(state.step + 1, params, ()), {"total": sums.tokens}


def batch(rows):
    (batch,) = evaluation_batches(
        token_ids(pairs=rows), bucket_lengths=(8,), sentences_per_batch=rows
    )
    return batch


def step(place, state, rows):
    rng = place.place_rng(jax.random.key(0))
    return place.compile_train_step(count)(state, place.place_batch(batch(rows)), rng)


@SOME
def test_state_comes_back_as_it_was_placed(kind):
    place = placed(kind)
    fetched = place.fetch(place.place_state(state()))
    assert all(leaf.flags.owndata for leaf in jax.tree.leaves(fetched))
    jax.tree.map(np.testing.assert_array_equal, fetched, state())


@SOME
def test_fetched_copy_survives_the_step_that_takes_the_state(kind):
    place, host = placed(kind), state()
    on_devices = place.place_state(host)
    fetched = place.fetch(on_devices)
    for _ in range(3):
        on_devices, _ = step(place, on_devices, 4)
    jax.block_until_ready(on_devices)
    jax.tree.map(np.testing.assert_array_equal, fetched, state())
    jax.tree.map(np.testing.assert_array_equal, host, state())
    assert place.fetch(on_devices).step == 6


@SOME
def test_step_takes_the_place_of_the_state_before(kind):
    place = placed(kind)
    before = place.place_state(state())
    step(place, before, 4)
    assert kernel(before).is_deleted()


@SOME
@AT_ONCE
@pytest.mark.parametrize("rows", [1, 4, 6, 11])
def test_every_row_is_seen_once(kind, at_once, rows):
    place = placed(kind, at_once)
    after, metrics = step(place, place.place_state(state()), rows)
    total = batch(rows).source.sum()
    assert place.fetch(metrics)["total"] == total
    np.testing.assert_array_equal(kernel(place.fetch(after)), kernel(state()) + total)


@pytest.mark.parametrize(
    ("kind", "at_once", "shape"),
    [
        ("one device", 0, (11, 8)),
        ("one device", 40, (3, 4, 8)),  # parts, rows of each, length
        ("pmap", 0, (4, 3, 8)),  # devices first
        ("pmap", 16, (4, 2, 2, 8)),
        ("mesh", 0, (12, 8)),
        ("mesh", 16, (2, 8, 8)),  # 2 rows of each of 4 shards a part
    ],
)
def test_rows_are_cut_into_parts_that_a_device_can_take_at_once(kind, at_once, shape):
    assert placed(kind, at_once).place_batch(batch(11)).source.shape == shape


def test_missing_rows_are_padding():
    whole = batch(6)
    split = placed("pmap").place_batch(whole)
    for name, field, rows in zip(whole._fields, split, whole, strict=True):
        assert field.shape == (4, 2, 8), name
        np.testing.assert_array_equal(field.reshape(8, 8)[:6], rows)
        assert not np.any(field.reshape(8, 8)[6:]), name


def test_devices_along_tensor_see_the_same_rows():
    place, whole = Meshed(DEVICES, MeshConfig(data=2, tensor=2)), batch(6)
    assert (place.num_shards, place.shards) == (2, (0, 1))
    of_device = {
        shard.device: np.asarray(shard.data)
        for shard in place.place_batch(whole).source.addressable_shards
    }
    for number, sharing in enumerate(place.mesh.devices.reshape(2, 2)):
        for device in sharing:
            np.testing.assert_array_equal(
                of_device[device], whole.source[3 * number : 3 * number + 3]
            )


@pytest.mark.parametrize("mesh", [MeshConfig(), MeshConfig(data=-1, fsdp=2)])
def test_fewer_rows_than_shards_are_refused(mesh):
    place(config(train={"tokens_per_batch": 64}, mesh=mesh), DEVICES)
    with pytest.raises(ValueError) as refused:
        place(config(train={"tokens_per_batch": 48}, mesh=mesh), DEVICES)
    assert str(refused.value) == (
        "train.tokens_per_batch gives batches of 3 rows, fewer than the 4 devices that share them. "
        "Raise it, or shorten the longest rows of data."
    )


def test_devices_are_described_in_words():
    assert placed("pmap").description == "4 x cpu"
    assert placed("mesh").description == "4 x cpu (data 2, fsdp 2, tensor 1)"


@SOME
def test_half_precision_keeps_its_type(kind):
    place = placed(kind)
    half = {"kernel": jnp.ones(3, jnp.bfloat16)}
    assert place.fetch(place.place_state(half))["kernel"].dtype == jnp.bfloat16
