import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiment.data import TokenIds, bucketed_plan, evaluation_batches, training_batches
from experiment.training import (
    Pmapped,
    Sums,
    TrainState,
    adam,
    batch_loss,
    init_state,
    loss_of,
    train_step,
)
from model.transformer import Transformer
from tests.made_up import V, bigram, config, token_ids

CONFIG = config(model={"dropout_rate": 0.0})
MODEL = Transformer(CONFIG.model.system_config(V))
OPTIMIZER = adam(CONFIG)
LOSS_FN = loss_of(MODEL, CONFIG.train.label_smoothing)
STEP = functools.partial(train_step, loss_fn=LOSS_FN, optimizer=OPTIMIZER)


@pytest.fixture(scope="module")
def start():
    """A state before the first update, on the host."""
    init = jax.jit(functools.partial(init_state, MODEL, OPTIMIZER))
    return jax.device_get(init(jax.random.key(0)))


@pytest.fixture(scope="module")
def batches():
    """Four batches whose padding falls very unevenly on their rows, and so on devices."""
    ids = token_ids(pairs=23)
    plan = bucketed_plan(ids.lengths, bucket_lengths=(8,), tokens_per_batch=48, seed=0)
    batches = list(training_batches(ids, plan, start_step=0, num_steps=4))
    tokens = [(batch.target_segments > 0).sum(1) for batch in batches]
    assert np.max(tokens) > 2 * np.min(tokens)
    return batches


def trained(start, batches, devices):
    place = Pmapped(jax.devices()[:devices])
    step, state = place.compile_train_step(STEP), place.place_state(start)
    seen = []
    for batch in batches:
        state, metrics = step(state, place.place_batch(batch), jax.random.key(1))
        seen.append(place.fetch(metrics))
    return place.fetch(state), seen


def assert_close(ours, theirs, **tolerance):
    jax.tree.map(functools.partial(np.testing.assert_allclose, **tolerance), ours, theirs)


def test_one_device_and_four_give_the_same_numbers(start, batches):
    (one, measured), (four, measured_by_four) = (trained(start, batches, n) for n in (1, 4))
    # Sums over devices are added in another order: float32 keeps about seven digits of them.
    assert_close(measured_by_four, measured, rtol=1e-5)
    assert_close(four.params, one.params, rtol=1e-4, atol=1e-6)
    assert four.step == one.step == 4


def test_gradient_is_the_mean_over_all_tokens(batches):
    batch, params = batches[0], {"table": jax.random.normal(jax.random.key(2), (V, V))}
    loss_fn = functools.partial(batch_loss, apply_fn=bigram, label_smoothing=0.1)

    def mean_loss(params):
        sums = loss_fn(params, batch, None)[1]
        return sums.loss / sums.tokens

    descent = optax.sgd(1.0)
    before = TrainState(jnp.int32(0), params, descent.init(params))
    step = jax.jit(functools.partial(train_step, loss_fn=loss_fn, optimizer=descent))
    after, metrics = step(before, batch, jax.random.key(0))
    loss, gradient = jax.jit(jax.value_and_grad(mean_loss))(params)
    moved = jax.tree.map(np.subtract, params, after.params)
    assert_close(moved, gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], optax.tree.norm(gradient), rtol=1e-5)
    assert metrics["target_tokens"] == (batch.target_segments > 0).sum()


def test_step_is_compiled_once_for_each_shape(start):
    traces = []

    def counted(state, batch, rng):
        traces.append(batch.source.shape)
        return state._replace(step=state.step + 1), {}

    place = Pmapped(jax.devices()[:1])
    step, state = place.compile_train_step(counted), place.place_state(start)
    ids = token_ids(pairs=40)
    plan = bucketed_plan(ids.lengths, bucket_lengths=(4, 8), tokens_per_batch=32, seed=0)
    for batch in training_batches(ids, plan, start_step=0, num_steps=12):
        state, _ = step(state, place.place_batch(batch), jax.random.key(0))
    assert sorted(traces) == [(4, 8), (8, 4)]


def dropout_seen(step, devices):
    """What each device draws at a step: its loss is a random number and so is its gradient."""

    def loss_fn(params, batch, rng):
        drawn = jax.random.uniform(rng) + 0 * params["drawn"]
        one = jnp.float32(1)
        return drawn, Sums(drawn, drawn, one)

    place = Pmapped(jax.devices()[:devices])
    keep = optax.stateless(lambda gradients, params: gradients)
    params = {"drawn": np.float32(0)}
    drawing = functools.partial(train_step, loss_fn=loss_fn, optimizer=keep)
    state = TrainState(np.int32(step), params, keep.init(params))
    (batch,) = evaluation_batches(
        TokenIds.from_lists([[2]] * 4, [[2]] * 4), bucket_lengths=(1,), sentences_per_batch=4
    )
    _, metrics = place.compile_train_step(drawing)(
        place.place_state(state), place.place_batch(batch), jax.random.key(0)
    )
    return float(place.fetch(metrics)["loss"])


def draw(*folds):
    return float(jax.random.uniform(functools.reduce(jax.random.fold_in, folds, jax.random.key(0))))


def test_dropout_is_a_function_of_seed_and_step():
    assert dropout_seen(5, devices=1) == draw(5)
    assert dropout_seen(6, devices=1) == draw(6) != draw(5)


def test_every_device_drops_out_by_itself():
    expected = [draw(5, device) for device in range(4)]
    assert len(set(expected)) == 4
    np.testing.assert_allclose(dropout_seen(5, devices=4), np.mean(expected), rtol=1e-6)
