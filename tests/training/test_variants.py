"""Every variant of the model learns: a few hundred steps on the number words."""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import pytest

from experiment.config_files import load_config
from experiment.data import prepare_training_data, training_batches
from experiment.training import adam, init_state, loss_of, train_step
from model.transformer import Transformer
from model.transformer.config import CHOICES

NUMBERS = pathlib.Path(__file__).parents[2] / "configs" / "numbers.py"
STEPS = 200
SMALL = {
    "model.d_model": 32,
    "model.d_ff": 64,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "train.num_steps": STEPS,
    "train.tokens_per_batch": 384,
    "train.warmup_steps": 100,
}
VARIANTS = [
    *({name: value} for name, values in CHOICES.items() for value in values[1:]),
    {"attention_dropout_rate": 0.1},
    {"activation_dropout_rate": 0.1},
    {"attention_window": 3},
    {"d_k": 8, "d_v": 24},
]


@pytest.fixture(scope="module")
def config():
    return load_config(str(NUMBERS), [f"--config.{key}={value}" for key, value in SMALL.items()])


@pytest.fixture(scope="module")
def data(config, tmp_path_factory):
    return prepare_training_data(config, tmp_path_factory.mktemp("cache"), lambda line: None)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_variant_learns_the_number_words(config, data, variant):
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **variant))
    model = Transformer(config.model.system_config(data.vocabulary.size))
    optimizer = adam(config)
    step = jax.jit(
        functools.partial(train_step, loss_fn=loss_of(model, 0.1), optimizer=optimizer),
        donate_argnums=0,
    )
    state = init_state(model, optimizer, jax.random.key(0))
    rng, nll = jax.random.key(1), []
    for batch in training_batches(data.train, data.plan, start_step=0, num_steps=STEPS):
        state, metrics = step(state, batch, rng)
        nll.append(metrics["nll"])
    assert state.step == STEPS
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    first, last = float(jnp.mean(jnp.array(nll[:5]))), float(jnp.mean(jnp.array(nll[-20:])))
    assert first > 5.5  # nats: a guess among some 400 pieces
    assert last < 0.6 * first
