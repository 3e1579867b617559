import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.baselines import ConvolutionalConfig, RecurrentConfig
from model.systems import SYSTEMS, system_of, training_flops
from model.transformer import one_sentence_a_row

BATCH, SOURCE, TARGET = 3, 24, 17
RECURRENT = RecurrentConfig(vocab_size=997, d_model=128, num_layers=2, dropout_rate=0.0)
CONVOLUTIONAL = ConvolutionalConfig(vocab_size=997, d_model=128, num_layers=2, dropout_rate=0.0)


def flops_of_products(jaxpr):
    """Of every dot_general of a program, as often as its loops come to it."""
    total = 0
    for equation in jaxpr.eqns:
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            total += times * flops_of_products(inner) if hasattr(inner, "eqns") else 0
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            depth = np.prod([equation.invars[0].aval.shape[axis] for axis in contracted])
            total += 2 * equation.outvars[0].aval.size * int(depth)
    return total


def program_of(config, source, target):
    """The forward pass as a function of parameters, and their shapes."""
    model = system_of(config)
    pair = [one_sentence_a_row(jnp.ones((BATCH, length), jnp.int32)) for length in (source, target)]

    def logits(params):
        return model.apply(params, *pair, deterministic=True)

    return logits, jax.eval_shape(lambda: model.init(jax.random.key(0), *pair, deterministic=True))


def forward_flops(config, source, target):
    system = next(s for s in SYSTEMS.values() if s.config is type(config))
    return system.forward_flops(config, np.full(BATCH, source), np.full(BATCH, target)).sum()


def beside_products(config, source, target):
    """What the arithmetic counts and no dot_general does, less what is computed in vain."""
    width, layers = config.d_model, config.num_layers
    summed = 2 * width * source * target if config.attention == "additive" else 0
    in_vain = 2 * (target - 1) * (width // 2) * layers * width
    return BATCH * (summed - in_vain)


@pytest.mark.parametrize("attention", ["multiplicative", "additive"])
@pytest.mark.parametrize("input_feeding", [True, False])
def test_every_product_of_every_time_step_is_counted(attention, input_feeding):
    config = dataclasses.replace(RECURRENT, attention=attention, input_feeding=input_feeding)
    logits, params = program_of(config, SOURCE, TARGET)
    counted = flops_of_products(jax.make_jaxpr(logits)(params).jaxpr)
    counted += beside_products(config, SOURCE, TARGET)
    assert forward_flops(config, SOURCE, TARGET) == counted


@pytest.mark.parametrize("changes", [{}, {"kernel_width": 5, "num_layers": 3}])
def test_every_product_of_the_convolutional_system_is_counted(changes):
    config = dataclasses.replace(CONVOLUTIONAL, **changes)
    logits, params = program_of(config, SOURCE, TARGET)
    counted = flops_of_products(jax.make_jaxpr(logits)(params).jaxpr)
    assert forward_flops(config, SOURCE, TARGET) == counted


def test_one_time_step_is_what_xla_counts_up_to_elementwise_work():
    # XLA counts the body of a loop once: so of one token a side it counts everything.
    logits, params = program_of(RECURRENT, 1, 1)
    counted = jax.jit(logits).lower(params).compile().cost_analysis()["flops"]
    assert 1 <= counted / forward_flops(RECURRENT, 1, 1) < 1.1


@pytest.mark.parametrize("config", [RECURRENT, CONVOLUTIONAL])
def test_sentences_are_counted_one_by_one(config):
    sources, targets = np.array([5, 0, 40]), np.array([7, 0, 31])
    together = training_flops(config, sources, targets)
    alone = [training_flops(config, sources[[i]], targets[[i]])[0] for i in range(3)]
    assert together.tolist() == alone
    assert together[1] == 0  # padding costs nothing
