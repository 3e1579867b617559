"""Layers computed again, or in a loop: the same model, another program."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import Tokens, Transformer, TransformerConfig
from model.transformer.dropout import Dropout
from model.transformer.stack import run_stack
from tests.transformer.jaxprs import equations, matrix_products

CONFIG = TransformerConfig(
    vocab_size=23, d_model=14, d_ff=19, num_heads=3, num_layers=2, dropout_rate=0.5, d_k=6, d_v=11
)
REMAT, SCAN, BOTH = dict(remat=True), dict(scan_layers=True), dict(remat=True, scan_layers=True)
VARIANTS = [
    dict(positions="rotary"),
    dict(norm_placement="pre", norm="rms", positions="relative", activation="swiglu"),
]
# What is compiled for one call of a tiny model need not be fast: it is there in half the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def rows(*values):
    return jnp.array([values], jnp.int32)


# Two sentences in one row, then padding.
SOURCE = Tokens(
    rows(5, 6, 7, 1, 9, 3, 1, 0), rows(1, 1, 1, 1, 2, 2, 2, 0), rows(0, 1, 2, 3, 0, 1, 2, 0)
)
TARGET = Tokens(rows(2, 11, 12, 2, 15, 0), rows(1, 1, 1, 2, 2, 0), rows(0, 1, 2, 0, 1, 0))


def initial(config):
    init = Transformer(config).init
    return init(jax.random.key(1), SOURCE, TARGET, deterministic=True)


@functools.cache
def variables(config):
    """Parameters and gates a little away from their start."""
    rng, start = np.random.default_rng(0), jit(initial, static_argnums=0)(config)
    return jax.tree.map(lambda x: x + jnp.asarray(rng.normal(0, 0.1, x.shape), x.dtype), start)


def logits(config, values, **options):
    options = {"deterministic": True, **options}
    return Transformer(config).apply(values, SOURCE, TARGET, **options)


def score(config, values, **options):
    outputs = logits(config, values, **options)
    return (outputs * jax.random.normal(jax.random.key(2), outputs.shape)).sum(), outputs


@functools.cache
def computed(config, **options):
    """Logits, and gradients for parameters and gates."""
    gradient = jax.value_and_grad(functools.partial(score, config, **options), has_aux=True)
    plain = dataclasses.replace(config, remat=False, scan_layers=False)
    (_, outputs), gradients = jit(gradient)(variables(plain))
    return outputs, gradients


def assert_close(ours, theirs):
    """Up to the order of additions, by the size of the largest number."""
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(theirs))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6 * largest)
    jax.tree.map(close, ours, theirs)


@pytest.mark.parametrize(
    ("how", "variant"), [(SCAN, VARIANTS[0]), (BOTH, VARIANTS[1])], ids=["scan", "both"]
)
def test_logits_and_gradients_are_those_of_the_loop(how, variant):
    config = dataclasses.replace(CONFIG, **variant)
    assert_close(computed(dataclasses.replace(config, **how)), computed(config))


def noisy_score(config, values):
    rngs = {"dropout": jax.random.key(3)}
    return score(config, values, deterministic=False, rngs=rngs)[0]


def test_computed_again_it_is_the_same_and_dropout_drops_the_same():
    rates = dict(attention_dropout_rate=0.2, activation_dropout_rate=0.2)
    config = dataclasses.replace(CONFIG, **VARIANTS[1], **rates)

    def computed_by(**how):
        gradient = jax.value_and_grad(
            functools.partial(noisy_score, dataclasses.replace(config, **how))
        )
        return jit(gradient)(variables(config))

    assert_close(computed_by(**REMAT), computed_by())


class Dropouts(nn.Module):
    """Layers that only drop; the outputs' decimal digits say which kept an element."""

    config: TransformerConfig

    def setup(self):
        self.layers = [Dropout(0.5, name=f"layer_{i}") for i in range(self.config.num_layers)]

    def __call__(self, zeros):
        def outputs_of(layer, digits):
            return 10 * digits + (layer(jnp.ones_like(digits), deterministic=False) > 0)

        return run_stack(self.layers, outputs_of, zeros, self.config)


@pytest.mark.parametrize("how", [SCAN, BOTH], ids=["scan", "both"])
def test_dropout_in_a_loop_differs_from_layer_to_layer(how):
    config, zeros = dataclasses.replace(CONFIG, num_layers=3, **how), jnp.zeros((5, 20, 10))
    digits = Dropouts(config).apply({}, zeros, rngs={"dropout": jax.random.key(0)})
    kept = np.stack([np.asarray(digits) // 10**i % 10 for i in range(3)])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        both = (kept[first] == 1) & (kept[second] == 1)
        assert abs(both.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / both.size)


def traced(config):
    shapes = jax.eval_shape(lambda: initial(config)["params"])
    gradient = jax.grad(lambda params: score(config, {"params": params})[0])
    return jax.make_jaxpr(gradient)(shapes)


def test_the_programs_of_two_layers_and_of_six_multiply_as_often_in_a_loop():
    def products(**change):
        return len(matrix_products(traced(dataclasses.replace(CONFIG, **change))))

    assert products(num_layers=6, **SCAN) == products(num_layers=2, **SCAN)
    assert products(num_layers=6) > 2.5 * products(num_layers=2)
    assert products(num_layers=6, **BOTH) == products(num_layers=2, **BOTH)


def test_in_a_loop_six_layers_are_a_fraction_of_the_program():
    def size(**change):
        return sum(1 for _ in equations(traced(dataclasses.replace(CONFIG, **change))))

    assert size(num_layers=6, **SCAN) < 0.5 * size(num_layers=6)


def kept_bytes(**change):
    """What is kept for the way back, parameters included."""
    config = dataclasses.replace(CONFIG, **change)
    shapes = jax.eval_shape(lambda: initial(config)["params"])
    back = jax.eval_shape(
        lambda params: jax.vjp(lambda p: logits(config, {"params": p}), params)[1], shapes
    )
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(back))


@pytest.mark.parametrize("how", [REMAT, BOTH], ids=["remat", "both"])
def test_of_a_further_layer_only_its_inputs_are_kept(how):
    def of_a_layer(**change):
        return kept_bytes(num_layers=3, **change) - kept_bytes(num_layers=2, **change)

    shapes = jax.eval_shape(lambda: initial(CONFIG)["params"])
    stacks = [shapes[stack]["layer_1"] for stack in ("encoder", "decoder")]
    parameters = sum(4 * leaf.size for leaf in jax.tree.leaves(stacks))
    inputs = 4 * CONFIG.d_model * (SOURCE.ids.size + TARGET.ids.size)
    assert of_a_layer(**how) <= parameters + inputs
    assert of_a_layer() > parameters + 5 * inputs


@pytest.mark.parametrize("how", [REMAT, SCAN, BOTH], ids=["remat", "scan", "both"])
def test_parameters_lie_and_start_as_ever(how):
    start = jit(initial, static_argnums=0)
    ours, theirs = start(dataclasses.replace(CONFIG, **how)), start(CONFIG)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_weights_are_sown_where_they_always_are():
    values = variables(CONFIG)
    for how in (SCAN, REMAT):
        ours, theirs = (
            jit(functools.partial(logits, config, mutable=["intermediates"]))(values)[1]
            for config in (dataclasses.replace(CONFIG, **how), CONFIG)
        )
        assert "layer_1" in ours["intermediates"]["decoder"]
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_heads_are_ablated_in_one_call_in_a_loop_too():
    values = variables(CONFIG)
    every = jax.tree.map(lambda gate: jnp.stack([gate, 0 * gate, 2 * gate]), values["gates"])
    ours, theirs = (
        jit(jax.vmap(lambda gates, c=config: logits(c, {**values, "gates": gates})))(every)
        for config in (dataclasses.replace(CONFIG, **SCAN), CONFIG)
    )
    assert_close(ours, theirs)


def test_gates_of_some_layers_only_are_heeded():
    values = variables(CONFIG)
    some = {"encoder": {"layer_1": values["gates"]["encoder"]["layer_1"]}}
    ours, theirs = (
        jit(functools.partial(logits, config))({"params": values["params"], "gates": some})
        for config in (dataclasses.replace(CONFIG, **SCAN), CONFIG)
    )
    assert_close(ours, theirs)
    without = jit(functools.partial(logits, CONFIG))({"params": values["params"]})
    assert np.abs(ours - without).max() > 1e-3
