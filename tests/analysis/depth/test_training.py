"""Training of several as one: the same as of each alone, and how it ended by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from experiment.analysis.depth import (
    VARIANTS,
    Member,
    chance,
    outcomes,
    removed,
    training_curves,
    warm_up,
)
from experiment.analysis.long_range import Recall, answer_loss, recall_batch
from experiment.training import init_params
from model.systems import system_of
from tests.analysis.depth.small import LANGUAGE_MODEL

TASK = Recall(length=4, num_keys=2, num_fillers=2, side="target")
CONFIG = dataclasses.replace(LANGUAGE_MODEL, vocab_size=TASK.vocab_size)
STEPS, ROWS, RATE = 4, 3, 0.01
MEMBERS = [Member("post-norm", 2, 1), Member("neither", 0, 0), Member("no residual", 0, 1)]


@pytest.fixture(scope="module")
def curves():
    sizes = {"steps": STEPS, "rows": ROWS, "rate": RATE}
    return training_curves(CONFIG, TASK, MEMBERS, **sizes)


def test_a_row_for_each_step_of_each_member(curves):
    assert list(curves.columns) == [
        *("variant", "warmup_steps", "seed", "step", "loss", "gradient_norm", "skipped")
    ]
    assert len(curves) == len(MEMBERS) * STEPS
    assert not curves.duplicated(["variant", "warmup_steps", "seed", "step"]).any()


@pytest.mark.parametrize("member", MEMBERS[:2])
def test_a_member_is_trained_as_it_is_alone(curves, member):
    name, warmup, seed = member
    model = system_of(CONFIG)
    params = init_params(model, jax.random.key(seed))
    rates = [RATE / 2, RATE, RATE, RATE] if warmup else [RATE] * STEPS
    adam = optax.inject_hyperparams(optax.adam)(0.0, b1=0.9, b2=0.98, eps=1e-9)
    state, random = adam.init(params), np.random.default_rng(0)
    all_distances = random.integers(0, TASK.max_distance + 1, (STEPS, ROWS))

    @jax.jit
    def loss_of(params, batch):
        with removed(VARIANTS[name]):
            loss, _ = answer_loss(params, batch, None, model=model, task=TASK)
        return loss / ROWS

    losses = []
    for rate, distances in zip(rates, all_distances, strict=True):
        batch = jax.tree.map(jnp.asarray, recall_batch(TASK, distances, random))
        loss, gradients = jax.value_and_grad(loss_of)(params, batch)
        losses.append(float(loss))
        state.hyperparams["learning_rate"] = jnp.float32(rate)
        updates, state = adam.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    its = curves[curves.variant == name]
    np.testing.assert_allclose(its.loss, losses, rtol=1e-3)


def test_what_is_not_finite_is_counted():
    members = [Member("no norm", 0)]
    found = training_curves(CONFIG, TASK, members, steps=4, rows=2, rate=1e30)
    assert found.skipped.tolist() == [0, 1, 1, 1]
    ended = outcomes(found, ["warmup_steps"], chance=chance(TASK)).iloc[0]
    assert (ended.skipped, ended.outcome) == (3, "diverged")


def test_norms_in_several_places_are_refused():
    members = [Member("post-norm", 0), Member("pre-norm", 0)]
    with pytest.raises(ValueError, match="norms placed post, pre; they must have one placement"):
        training_curves(CONFIG, TASK, members, steps=1)


def made_up(losses, skipped=0):
    """Curves of 20 steps by variant: a loss, and at the end two others."""
    rows = [
        {"variant": name, "seed": 0, "loss": loss, "skipped": skipped}
        for name, last in losses.items()
        for loss in [9.0] * 18 + last
    ]
    return pd.DataFrame(rows)


def test_outcomes_by_hand():
    losses = {"a": [0.3, 0.5], "b": [0.5, 0.9], "c": [1.5, 0.9], "d": [1.0, 2.2]}
    found = outcomes(made_up(losses), ["variant"], chance=1.0)
    np.testing.assert_allclose(found.final_loss, [0.4, 0.7, 1.2, 1.6])
    assert list(found.outcome) == ["learned", "learning", "stuck", "diverged"]
    halved = outcomes(made_up(losses), ["variant"], chance=0.5)
    assert list(halved.outcome) == ["learning", "stuck", "diverged", "diverged"]


def test_an_end_that_is_not_finite_has_diverged():
    curves = made_up({"a": [0.1, np.nan], "b": [0.1, np.inf]})
    found = outcomes(curves, ["variant"], chance=1.0)
    assert list(found.final_loss) == [np.inf, np.inf]
    assert list(found.outcome) == ["diverged"] * 2
    assert list(outcomes(made_up({"a": [0.1, 0.1]}, 1), [], chance=1.0).outcome) == ["diverged"]


def test_warm_up_ends_at_the_rate():
    np.testing.assert_allclose(warm_up(4, 2, 0.5), [0.25, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(warm_up(3, 0, 0.5), 0.5)
