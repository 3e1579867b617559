"""The language model: what it sees, and that prompts continue as if all had been given at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment import data
from model.systems import parameter_count, system_of
from model.transformer import (
    BOS_ID,
    PAD_ID,
    DecoderOnly,
    DecoderOnlyConfig,
    Tokens,
    decoder_only_counts,
    decoder_only_flops,
    one_sentence_a_row,
)
from model.transformer.config import CHOICES
from tests.baselines.small import jit, packed

EOS = 2
CONFIG = DecoderOnlyConfig(
    vocab_size=23, d_model=14, d_ff=19, num_heads=3, num_layers=2, dropout_rate=0.5, d_k=6, d_v=11
)
TEXTS = jnp.array([[1, 11, 12, 13, 14], [1, 15, 16, 0, 0]])
NOTHING = jnp.array([[EOS], [EOS]])
# Prompts of none, of one and of five tokens, and what is written behind them.
PROMPTS = [[], [5], [6, 7, 8, 9, 10]]
WRITTEN = [[11, 12, 13], [14, 15, 16], [17, 18, 19]]
# Texts run beyond the learned tables, and the far end of the longest one is out of the window.
VARIANTS = {
    **{name: dict(positions=name, max_positions=4, num_layers=1) for name in CHOICES["positions"]},
    "window": dict(attention_window=3, positions="rotary"),
    "variants": dict(
        num_layers=1, norm="rms", norm_placement="pre", activation="swiglu", tied_embeddings="none"
    ),
}


@functools.cache
def variables(config):
    """Parameters that are large enough to tell tokens, and their places, apart."""
    tokens = one_sentence_a_row(TEXTS)
    init = jit(lambda rng: system_of(config).init(rng, tokens, tokens, deterministic=True))

    def enlarge(path, leaf):
        return leaf * (5 if "positions" in jax.tree_util.keystr(path) else 1.5)

    params = init(jax.random.key(1))["params"]
    return {"params": jax.tree_util.tree_map_with_path(enlarge, params)}


@functools.cache
def _forward(config):
    return jit(functools.partial(system_of(config).apply, deterministic=True))


def logits(config, texts, source=NOTHING):
    texts = texts if isinstance(texts, Tokens) else one_sentence_a_row(jnp.asarray(texts))
    return np.asarray(_forward(config)(variables(config), one_sentence_a_row(source), texts))


def of(**changes):
    return dataclasses.replace(CONFIG, **changes)


def step_by_step(config, prompts, fed, parents):
    """Logits of `decode_step`; `fed` [B, M, T] is what each slot is given, BOS first."""
    model, beams, length = system_of(config), *fed.shape[1:]

    @jit
    def run(variables, source, fed):
        sizes = dict(beam_size=beams, max_length=length)
        cache = model.apply(variables, source, **sizes, method="init_cache")

        def step(cache, its):
            out, cache = model.apply(variables, *its, cache, method="decode_step")
            return cache, out

        return jax.lax.scan(step, cache, (jnp.moveaxis(fed, 2, 0), parents))[1]

    return np.moveaxis(np.asarray(run(variables(config), prompted(prompts), fed)), 0, 2)


def prompted(prompts):
    return one_sentence_a_row(padded([[*prompt, EOS] for prompt in prompts]))


def padded(rows):
    width = max(map(len, rows))
    return jnp.array([[*row] + [PAD_ID] * (width - len(row)) for row in rows])


def test_both_rooms_mean_the_same_tokens():
    assert (BOS_ID, PAD_ID) == (data.BOS_ID, data.PAD_ID)


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS)
def test_prompts_of_any_length_continue_as_if_all_were_given_at_once(change):
    config = of(**change)
    fed = jnp.array([[[BOS_ID, *written]] for written in WRITTEN])
    cached = step_by_step(config, PROMPTS, fed, jnp.zeros((4, 3, 1), jnp.int32))[:, 0]
    pairs = zip(PROMPTS, WRITTEN, strict=True)
    full = logits(config, padded([[BOS_ID, *prompt, *written] for prompt, written in pairs]))
    full = np.stack([row[len(p) : len(p) + 4] for row, p in zip(full, PROMPTS, strict=True)])
    np.testing.assert_allclose(cached, full, rtol=1e-4, atol=1e-4)
    assert np.ptp(full, axis=(0, 1)).max() > 0.1


def test_hypotheses_follow_their_parents_behind_a_prompt_that_they_share():
    config = of(positions="relative", attention_window=5, num_layers=1)
    fed = jnp.array(
        [[[BOS_ID, 11, 12, 13], [BOS_ID, 14, 15, 16]], [[BOS_ID, 17, 18, 19], [BOS_ID, 20, 21, 5]]]
    )
    # Slot 0 wrote 11 (17), both went on from it, then each from the other.
    parents = jnp.broadcast_to(jnp.array([[0, 1], [1, 0], [0, 0], [1, 0]])[:, None], (4, 2, 2))
    prompts = [[6, 7, 8], [9]]
    cached = step_by_step(config, prompts, fed, parents)
    histories = [[11, 15, 13], [11, 12, 16], [17, 21, 19], [17, 18, 5]]
    rows = [[BOS_ID, *prompts[i // 2], *each] for i, each in enumerate(histories)]
    full = logits(config, padded(rows))
    full = np.stack([found[len(row) - 1] for found, row in zip(full, rows, strict=True)])
    np.testing.assert_allclose(cached[:, :, -1].reshape(4, -1), full, rtol=1e-4, atol=1e-4)


def test_prompt_is_kept_once_for_all_hypotheses():
    sizes = dict(beam_size=7, max_length=9)
    init = functools.partial(DecoderOnly(CONFIG).apply, method="init_cache", **sizes)
    cache = jax.eval_shape(init, variables(CONFIG), prompted(PROMPTS))
    assert {memory.key.shape for memory in cache.layers} == {(3, 6 + 7 * 9, 3, 6)}
    assert {memory.value.shape for memory in cache.layers} == {(3, 6 + 7 * 9, 3, 11)}


def test_a_row_of_padding_is_finite():
    source = one_sentence_a_row(jnp.array([[5, EOS, 0], [0, 0, 0]]))

    @jit
    def first(variables):
        model, sizes = DecoderOnly(CONFIG), dict(beam_size=1, max_length=2)
        cache = model.apply(variables, source, **sizes, method="init_cache")
        fed = jnp.full((2, 1), BOS_ID)
        return model.apply(variables, fed, jnp.zeros_like(fed), cache, method="decode_step")[0]

    assert np.isfinite(first(variables(CONFIG))).all()


def test_the_source_is_not_read_in_training():
    np.testing.assert_array_equal(
        logits(CONFIG, TEXTS), logits(CONFIG, TEXTS, jnp.array([[7, 8, EOS], [9, EOS, 0]]))
    )


@pytest.mark.parametrize(("window", "reach"), [(0, 6), (3, 4)])
def test_no_position_sees_the_future_nor_beyond_its_window_once_a_layer(window, reach):
    config, ids = of(attention_window=window), jnp.array([[1, 6, 7, 8, 9, 10, 11]])
    before = logits(config, ids, NOTHING[:1])
    for place in range(7):
        after = logits(config, ids.at[0, place].set(20), NOTHING[:1])
        changed = set(np.flatnonzero(np.abs(before - after)[0].max(-1)).tolist())
        assert changed == {t for t in range(7) if 0 <= t - place <= reach}


@pytest.mark.parametrize("change", [dict(positions="relative"), dict(attention_window=2)], ids=str)
def test_packed_texts_are_as_separate_ones(change):
    config, texts = of(**change), ([1, 11, 12, 13], [1, 15], [1, 17, 18])
    together = logits(config, packed(texts, 11), NOTHING[:1])[0]
    for text, begin in zip(texts, (0, 4, 6), strict=True):
        alone = logits(config, packed([text], 11), NOTHING[:1])[0, : len(text)]
        np.testing.assert_allclose(together[begin : begin + len(text)], alone, atol=1e-5)


def test_bfloat16_is_near_float32():
    precise, rounded = (logits(of(dtype=dtype), TEXTS) for dtype in ("float32", "bfloat16"))
    np.testing.assert_allclose(rounded, precise, atol=0.03 * np.abs(precise).max())
    assert (rounded != precise).any()


def test_loop_and_remat_change_no_gradient():
    tokens, noise = one_sentence_a_row(TEXTS), jax.random.normal(jax.random.key(2), (2, 5, 23))

    def gradients(config):
        def score(values):
            found = DecoderOnly(config).apply(values, tokens, tokens, deterministic=True)
            return (found * noise).sum()

        return jit(jax.grad(score))(variables(CONFIG))

    ours, theirs = gradients(of(scan_layers=True, remat=True)), gradients(CONFIG)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(theirs))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5 * largest)
    jax.tree.map(close, ours, theirs)
    for path, leaf in jax.tree_util.tree_leaves_with_path(ours):
        assert np.abs(leaf).max() > 0, path  # every parameter is of use


@pytest.mark.parametrize(
    "change",
    [
        {},
        *({name: value} for name in CHOICES if name != "dtype" for value in CHOICES[name][1:]),
        dict(norm_placement="pre", norm="rms", activation="swiglu", positions="learned"),
    ],
    ids=str,
)
def test_parameters_are_as_many_as_the_arithmetic_says(change):
    config, tokens = of(**change), one_sentence_a_row(TEXTS)
    params = jax.eval_shape(
        lambda: DecoderOnly(config).init(jax.random.key(0), tokens, tokens, deterministic=True)
    )["params"]
    assert parameter_count(config) == sum(leaf.size for leaf in jax.tree.leaves(params))
    of_stack = {key: part for key, part in params["decoder"].items() if "positions" not in key}
    assert decoder_only_counts(config)["decoder"] == sum(
        leaf.size for leaf in jax.tree.leaves(of_stack)
    )


def test_parameter_paths_are_a_format():
    params = variables(CONFIG)["params"]
    assert set(params) == {"embedding", "decoder"}
    assert set(params["decoder"]) == {"layer_0", "layer_1"}
    assert set(params["decoder"]["layer_1"]) == {
        "self_attention",
        "self_attention_residual",
        "feed_forward",
        "feed_forward_residual",
    }
    assert set(variables(of(tied_embeddings="none"))["params"]) == {
        "target_embedding",
        "output_embedding",
        "decoder",
    }


def test_forward_is_what_xla_counts_up_to_elementwise_work():
    config = of(vocab_size=997, d_model=128, d_ff=512, d_k=24, d_v=40, dropout_rate=0.0)
    texts, source = (one_sentence_a_row(jnp.ones((3, length), jnp.int32)) for length in (17, 1))
    model = DecoderOnly(config)
    params = jax.eval_shape(
        lambda: model.init(jax.random.key(0), source, texts, deterministic=True)
    )
    forward = jax.jit(lambda params: model.apply(params, source, texts, deterministic=True))
    counted = forward.lower(params).compile().cost_analysis()["flops"]
    ours = decoder_only_flops(config, np.full(3, 1), np.full(3, 17)).sum()
    assert 1 <= counted / ours < 1.03
