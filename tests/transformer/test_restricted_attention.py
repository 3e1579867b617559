"""Self-attention within a window: as a mask in the model, and in blocks (paper, section 4)."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import (
    Tokens,
    Transformer,
    TransformerConfig,
    Window,
    centred_window,
    dot_product_attention,
    one_sentence_a_row,
    restricted_attention,
    segment_mask,
    trailing_window,
    window_mask,
)

B, T, H, K, Z = 2, 11, 3, 5, 7
WINDOWS = [
    *(centred_window(width) for width in (1, 4, 40)),
    *(trailing_window(width) for width in (3, 11)),
    Window(0, 3),
]
# Two sentences and padding in one row, a whole row in the other.
SEGMENTS = jnp.array([[1] * 6 + [2] * 3 + [0] * 2, [1] * 11])
POSITIONS = jnp.array([[*range(6), *range(3), 0, 0], [*range(11)]])
WHOLE = jnp.ones((B, T), jnp.int32)
CONFIG = TransformerConfig(
    vocab_size=23, d_model=12, d_ff=19, num_heads=3, num_layers=2, dropout_rate=0.0
)
# What is compiled for one call of a tiny model need not be fast: it is there in half the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
STATIC = ("deterministic", "method", "beam_size", "max_length")
apply = jit(Transformer.apply, static_argnums=0, static_argnames=STATIC)


def heads(rng):
    shapes = (B, T, H, K), (B, T, H, K), (B, T, H, Z)
    keys = jax.random.split(rng, 3)
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def masked(query, key, value, window):
    mask = segment_mask(SEGMENTS, SEGMENTS) & window_mask(POSITIONS, POSITIONS, window)
    return dot_product_attention(query, key, value, mask)[0]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_in_blocks_it_is_what_a_mask_makes_of_it_and_so_are_gradients(rng, window):
    real = (SEGMENTS > 0)[..., None, None]
    cotangent = real * jax.random.normal(jax.random.key(1), (B, T, H, Z))

    @functools.partial(jit, static_argnums=0)
    def computed(attend, *inputs):
        attended, back = jax.vjp(attend, *inputs)
        return attended * real, back(cotangent)

    inputs = heads(rng)
    ours = computed(lambda *qkv: restricted_attention(*qkv, SEGMENTS, window), *inputs)
    theirs = computed(lambda *qkv: masked(*qkv, window), *inputs)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), ours, theirs)


@pytest.mark.parametrize("window", [Window(1, 1), Window(2, 1), Window(3, 0)], ids=str)
def test_each_position_is_the_softmax_of_its_own_neighbours(rng, window):
    query, key, value = heads(rng)
    ours = restricted_attention(query, key, value, WHOLE, window)
    for row, t, head in np.ndindex(B, T, H):
        near = [s for s in range(T) if -window.before <= s - t <= window.behind]
        scores = [float(query[row, t, head] @ key[row, s, head]) / math.sqrt(K) for s in near]
        shares = np.exp(scores) / np.exp(scores).sum()
        found = sum(p * np.asarray(value[row, s, head]) for p, s in zip(shares, near, strict=True))
        np.testing.assert_allclose(ours[row, t, head], found, rtol=1e-5, atol=1e-6)


def test_widths_count_the_position_itself():
    assert [centred_window(width) for width in (1, 2, 3, 4)] == [(0, 0), (1, 0), (1, 1), (2, 1)]
    assert [trailing_window(width) for width in (1, 2, 3)] == [(0, 0), (1, 0), (2, 0)]
    assert all(centred_window(width).width == width for width in range(1, 9))
    assert all(trailing_window(width).width == width for width in range(1, 9))


def test_a_window_counts_within_sentences():
    mask = segment_mask(SEGMENTS, SEGMENTS) & window_mask(POSITIONS, POSITIONS, centred_window(3))
    seen = [set(np.flatnonzero(row)) for row in np.asarray(mask[0, 0])]
    first = [{0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {4, 5}]
    assert seen == [*first, {6, 7}, {6, 7, 8}, {7, 8}, set(), set()]


@pytest.mark.parametrize(("length", "width"), [(64, 3), (64, 8), (256, 8)])
def test_products_grow_with_the_window_and_not_with_the_square_of_the_length(length, width):
    shapes = [jax.ShapeDtypeStruct((1, length, 2, 16), jnp.float32)] * 3
    segments = jnp.ones((1, length), jnp.int32)
    attend = jit(lambda *q: restricted_attention(*q, segments, trailing_window(width)))
    products = 4 * length * (2 * width - 1) * 32  # logits and values, of each query and key
    assert products <= attend.lower(*shapes).compile().cost_analysis()["flops"] < 1.6 * products


@functools.cache
def variables(scale=4.0):
    """Away from the start, so that what is seen of a position is large enough to be told."""
    tokens = one_sentence_a_row(jnp.ones((1, 3), jnp.int32))
    init = jit(lambda rng: Transformer(CONFIG).init(rng, tokens, tokens, deterministic=True))
    params = init(jax.random.key(1))["params"]
    return {
        "params": {**params, "embedding": jax.tree.map(lambda x: scale * x, params)["embedding"]}
    }


def model(**changes):
    return Transformer(dataclasses.replace(CONFIG, **changes))


SOURCE = jnp.array([[5, 6, 7, 8, 9, 10, 1], [9, 3, 14, 15, 1, 0, 0]])
TARGET = jnp.array([[2, 11, 12, 13, 14, 15], [2, 15, 16, 17, 0, 0]])


def logits(of, source=SOURCE, target=TARGET):
    if not isinstance(source, Tokens):
        source, target = one_sentence_a_row(source), one_sentence_a_row(target)
    return apply(of, variables(), source, target, deterministic=True)


def test_a_window_as_wide_as_the_sentence_is_no_window():
    # The encoder's reaches both ways: 7 positions from the first to the last and back.
    np.testing.assert_array_equal(logits(model(attention_window=13)), logits(model()))
    assert np.abs(logits(model(attention_window=12)) - logits(model()))[0].max() > 1e-3


def empty_cache(of, source, beam_size):
    source, sizes = one_sentence_a_row(source), dict(beam_size=beam_size, max_length=8)
    return apply(of, variables(), source, **sizes, method="init_cache")


@pytest.mark.parametrize("width", [1, 3])
def test_cached_decoding_equals_full_decoding(width):
    of = model(attention_window=width)
    cache = empty_cache(of, SOURCE, beam_size=1)
    parents, cached = jnp.zeros((2, 1), jnp.int32), []
    for t in range(TARGET.shape[1]):
        out, cache = apply(
            of, variables(), TARGET[:, t, None], parents, cache, method="decode_step"
        )
        cached.append(out)
    real, full = np.asarray(TARGET) > 0, logits(of)
    np.testing.assert_allclose(jnp.concatenate(cached, 1)[real], full[real], rtol=1e-4, atol=1e-5)
    assert np.abs(full - logits(model()))[real].max() > 1e-3


def test_cached_decoding_follows_parents_through_the_window():
    of, fed = model(attention_window=2), jnp.array([[[2, 11, 12, 13], [2, 14, 15, 16]]])
    parents = jnp.array([[[0, 1]], [[1, 0]], [[0, 0]], [[1, 0]]])
    cache = jit(
        lambda: of.apply(
            variables(),
            one_sentence_a_row(SOURCE[:1]),
            beam_size=2,
            max_length=5,
            method="init_cache",
        )
    )()
    for t in range(4):
        out, cache = apply(of, variables(), fed[:, :, t], parents[t], cache, method="decode_step")
    # Slot 0 wrote 11, both slots went on from it, and then each from the other.
    for slot, history in enumerate(([2, 11, 15, 13], [2, 11, 12, 16])):
        full = logits(of, SOURCE[:1], jnp.array([history]))
        np.testing.assert_allclose(out[0, slot], full[0, -1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [3])
def test_packed_sentences_are_as_separate_ones(width):
    def packed(first, second, length):
        parts = (first, second, [0] * (length - len(first) - len(second)))
        ids = [token for part in parts for token in part]
        segments = [segment for segment, part in zip((1, 2, 0), parts, strict=True) for _ in part]
        positions = [place for part in parts for place, _ in enumerate(part)]
        return Tokens(*(jnp.array([row]) for row in (ids, segments, positions)))

    of = model(attention_window=width)
    sources, targets = ([5, 6, 7, 8, 1], [9, 3, 4, 1]), ([2, 11, 12, 13], [2, 15, 16])
    together = logits(of, packed(*sources, 11), packed(*targets, 9))
    for source, target, start in zip(sources, targets, (0, 4), strict=True):
        alone = logits(of, packed(source, [], 11), packed(target, [], 9))[0, : len(target)]
        columns = slice(start, start + len(target))
        np.testing.assert_allclose(together[0, columns], alone, rtol=1e-4, atol=1e-5)


def changed(of, method, *arguments, changes):
    """Where outputs [B, T, _] change with a token: {place of the change: places of outputs}."""
    before = apply(of, variables(), *arguments, deterministic=True, method=method)
    found = {}
    for place, tokens in changes.items():
        after = apply(of, variables(), tokens, *arguments[1:], deterministic=True, method=method)
        found[place] = set(np.flatnonzero(np.abs(before - after)[0].max(-1)).tolist())
    return found


@pytest.mark.parametrize(("width", "layers"), [(3, 1), (4, 2)])
def test_a_token_reaches_exactly_its_window_once_a_layer(width, layers):
    of, ids = model(attention_window=width, num_layers=layers), jnp.array([[5, 6, 7, 8, 9, 10, 1]])
    places = range(ids.shape[1])
    changes = {place: one_sentence_a_row(ids.at[0, place].set(20)) for place in places}
    before, behind = layers * (width // 2), layers * ((width - 1) // 2)
    assert changed(of, "encode", one_sentence_a_row(ids), changes=changes) == {
        place: {t for t in places if -before <= place - t <= behind} for place in places
    }
    memory, source = jax.random.normal(jax.random.key(3), (1, 4, 12)), one_sentence_a_row(SOURCE)
    source = Tokens(*(rows[:1, :4] for rows in source))
    arguments = one_sentence_a_row(ids), memory, source
    assert changed(of, "decode", *arguments, changes=changes) == {
        place: {t for t in places if 0 <= t - place <= layers * (width - 1)} for place in places
    }


@pytest.mark.slow
def test_a_loop_of_layers_computed_again_heeds_the_window():
    def gradients(of):
        def score(values):
            outputs = of.apply(values, *tokens, deterministic=True)
            return (outputs * jax.random.normal(jax.random.key(2), outputs.shape)).sum()

        return jit(jax.grad(score))(variables())

    tokens = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)
    window, how = dict(attention_window=3), dict(remat=True, scan_layers=True)
    ours, theirs = gradients(model(**window, **how)), gradients(model(**window))
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(theirs))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5 * largest)
    jax.tree.map(close, ours, theirs)


def test_a_window_has_no_parameters_and_is_refused_where_it_is_none():
    tokens = one_sentence_a_row(SOURCE)
    shapes = [
        jax.eval_shape(lambda m=m: m.init(jax.random.key(0), tokens, tokens, deterministic=True))
        for m in (model(), model(attention_window=3))
    ]
    assert shapes[0] == shapes[1]
    with pytest.raises(
        ValueError, match=r"model.attention_window=-3 must be a number of positions"
    ):
        model(attention_window=-3)
