"""Variants of the model: each against numpy, then what each must leave as it was."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import Transformer, TransformerConfig, one_sentence_a_row
from model.transformer.dropout import Dropout
from tests.transformer import numpy_transformer

PAPER = TransformerConfig(
    vocab_size=23, d_model=14, d_ff=19, num_heads=3, num_layers=2, dropout_rate=0.0, d_k=5, d_v=11
)
SOURCE = jnp.array([[5, 6, 7, 8, 9, 1], [9, 3, 4, 3, 7, 1]])
TARGET = jnp.array([[2, 11, 12, 13, 14], [2, 15, 16, 17, 5]])
# Every two settings meet in a row, though not each of the 36 combinations is one.
VARIANTS = [
    dict(norm_placement=placement, norm=norm, activation=activation, tied_embeddings=tied)
    for placement, norm, activation, tied in (
        ("post", "layer", "relu", "all"),
        ("pre", "rms", "relu", "target"),
        ("pre", "layer", "relu", "none"),
        ("pre", "layer", "gelu", "all"),
        ("post", "layer", "gelu", "target"),
        ("post", "rms", "gelu", "none"),
        ("post", "rms", "swiglu", "all"),
        ("pre", "layer", "swiglu", "target"),
        ("pre", "rms", "swiglu", "none"),
    )
]
# Sentences longer than the table of learned positions, and long enough for relative ones to share
# buckets, which begins at a distance of 8 in the encoder and of 16 in the decoder.
LONG_SOURCE, LONG_TARGET = (
    jax.random.randint(jax.random.key(length), (2, length), 3, 23) for length in (37, 29)
)
POSITIONS = [
    dict(positions="learned", max_positions=17),
    dict(positions="none"),
    dict(positions="rotary", d_k=6),
    dict(positions="alibi"),
    dict(positions="relative"),
]


def named(change):
    return "-".join(map(str, change.values()))


@functools.cache
def random_params(config):
    """Parameters away from their start: there a scale of 1 or a bias of 0 could be missing."""
    model, tokens = Transformer(config), one_sentence_a_row(TARGET)
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), tokens, tokens, deterministic=True)["params"]
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0.1, 0.3, x.shape), x.dtype), shapes)


def logits(config, params, source=SOURCE, target=TARGET, **options):
    source, target = one_sentence_a_row(source), one_sentence_a_row(target)
    options = {"deterministic": True, **options}
    return Transformer(config).apply({"params": params}, source, target, **options)


def theirs(config, params, source, target):
    """What numpy makes of it, sentence by sentence."""
    precise = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    pairs = zip(np.asarray(source), np.asarray(target), strict=True)
    return np.stack([numpy_transformer.transformer(*pair, precise, config) for pair in pairs])


@pytest.mark.parametrize("change", VARIANTS, ids=named)
def test_logits_are_those_of_the_published_formulas(change):
    config = dataclasses.replace(PAPER, **change)
    params = random_params(config)
    ours = jax.jit(functools.partial(logits, config))(params)
    expected = theirs(config, params, SOURCE, TARGET)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def make_positions_matter(path, leaf):
    """Norms that keep attention from fading, and tables of positions as large as what they meet."""
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    if name.endswith("norm/scale"):
        return leaf + 1
    return 5 * leaf if "_positions/" in name else leaf


@pytest.mark.parametrize("change", POSITIONS, ids=named)
def test_logits_are_those_of_the_published_formulas_for_positions(change):
    config = dataclasses.replace(PAPER, **change)
    params = jax.tree_util.tree_map_with_path(make_positions_matter, random_params(config))
    ours = jax.jit(functools.partial(logits, config))(params, LONG_SOURCE, LONG_TARGET)
    expected = theirs(config, params, LONG_SOURCE, LONG_TARGET)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
    if change["positions"] != "none":
        blind = dataclasses.replace(config, positions="none")
        untold = theirs(blind, params, LONG_SOURCE, LONG_TARGET)
        assert np.abs(expected - untold).max() > 0.1


@pytest.mark.parametrize("window", [1, 4, 7])
def test_logits_are_those_of_the_published_formulas_within_a_window(window):
    config = dataclasses.replace(PAPER, attention_window=window)
    params = jax.tree_util.tree_map_with_path(make_positions_matter, random_params(config))
    ours = jax.jit(functools.partial(logits, config))(params, LONG_SOURCE, LONG_TARGET)
    expected = theirs(config, params, LONG_SOURCE, LONG_TARGET)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
    unrestricted = theirs(PAPER, params, LONG_SOURCE, LONG_TARGET)
    assert np.abs(expected - unrestricted).max() > 0.1


@pytest.mark.parametrize(
    "change",
    [
        dict(norm_placement="pre", norm="rms", activation="swiglu", tied_embeddings="none"),
        dict(norm_placement="pre", tied_embeddings="target"),
    ],
    ids=named,
)
def test_cached_decoding_equals_full_decoding(change):
    # The dropout rates must not matter while decoding.
    rates = dict(attention_dropout_rate=0.5, activation_dropout_rate=0.5)
    config = dataclasses.replace(PAPER, **change, **rates)
    params = random_params(config)
    model, variables = Transformer(config), {"params": params}
    cache = model.apply(
        variables, one_sentence_a_row(SOURCE), beam_size=1, max_length=6, method="init_cache"
    )
    step = jax.jit(functools.partial(model.apply, variables, method="decode_step"))
    parents, cached = jnp.zeros((2, 1), jnp.int32), []
    for t in range(TARGET.shape[1]):
        out, cache = step(TARGET[:, t, None], parents, cache)
        cached.append(out)
    full = jax.jit(functools.partial(logits, config))(params)
    np.testing.assert_allclose(jnp.concatenate(cached, 1), full, rtol=1e-4, atol=1e-5)


def paths(config):
    leaves = jax.tree_util.tree_leaves_with_path(random_params(config))
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves}


def added_and_removed(**change):
    paper, variant = paths(PAPER), paths(dataclasses.replace(PAPER, **change))
    return variant - paper, paper - variant


def test_pre_norm_adds_a_norm_after_each_stack_and_moves_none():
    added, removed = added_and_removed(norm_placement="pre")
    assert added == {f"{s}/norm/{p}" for s in ("encoder", "decoder") for p in ("scale", "bias")}
    assert removed == set()


def test_rms_norm_only_loses_its_biases():
    added, removed = added_and_removed(norm="rms")
    assert added == set()
    assert removed == {path for path in paths(PAPER) if path.endswith("/norm/bias")}


def test_swiglu_adds_a_gate_to_each_feed_forward_network_and_gelu_nothing():
    added, removed = added_and_removed(activation="swiglu")
    assert added == {
        f"{stack}/layer_{i}/feed_forward/gate/{leaf}"
        for stack in ("encoder", "decoder")
        for i in range(2)
        for leaf in ("kernel", "bias")
    }
    assert removed == set()
    assert added_and_removed(activation="gelu") == (set(), set())


@pytest.mark.parametrize(
    ("tied", "tables"),
    [
        ("target", {"source_embedding/table", "target_embedding/table"}),
        ("none", {"source_embedding/table", "target_embedding/table", "output_embedding/table"}),
    ],
)
def test_embeddings_that_are_not_tied_are_tables_of_their_own(tied, tables):
    assert added_and_removed(tied_embeddings=tied) == (tables, {"embedding/table"})


@pytest.mark.parametrize("tied", ["target", "none"])
def test_each_table_is_trained_by_its_own_uses_only(tied):
    config = dataclasses.replace(PAPER, tied_embeddings=tied)
    scored = 22  # a piece of neither sentence
    gradient = jax.grad(lambda params: logits(config, params)[0, 0, scored])(random_params(config))
    rows = {
        name: set(np.flatnonzero(np.abs(gradient[name]["table"]).sum(-1)).tolist())
        for name in gradient
        if name.endswith("embedding")
    }
    first_target_piece, source_pieces = 2, {5, 6, 7, 8, 9, 1}
    assert (
        rows
        == {
            "target": {
                "source_embedding": source_pieces,
                "target_embedding": {first_target_piece, scored},
            },
            "none": {
                "source_embedding": source_pieces,
                "target_embedding": {first_target_piece},
                "output_embedding": {scored},
            },
        }[tied]
    )


def test_every_rate_reaches_its_dropouts_and_no_other():
    config = dataclasses.replace(
        PAPER, dropout_rate=0.1, attention_dropout_rate=0.2, activation_dropout_rate=0.3
    )
    found = {}

    def note(call, args, kwargs, context):
        if isinstance(context.module, Dropout):
            found["/".join(context.module.path)] = (context.module.rate, kwargs["deterministic"])
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        jax.eval_shape(
            lambda params, rng: logits(config, params, deterministic=False, rngs={"dropout": rng}),
            random_params(config),
            jax.random.key(0),
        )
    attentions = {"encoder": ["self_attention"], "decoder": ["self_attention", "cross_attention"]}
    expected = {"embedding_dropout": (0.1, False)}
    for stack, names in attentions.items():
        for layer in (f"{stack}/layer_{i}" for i in range(2)):
            for name in (*names, "feed_forward"):
                rate = 0.3 if name == "feed_forward" else 0.2
                expected[f"{layer}/{name}/dropout"] = (rate, False)
                expected[f"{layer}/{name}_residual/dropout"] = (0.1, False)
    assert found == expected


def test_rates_of_0_draw_nothing():
    # Without an rng to draw from, flax would raise.
    clean = logits(PAPER, random_params(PAPER))
    np.testing.assert_array_equal(logits(PAPER, random_params(PAPER), deterministic=False), clean)


def test_deterministic_is_untouched_by_the_rates():
    noisy = dataclasses.replace(PAPER, attention_dropout_rate=0.5, activation_dropout_rate=0.5)
    clean = logits(PAPER, random_params(PAPER))
    np.testing.assert_array_equal(logits(noisy, random_params(PAPER)), clean)


def test_new_dropouts_leave_the_random_numbers_of_the_papers_as_they_were():
    # A rate this small drops nothing, and still draws.
    paper = dataclasses.replace(PAPER, dropout_rate=0.5)
    rates = dict(attention_dropout_rate=1e-9, activation_dropout_rate=1e-9)
    params, rngs = random_params(PAPER), {"dropout": jax.random.key(3)}
    without = logits(paper, params, deterministic=False, rngs=rngs)
    drawn = dataclasses.replace(paper, **rates)
    np.testing.assert_array_equal(logits(drawn, params, deterministic=False, rngs=rngs), without)
    assert (without != logits(PAPER, params)).any()
