"""One step, however it is placed: the same numbers."""

import functools

import jax
import numpy as np
import pytest

from experiment.config import MeshConfig
from experiment.data import training_batches
from experiment.training import adam, init_state, loss_of, place, train_step
from model.systems import system_of
from tests.made_up import V, config, data_for, training_data

STEPS = 20
CONFIG = config(
    model={"dropout_rate": 0.0},
    train={"tokens_per_batch": 208, "num_steps": STEPS, "warmup_steps": 400},
)
DATA = training_data(CONFIG)
PLACEMENTS = {
    "pmap": (8, MeshConfig()),
    "mesh 8x1x1": (8, MeshConfig(data=-1)),
    "mesh 4x2x1": (8, MeshConfig(data=-1, fsdp=2)),
    "mesh 2x2x2": (8, MeshConfig(data=2, fsdp=2, tensor=2)),
    "one device in parts": (1, MeshConfig(tokens_per_device=48)),
    "pmap in parts": (2, MeshConfig(tokens_per_device=32)),
    "mesh in parts": (4, MeshConfig(data=-1, fsdp=2, tensor=2, tokens_per_device=32)),
}


@functools.cache
def trained(devices, mesh, system="transformer", steps=STEPS):
    """The losses of every step, and the state at the end."""
    model_config = CONFIG.model.__dict__ | {"system": system}
    sections = {"model": model_config, "data": data_for(system)}
    run = config(**sections, train=CONFIG.train.__dict__, mesh=mesh)
    placement = place(run, jax.devices()[:devices])
    model, optimizer = system_of(run.model.system_config(V)), adam(run)
    step_fn = functools.partial(train_step, loss_fn=loss_of(model, 0.1), optimizer=optimizer)
    step = placement.compile_train_step(step_fn)
    state = placement.place_state(
        jax.tree.map(np.asarray, init_state(model, optimizer, jax.random.key(0)))
    )
    rng, losses = placement.place_rng(jax.random.key(1)), []
    for batch in training_batches(
        DATA.train,
        DATA.plan,
        start_step=0,
        num_steps=steps,
        shards=placement.shards,
        of=placement.num_shards,
    ):
        state, metrics = step(state, placement.place_batch(batch), rng)
        losses.append(placement.fetch(metrics))
    return losses, placement.fetch(state)


@pytest.mark.parametrize("name", PLACEMENTS)
def test_twenty_steps_are_those_of_one_device(name):
    """In float32, where only the order of additions differs; parameters moved by some 1e-3."""
    check_same(trained(*PLACEMENTS[name]), trained(1, MeshConfig()), STEPS)


@pytest.mark.parametrize("name", ["mesh 2x2x2"])
@pytest.mark.parametrize("system", ["encoder_only", "recurrent", "convolutional"])
def test_steps_of_the_other_systems_are_those_of_one_device_too(system, name):
    steps = 5
    alone = trained(1, MeshConfig(), system, steps)
    check_same(trained(*PLACEMENTS[name], system, steps), alone, steps)


def check_same(found, wanted, steps):
    (losses, state), (expected, alone) = found, wanted
    for now, before in zip(losses, expected, strict=True):
        assert now["target_tokens"] == before["target_tokens"]
        for metric in ("loss", "nll", "gradient_norm"):
            np.testing.assert_allclose(now[metric], before[metric], rtol=2e-6)
    assert int(state.step) == steps
    jax.tree.map(
        lambda found, wanted: np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6),
        state.params,
        alone.params,
    )
