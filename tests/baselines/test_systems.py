"""What holds for either system, whatever it is made of."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.baselines import RecurrentConfig
from model.decoding import beam_search, greedy_search
from model.systems import SYSTEMS, parameter_count, system_of
from model.transformer import Tokens, one_sentence_a_row
from tests.baselines import numpy_convolutional, numpy_recurrent
from tests.baselines.small import (
    CONFIGS,
    SOURCE,
    TARGET,
    enlarged,
    initial,
    jit,
    logits,
    packed,
    step_by_step,
)

BOS, EOS = 2, 1


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def config(request):
    return request.param


def test_logits_are_those_of_the_formulas(config):
    recurrent = isinstance(config, RecurrentConfig)
    reference = numpy_recurrent if recurrent else numpy_convolutional
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), enlarged(config)["params"])
    found = logits(config, SOURCE, TARGET)
    for row, (source, target) in enumerate(zip(SOURCE, TARGET, strict=True)):
        ids = [int(token) for token in source if token], [int(token) for token in target if token]
        expected = reference.logits(*ids, params, config)
        assert expected.std() > 0.1
        np.testing.assert_allclose(found[row, : len(ids[1])], expected, rtol=1e-4, atol=1e-5)


def test_packed_sentences_are_as_separate_ones(config):
    sources, targets = ([5, 6, 7, 1], [9, 3, 1], [8, 1]), ([2, 11, 12], [2, 15], [2, 17, 18, 19])
    together = logits(config, packed(sources, 11), packed(targets, 11))[0]
    begins = np.cumsum([0, *map(len, targets)])
    for source, target, begin in zip(sources, targets, begins[:-1], strict=True):
        alone = logits(config, packed([source], 11), packed([target], 11))[0, : len(target)]
        found = together[begin : begin + len(target)]
        np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-5)


def test_what_stands_in_padding_never_matters(config):
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)
    before = logits(config, source, target)
    filled = (x._replace(ids=jnp.where(x.segments == 0, 17, x.ids)) for x in (source, target))
    after = logits(config, *filled)
    real = np.asarray(TARGET) > 0
    np.testing.assert_array_equal(before[real], after[real])


def test_how_much_padding_there_is_never_matters(config):
    short = logits(config, SOURCE[1:, :3], TARGET[1:, :3])
    padded = logits(config, SOURCE[1:], TARGET[1:])
    np.testing.assert_allclose(short[0], padded[0, :3], rtol=1e-5, atol=1e-5)


def test_padding_in_front_never_matters(config):
    def shifted(row):
        kept = row[:, :3]
        ids, positions = (jnp.pad(x, [(0, 0), (2, 0)]) for x in (kept, jnp.arange(3)[None]))
        return Tokens(ids, (ids > 0).astype(jnp.int32), positions)

    behind = logits(config, SOURCE[1:, :3], TARGET[1:, :3])
    in_front = logits(config, shifted(SOURCE[1:]), shifted(TARGET[1:]))
    np.testing.assert_allclose(in_front[0, 2:], behind[0], rtol=1e-5, atol=1e-5)


def test_no_position_sees_the_future(config):
    before = logits(config, SOURCE, TARGET)
    after = logits(config, SOURCE, TARGET.at[0, 3].set(20))
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert (before[0, 3:] != after[0, 3:]).any(axis=-1).all()


def test_no_logit_has_a_gradient_for_a_later_token(config):
    config = dataclasses.replace(config, tied_embeddings="none")
    source, target = one_sentence_a_row(SOURCE[:1]), one_sentence_a_row(TARGET[:1])

    @functools.partial(jit, static_argnums=1)
    def gradient(variables, t):
        def score(params):
            outputs = system_of(config).apply(
                {"params": params}, source, target, deterministic=True
            )
            return (outputs[0, t] ** 2).sum()

        return jax.grad(score)(variables["params"])["target_embedding"]["table"]

    table = np.abs(gradient(enlarged(config), 2)).sum(-1)
    assert set(np.flatnonzero(table)) == {2, 11, 12}  # what has been written when the third is


def test_every_source_token_matters(config):
    before = logits(config, SOURCE[:1], TARGET[:1])
    for place in range(6):
        after = logits(config, SOURCE[:1].at[0, place].set(20), TARGET[:1])
        assert np.abs(before - after).max() > 1e-5


def test_order_of_the_source_matters(config):
    one, other = (logits(config, [ids], [[2, 11]]) for ids in ([5, 6, 7, 1], [7, 6, 5, 1]))
    assert np.abs(one - other).max() > 1e-3


def test_cached_decoding_equals_full_decoding(config):
    stay = jnp.zeros((5, 2, 1), jnp.int32)
    cached = step_by_step(config, SOURCE, TARGET[:, None], stay)[:, 0]
    full, real = logits(config, SOURCE, TARGET), np.asarray(TARGET) > 0
    np.testing.assert_allclose(cached[real], full[real], rtol=1e-4, atol=1e-5)


def test_cached_decoding_follows_parents_through_the_beam(config):
    # Three slots over four steps; parents[t][m] is the slot whose history slot m takes over.
    fed = jnp.array([[[2, 11, 12, 13], [2, 14, 15, 16], [2, 17, 18, 19]]])
    parents = jnp.array([[[0, 1, 2]], [[0, 0, 1]], [[2, 0, 2]], [[1, 1, 0]]])
    cached = step_by_step(config, SOURCE[:1], fed, parents)
    histories = [[2], [2], [2]]
    for t in range(1, 4):
        came_from = parents[t, 0]
        histories = [histories[came_from[m]] + [int(fed[0, m, t])] for m in range(3)]
    full = logits(config, jnp.tile(SOURCE[:1], (3, 1)), histories)
    np.testing.assert_allclose(cached[0, :, -1], full[:, -1], rtol=1e-4, atol=1e-5)
    assert np.abs(full[0, -1] - full[1, -1]).max() > 1e-3


def test_cache_keeps_the_source_once_a_sentence(config):
    cache = jax.eval_shape(
        lambda: system_of(config).apply(
            enlarged(config),
            one_sentence_a_row(SOURCE),
            beam_size=3,
            max_length=99,
            method="init_cache",
        )
    )
    assert {leaf.shape for leaf in cache.source} == {(2, 7, 14)}
    assert max(leaf.size for leaf in jax.tree.leaves(cache)) <= 2 * 3 * 4 * 14


@pytest.mark.parametrize(
    ("beam_size", "dtype", "error"),
    [(1, "float32", 1e-4), (3, "float32", 1e-4), (3, "bfloat16", 0.02)],
)
def test_a_hypothesis_scores_what_the_model_says_at_once(config, beam_size, dtype, error):
    config = dataclasses.replace(config, dtype=dtype)
    model, variables, length = system_of(config), enlarged(config), 5
    options = dict(max_length=length, bos_id=BOS, eos_id=EOS)

    @jit
    def found():
        source, sizes = one_sentence_a_row(SOURCE), dict(beam_size=beam_size, max_length=length)
        cache = model.apply(variables, source, **sizes, method="init_cache")
        step = functools.partial(model.apply, variables, method="decode_step")
        limits = jnp.array([length, length])
        if beam_size == 1:
            return greedy_search(step, cache, limits, **options)
        return beam_search(step, cache, limits, beam_size=beam_size, length_penalty=0.6, **options)

    best = jax.tree.map(lambda x: np.asarray(x)[:, 0], found())
    fed = np.pad(best.tokens, [(0, 0), (1, 0)], constant_values=BOS)[:, :-1]
    log_probs = jax.nn.log_softmax(logits(config, SOURCE, fed))
    of_tokens = np.take_along_axis(np.asarray(log_probs), best.tokens[..., None], -1)[..., 0]
    total = (of_tokens * (best.tokens > 0)).sum(-1)
    np.testing.assert_allclose(best.log_probs, total, rtol=error)


def test_every_parameter_has_a_finite_gradient(config):
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    @jit
    def gradients(variables):
        def score(params):
            options = dict(deterministic=False, rngs={"dropout": jax.random.key(3)})
            outputs = system_of(config).apply({"params": params}, source, target, **options)
            return (outputs * jax.random.normal(jax.random.key(2), outputs.shape)).sum()

        return jax.grad(score)(variables["params"])

    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients(initial(config))):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


def test_in_training_gradients_of_the_encoder_are_divided_by_the_layers_that_attend_to_it():
    config = dataclasses.replace(CONFIGS["convolutional"], num_layers=3, dropout_rate=0.0)
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    def score(params, deterministic):
        outputs = system_of(config).apply(
            {"params": params}, source, target, deterministic=deterministic
        )
        return outputs[0, 1, 5]

    gradients = jit(jax.grad(score), static_argnums=1)
    true, trained_on = (gradients(enlarged(config)["params"], given) for given in (True, False))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a / 3, b, rtol=1e-4, atol=1e-5),
        true["encoder"],
        trained_on["encoder"],
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        true["decoder"],
        trained_on["decoder"],
    )


def test_dropout_is_a_function_of_its_key(config):
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    @jit
    def noisy(seed):
        rngs = {"dropout": jax.random.key(seed)}
        options = dict(deterministic=False, rngs=rngs)
        return system_of(config).apply(enlarged(config), source, target, **options)

    np.testing.assert_array_equal(noisy(0), noisy(0))
    assert (noisy(0) != noisy(1)).any()


def test_weights_stay_in_the_sentence_and_sum_to_one(config):
    sources, targets = packed([[5, 6, 7, 1], [9, 3, 1]], 9), packed([[2, 11, 12], [2, 15]], 6)
    apply = functools.partial(system_of(config).apply, mutable=["intermediates"])
    _, sown = jit(functools.partial(apply, deterministic=True))(enlarged(config), sources, targets)
    found = jax.tree_util.tree_leaves_with_path(sown)
    assert len(found) == (1 if isinstance(config, RecurrentConfig) else config.num_layers)
    for path, weights in found:
        assert "weights" in jax.tree_util.keystr(path)
        assert weights.shape == (1, 1, 6, 9)
        np.testing.assert_allclose(weights[0, 0, :5].sum(-1), 1, rtol=1e-5)
        inside = np.asarray(targets.segments[0, :, None] == sources.segments[0, None])[:5]
        assert (weights[0, 0, :5][~inside] == 0).all()
        assert np.ptp(weights[0, 0, :3, :4]) > 1e-3


def test_parameters_are_as_many_as_the_arithmetic_says(config):
    tokens = one_sentence_a_row(TARGET)
    for changes in ({}, {"num_layers": 4}, {"d_model": 20}, {"vocab_size": 31}):
        changed = dataclasses.replace(config, **changes)
        params = jax.eval_shape(
            lambda changed=changed: system_of(changed).init(
                jax.random.key(0), tokens, tokens, deterministic=True
            )["params"]
        )
        parts = next(s for s in SYSTEMS.values() if s.config is type(config)).parameter_counts(
            changed
        )
        for part in ("encoder", "decoder"):
            assert parts[part] == sum(leaf.size for leaf in jax.tree.leaves(params[part]))
        assert parameter_count(changed) == sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", ["recurrent", "additive, not fed", "wide"])
def test_bfloat16_is_near_float32_with_gradients_of_float32(name):
    precise = dataclasses.replace(CONFIGS[name], dropout_rate=0.0, num_layers=1)
    rounded = dataclasses.replace(precise, dtype="bfloat16")
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    def forward_and_back(config):
        def score(params):
            outputs = system_of(config).apply(
                {"params": params}, source, target, deterministic=True
            )
            return (outputs * jax.random.normal(jax.random.key(2), outputs.shape)).sum(), outputs

        (_, outputs), gradients = jit(jax.value_and_grad(score, has_aux=True))(
            initial(precise)["params"]
        )
        return outputs, jax.tree.leaves(gradients)

    outputs, gradients = forward_and_back(rounded)
    wanted, precisely = forward_and_back(precise)
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs, wanted, atol=0.03 * np.abs(wanted).max())
    whole = np.sqrt(sum(float((leaf**2).sum()) for leaf in precisely))
    for ours, theirs in zip(gradients, precisely, strict=True):
        assert ours.dtype == jnp.float32
        assert np.linalg.norm(ours - theirs) < 0.05 * np.linalg.norm(theirs) + 1e-3 * whole
