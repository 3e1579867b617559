"""The whole model in bfloat16: 8 bits of every activation, 24 where they add up."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.decoding import beam_search, greedy_search
from model.transformer import Transformer, TransformerConfig, one_sentence_a_row
from tests.transformer.jaxprs import matrix_products

PRECISE = TransformerConfig(
    vocab_size=23,
    d_model=14,
    d_ff=19,
    num_heads=3,
    num_layers=2,
    dropout_rate=0.5,
    d_k=6,
    d_v=11,
    max_positions=4,
)
ROUNDED = dataclasses.replace(PRECISE, dtype="bfloat16")
SOURCE = one_sentence_a_row(jnp.array([[5, 6, 7, 8, 9, 1, 0], [9, 3, 1, 0, 0, 0, 0]]))
TARGET = one_sentence_a_row(jnp.array([[2, 11, 12, 13, 14], [2, 15, 16, 0, 0]]))
BOS, EOS, LENGTH = 2, 1, 5
# Every setting of every variant is in one of them.
VARIANTS = [
    dict(),
    dict(positions="learned", tied_embeddings="target", norm="rms", activation="gelu"),
    dict(positions="rotary", norm_placement="pre", norm="rms", activation="swiglu"),
    dict(positions="relative", norm_placement="pre", activation_dropout_rate=0.1),
    dict(
        positions="alibi",
        tied_embeddings="none",
        attention_dropout_rate=0.1,
        scan_layers=True,
        remat=True,
    ),
]
# What is compiled for one call of a tiny model need not be fast: it is there in half the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def named(change):
    return "-".join(map(str, change.values())) or "paper"


@functools.cache
def initial(config):
    model = Transformer(config)
    init = jit(lambda: model.init(jax.random.key(1), SOURCE, TARGET, deterministic=True))
    return init()


def logits(config, variables, source=SOURCE, target=TARGET, **options):
    options = {"deterministic": True, **options}
    return Transformer(config).apply(variables, source, target, **options)


def random_sum(config, params, **options):
    outputs = logits(config, {"params": params}, **options)
    return (outputs * jax.random.normal(jax.random.key(2), outputs.shape)).sum(), outputs


def forward_and_back(config, params):
    gradient = jax.value_and_grad(functools.partial(random_sum, config), has_aux=True)
    (_, outputs), gradients = jit(gradient)(params)
    return outputs, gradients


@pytest.mark.parametrize("change", VARIANTS, ids=named)
def test_logits_and_gradients_are_float32_and_near_those_of_float32(change):
    # Not the paper's max(0, .): where rounding turns a feature off, it takes its gradient along.
    change = {"activation": "gelu", **change}
    ours, theirs = (dataclasses.replace(config, **change) for config in (ROUNDED, PRECISE))
    params = initial(ours)["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float32")}
    outputs, gradients = forward_and_back(ours, params)
    precise_outputs, precise_gradients = forward_and_back(theirs, params)
    assert outputs.dtype == jnp.float32
    # A few dozen roundings in a row, each by at most 2**-8.
    np.testing.assert_allclose(outputs, precise_outputs, atol=0.03 * np.abs(precise_outputs).max())

    def near(rounded, precise):
        assert rounded.dtype == jnp.float32
        assert np.linalg.norm(rounded - precise) < 0.05 * np.linalg.norm(precise)

    jax.tree.map(near, gradients, precise_gradients)


@pytest.mark.parametrize("change", VARIANTS, ids=named)
def test_every_product_of_a_step_has_bfloat16_operands(change):
    config = dataclasses.replace(ROUNDED, **change)
    score = functools.partial(
        random_sum, config, deterministic=False, rngs={"dropout": jax.random.key(0)}
    )
    gradient = jax.grad(lambda params: score(params)[0])
    products = matrix_products(jax.make_jaxpr(gradient)(initial(config)["params"]))
    assert len(products) > 50 or config.scan_layers
    assert {operand for *operands, _ in products for operand in operands} == {"bfloat16"}


def test_no_position_sees_the_future():
    forward, variables = jit(functools.partial(logits, ROUNDED)), initial(ROUNDED)
    before = forward(variables, SOURCE, TARGET)
    after = forward(variables, SOURCE, TARGET._replace(ids=TARGET.ids.at[0, 3].set(20)))
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert (before[0, 3:] != after[0, 3:]).any(axis=-1).all()


def test_what_stands_in_padding_never_matters():
    forward, variables = jit(functools.partial(logits, ROUNDED)), initial(ROUNDED)
    before = forward(variables, SOURCE, TARGET)
    filled = (x._replace(ids=jnp.where(x.segments == 0, 17, x.ids)) for x in (SOURCE, TARGET))
    after = forward(variables, *filled)
    real = np.asarray(TARGET.segments) > 0
    np.testing.assert_array_equal(before[real], after[real])


def test_weights_sum_to_1_within_bfloat16():
    forward = functools.partial(logits, ROUNDED, mutable=["intermediates"])
    _, sown = jit(forward)(initial(ROUNDED))
    for weights in jax.tree.leaves(sown):
        assert weights.dtype == jnp.bfloat16
        np.testing.assert_allclose(weights.astype("f4").sum(-1), 1, atol=2**-8)


def test_gates_have_float32_gradients():
    variables = initial(ROUNDED)
    gradient = jax.grad(lambda gates: logits(ROUNDED, {**variables, "gates": gates})[0, 0, 5])
    gradients = jax.tree.leaves(jit(gradient)(variables["gates"]))
    assert all(leaf.dtype == jnp.float32 and np.abs(leaf).max() > 0 for leaf in gradients)


@pytest.mark.parametrize("change", VARIANTS[1:], ids=named)
def test_cached_decoding_is_that_of_all_positions_at_once(change):
    config = dataclasses.replace(ROUNDED, **change)
    model, variables = Transformer(config), initial(config)
    cache = model.apply(variables, SOURCE, beam_size=1, max_length=LENGTH, method="init_cache")
    kept = {leaf.dtype for leaf in jax.tree.leaves(cache.layers)}
    assert kept == {np.dtype("bfloat16")}
    step = jit(functools.partial(model.apply, variables, method="decode_step"))
    cached = []
    for t in range(LENGTH):
        out, cache = step(TARGET.ids[:, t, None], jnp.zeros((2, 1), jnp.int32), cache)
        cached.append(out)
    cached, real = np.concatenate(cached, axis=1), np.asarray(TARGET.segments) > 0
    full = np.asarray(jit(functools.partial(logits, config))(variables))
    assert cached.dtype == np.float32
    atol = 0.02 * np.abs(full).max()
    np.testing.assert_allclose(cached[real], full[real], atol=atol)
    best, second = np.sort(full[real])[:, :-3:-1].T
    clear = best - second > 2 * atol
    assert clear.sum() >= 2
    np.testing.assert_array_equal(cached[real].argmax(-1)[clear], full[real].argmax(-1)[clear])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_hypothesis_scores_what_the_model_says_at_once(beam_size):
    model, variables = Transformer(ROUNDED), initial(ROUNDED)
    options = dict(max_length=LENGTH, bos_id=BOS, eos_id=EOS)

    @jit
    def found():
        cache = model.apply(
            variables, SOURCE, beam_size=beam_size, max_length=LENGTH, method="init_cache"
        )
        step = functools.partial(model.apply, variables, method="decode_step")
        limits = jnp.array([LENGTH, LENGTH])
        if beam_size == 1:
            return greedy_search(step, cache, limits, **options)
        return beam_search(step, cache, limits, beam_size=beam_size, length_penalty=0.6, **options)

    best = jax.tree.map(lambda x: np.asarray(x)[:, 0], found())
    fed = np.pad(best.tokens, [(0, 0), (1, 0)], constant_values=BOS)[:, :-1]
    target = one_sentence_a_row(jnp.asarray(fed))
    full = jit(functools.partial(logits, ROUNDED))(variables, SOURCE, target)
    log_probs = jax.nn.log_softmax(full)
    of_tokens = np.take_along_axis(np.asarray(log_probs), best.tokens[..., None], -1)[..., 0]
    total = (of_tokens * (best.tokens > 0)).sum(-1)
    np.testing.assert_allclose(best.log_probs, total, atol=0.2)
