import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.data import EOS_ID as VOCABULARY_EOS_ID
from experiment.data import train_vocabulary
from model.decoding import beam_search, greedy_search
from model.systems import SYSTEMS, parameter_count, system_of, training_flops
from model.transformer import (
    EOS_ID,
    MARK_ID,
    EncoderOnlyConfig,
    Tokens,
    encoder_only_flops,
    one_sentence_a_row,
    reading_positions,
)
from model.transformer.config import CHOICES
from tests.baselines.small import jit, packed

CONFIG = EncoderOnlyConfig(
    vocab_size=23, d_model=12, d_ff=19, num_heads=2, num_layers=1, dropout_rate=0.5
)
M, E = MARK_ID, EOS_ID
# Two words to tag, the first of two pieces; then one mark before a whole sentence.
SOURCE = jnp.array([[M, 6, 7, M, 8, E, 0], [M, 9, 10, 11, E, 0, 0]])
TARGET = jnp.array([[1, 13, 14], [1, 15, 0]])  # of which nothing is read but how long they are


def variant(**changes):
    return dataclasses.replace(CONFIG, **changes)


def shapes(config):
    tokens = one_sentence_a_row(TARGET)
    init = functools.partial(system_of(config).init, deterministic=True)
    return jax.eval_shape(init, jax.random.key(0), tokens, tokens)["params"]


def variables(config):
    """Parameters of about unit scale, without a program that makes them."""
    random = np.random.default_rng(1)

    def filled(leaf):
        return jnp.asarray(random.normal(0, 0.4, leaf.shape), leaf.dtype)

    return {"params": jax.tree.map(filled, shapes(config))}


def logits(config, source, target):
    """Computed one operation after another: variants share these, and no program of their own."""
    source, target = (
        x if isinstance(x, Tokens) else one_sentence_a_row(jnp.asarray(x)) for x in (source, target)
    )
    apply = functools.partial(system_of(config).apply, deterministic=True)
    return np.array(apply(variables(config), source, target))


def test_vocabulary_has_mark_and_end_where_the_model_looks_for_them():
    vocabulary = train_vocabulary(["▸ cat ▸ dog", "N N"], 300, ("▸", "N"))
    ids = vocabulary.encode("▸ cat ▸")
    assert (ids[0], ids[-2:]) == (MARK_ID, [MARK_ID, EOS_ID])
    assert EOS_ID == VOCABULARY_EOS_ID


def test_positions_are_read_at_the_marks_of_their_own_sentence():
    # Padding first, then three sentences: two marks, no mark, and three with one piece between.
    ids = [[0, M, 7, M, E, 8, E, M, M, 9, M, E]]
    segments = [[0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3]]
    source = Tokens(*map(jnp.array, (ids, segments, [[0, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4]])))
    targets = [[1, 1, 1, 1, 2, 2, 0, 3, 3, 3, 3, 3]], [[0, 1, 2, 3, 0, 1, 0, 0, 1, 2, 3, 9]]
    found = reading_positions(source, *map(jnp.array, targets))
    assert found.tolist() == [[1, 3, 4, 4, 6, 6, 0, 7, 8, 10, 11, 11]]


def test_a_mark_in_padding_is_none():
    source = Tokens(jnp.array([[M, M, E]]), jnp.array([[0, 1, 1]]), jnp.array([[0, 0, 1]]))
    assert reading_positions(source, jnp.array([[1, 1]]), jnp.array([[0, 1]])).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("positions", "norm_placement"),
    list(zip(CHOICES["positions"], 3 * CHOICES["norm_placement"], strict=True)),
)
def test_packed_sentences_are_as_separate_ones(positions, norm_placement):
    config = variant(positions=positions, norm_placement=norm_placement, attention_window=5)
    sources = [[M, 6, 7, M, 8, E], [M, 9, E], [M, 5, M, 6, E]]
    targets = [[1, 13, 14], [1, 15], [1, 16, 17]]
    together = logits(config, packed(sources, 16), packed(targets, 16))[0]
    begins = np.cumsum([0, *map(len, targets)])
    for source, target, begin in zip(sources, targets, begins[:-1], strict=True):
        alone = logits(config, packed([source], 16), packed([target], 16))[0, : len(target)]
        found = together[begin : begin + len(target)]
        assert np.ptp(alone) > 0.1
        np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


def test_labels_do_not_see_each_other():
    other = TARGET.at[0, 1:].set(20)
    np.testing.assert_array_equal(logits(CONFIG, SOURCE, TARGET), logits(CONFIG, SOURCE, other))


def test_every_label_sees_every_piece_of_its_sentence_and_no_padding():
    before = logits(CONFIG, SOURCE, TARGET)
    for place in (1, 2, 4):
        after = logits(CONFIG, SOURCE.at[0, place].set(20), TARGET)
        assert (np.abs(before - after)[0].max(-1) > 1e-5).all()
    source = one_sentence_a_row(SOURCE)
    filled = source._replace(ids=jnp.where(source.segments == 0, M, source.ids))
    after, real = logits(CONFIG, filled, TARGET), np.asarray(TARGET) > 0
    np.testing.assert_array_equal(before[real], after[real])


def test_only_order_tells_a_sentence_from_its_words_exchanged():
    sentence, exchanged = [[M, 6, 7, 8, 9, E]], [[M, 9, 7, 8, 6, E]]
    for positions in ("none", "sinusoidal"):
        one, other = (
            logits(variant(positions=positions), ids, [[1]]) for ids in (sentence, exchanged)
        )
        assert np.abs(one).max() > 0.1
        if positions == "none":
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        else:
            assert np.abs(one - other).max() > 1e-3, positions


def test_cached_decoding_equals_full_decoding_past_the_last_mark_too():
    fed, stay = jnp.array([[1, 13, 14, 15], [1, 15, 16, 17]]), jnp.zeros((2, 1), jnp.int32)
    apply = functools.partial(system_of(CONFIG).apply, variables(CONFIG))
    source, sizes = one_sentence_a_row(SOURCE), dict(beam_size=1, max_length=4)
    cache, steps = apply(source, **sizes, method="init_cache"), []
    for step in range(4):
        found, cache = apply(fed[:, step, None], stay, cache, method="decode_step")
        steps.append(found)
    cached = np.concatenate(steps, axis=1)
    np.testing.assert_allclose(cached, logits(CONFIG, SOURCE, fed), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cached[0, 2], cached[0, 3])
    np.testing.assert_array_equal(cached[1, 1], cached[1, 3])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_search_finds_the_best_label_of_each_mark_and_ends_behind_the_last(beam_size):
    length = 5
    apply = functools.partial(system_of(CONFIG).apply, variables(CONFIG))
    options = dict(max_length=length, bos_id=1, eos_id=E)

    @jit
    def found():
        sizes = dict(beam_size=beam_size, max_length=length)
        cache = apply(one_sentence_a_row(SOURCE), **sizes, method="init_cache")
        step = functools.partial(apply, method="decode_step")
        limits = jnp.array([3, 2])
        if beam_size == 1:
            return greedy_search(step, cache, limits, **options)
        return beam_search(step, cache, limits, beam_size=beam_size, length_penalty=0.6, **options)

    best = np.asarray(found().tokens)[:, 0]
    scores = logits(CONFIG, SOURCE, TARGET)
    scores[..., [0, 1]] = -np.inf  # what no search writes
    for row, marks in ((0, 2), (1, 1)):
        labels = scores[row, :marks].argmax(-1)
        assert E not in labels
        assert best[row].tolist() == [*labels, E, *[0] * (length - marks - 1)]


def test_every_parameter_has_a_finite_gradient():
    config = variant(tied_embeddings="target", positions="learned", norm_placement="pre")
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    @jit
    @jax.grad
    def gradients(params):
        options = dict(deterministic=False, rngs={"dropout": jax.random.key(3)})
        outputs = system_of(config).apply({"params": params}, source, target, **options)
        return (outputs * jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape)).sum()

    found = gradients(variables(config)["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


VARIED = ("positions", "norm", "norm_placement", "activation", "tied_embeddings")


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in VARIED for value in CHOICES[name]),
        {"d_k": 4, "d_v": 11, "num_layers": 3, "max_positions": 31, "positions": "learned"},
    ],
    ids=str,
)
def test_parameters_are_as_many_as_the_arithmetic_says(changes):
    config = variant(**changes)
    real = {
        name: sum(leaf.size for leaf in jax.tree.leaves(part))
        for name, part in shapes(config).items()
    }
    counted = SYSTEMS["encoder_only"].parameter_counts(config)
    assert counted["embeddings"] == sum(
        size for name, size in real.items() if name.endswith("embedding")
    )
    assert parameter_count(config) == sum(real.values())
    if changes.get("positions") != "relative":  # whose table lies in the encoder
        assert counted["encoder"] == real["encoder"]


@pytest.mark.parametrize("changes", [{}, {"activation": "swiglu", "d_k": 24, "d_v": 40}])
def test_forward_is_what_xla_counts_up_to_elementwise_work(changes):
    sizes = dict(vocab_size=997, d_model=128, d_ff=512, num_heads=4, dropout_rate=0.0)
    config = variant(**sizes | changes)
    source, target = (one_sentence_a_row(jnp.ones((3, length), jnp.int32)) for length in (24, 17))

    def outputs(params):
        return system_of(config).apply(params, source, target, deterministic=True)

    counted = jax.jit(outputs).lower({"params": shapes(config)}).compile().cost_analysis()["flops"]
    ours = encoder_only_flops(config, np.full(3, 24), np.full(3, 17))
    assert 1 <= counted / ours.sum() < 1.03
    assert (training_flops(config, np.full(3, 24), np.full(3, 17)) == 3 * ours).all()


def test_bfloat16_is_near_float32():
    wanted = logits(CONFIG, SOURCE, TARGET)
    rounded = logits(variant(dtype="bfloat16"), SOURCE, TARGET)
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, wanted, atol=0.05 * np.abs(wanted).max())
