"""Why dot products are scaled: the removal is exact, the predictions hold, the softmax's too."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.long_range import Recall, recall_batch
from experiment.analysis.plots import draw_saturation, draw_training
from experiment.analysis.scale import (
    gap_density,
    jacobian_norm,
    predictions,
    saturation,
    train_with_and_without,
    without_scale,
)
from experiment.analysis.sentences import inputs_of
from experiment.training import init_params
from model.transformer import (
    DecoderOnly,
    DecoderOnlyConfig,
    MultiHeadAttention,
    dot_product_attention,
)

MASK = jnp.ones((1, 1, 3, 5), bool)


@pytest.fixture(scope="module")
def table():
    return saturation([4, 256], num_keys=64).set_index(["d_k", "scaled"])


def heads_of(rng):
    drawn = jax.random.split(rng, 3)
    queries = jax.random.normal(drawn[0], (2, 3, 14))
    memory = jax.random.normal(drawn[1], (2, 5, 14))
    module = MultiHeadAttention(num_heads=2, d_model=14, d_k=7, d_v=3)
    arguments = queries, memory, MASK
    params = module.init(drawn[2], *arguments, deterministic=True)["params"]
    apply = functools.partial(module.apply, {"params": params}, deterministic=True)
    return arguments, params, functools.partial(apply, mutable=["intermediates"])


def test_without_scale_queries_are_multiplied_by_the_root_of_d_k(rng):
    arguments, params, apply = heads_of(rng)
    with without_scale():
        _, sown = apply(*arguments)
    query, key, value = (
        jnp.einsum("BTD,DHK->BTHK", inputs, params[name]["kernel"])
        for inputs, name in zip(
            (arguments[0], *2 * arguments[1:2]), ("query", "key", "value"), strict=True
        )
    )
    _, expected = dot_product_attention(math.sqrt(7) * query, key, value, MASK)
    np.testing.assert_allclose(sown["intermediates"]["weights"][0], expected, rtol=1e-4)
    logits = np.einsum("BTHK,BSHK->BHTS", query, key)  # equation 1 without its root
    np.testing.assert_allclose(jax.nn.softmax(logits), expected, rtol=1e-4)


def test_nothing_removed_is_the_plain_model(rng):
    arguments, _, apply = heads_of(rng)
    expected = apply(*arguments)
    with without_scale(0.0):
        found = apply(*arguments)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_it_may_be_an_argument_of_what_is_compiled(rng):
    arguments, _, apply = heads_of(rng)

    @jax.jit
    def outputs(removed):
        with without_scale(removed):
            return apply(*arguments)[0]

    with without_scale():
        expected = apply(*arguments)[0]
    np.testing.assert_allclose(outputs(jnp.float32(1)), expected, rtol=1e-4, atol=1e-6)


def test_variance_of_products_is_d_k_within_sampling_error(table):
    """Of 1,024 queries with 64 keys each, those of a sentence shared: 5% is four deviations."""
    for (d_k, scaled), row in table.iterrows():
        assert row["variance"] == pytest.approx(1 if scaled else d_k, rel=0.05)


def test_with_the_scale_weights_are_log_normal(table):
    row = table.loc[256, True]
    assert row["entropy"] == pytest.approx(row["predicted entropy"], abs=0.06)
    assert row["jacobian"] == pytest.approx(row["predicted jacobian"], rel=0.06)


def test_without_it_what_is_left_is_queries_whose_two_best_keys_are_close(table):
    row = table.loc[256, False]
    assert row["entropy"] == pytest.approx(row["predicted entropy"], rel=0.2)
    assert row["jacobian"] == pytest.approx(row["predicted jacobian"], rel=0.2)
    assert 1 - row["largest"] == pytest.approx(1 - row["predicted largest"], rel=0.2)


def test_without_it_most_queries_have_hardly_a_gradient(table):
    """The mean hides it: few queries have nearly all of it."""
    kept, lost = table.loc[256, True], table.loc[256, False]
    assert lost["median jacobian"] < 0.3 * lost["jacobian"]
    assert lost["median gradient"] < 0.3 * lost["gradient"]
    assert kept["median gradient"] > 0.8 * kept["gradient"]


def test_gap_density_of_three_is_that_of_many_draws():
    drawn = np.sort(np.random.default_rng(0).standard_normal((200_000, 3)))
    gap = drawn[:, 2] - drawn[:, 1]
    assert gap_density(3) == pytest.approx((gap < 0.05).mean() / 0.05, rel=0.05)


def test_prediction_falls_with_the_root_of_d_k():
    narrow, wide = (predictions(d_k, 64, scaled=False) for d_k in (100, 400))
    assert narrow["jacobian"] == pytest.approx(2 * wide["jacobian"])
    assert 1 - narrow["largest"] == pytest.approx(2 * (1 - wide["largest"]))


def test_jacobian_norm_is_that_of_the_derivative_of_softmax():
    logits = np.array([0.3, -1.2, 2.0, 0.1])
    expected = np.linalg.norm(jax.jacobian(jax.nn.softmax)(jnp.asarray(logits)))
    weights = np.asarray(jax.nn.softmax(logits))[None]
    assert jacobian_norm(weights) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def trained():
    return train_with_and_without([64], length=4, steps=40, every=40)


def test_both_start_from_the_same_parameters_and_differ_by_the_scale_alone(trained):
    at_first = trained[trained["step"] == 0].set_index("scaled")
    assert at_first.loc[True, "entropy"] > 2 * at_first.loc[False, "entropy"]
    assert trained["scaled"].tolist() == [True, True, False, False]
    assert trained["step"].tolist() == [0, 40, 0, 40]


def test_queries_and_keys_begin_with_the_mean_square_of_embeddings_and_sinusoids():
    task = Recall(8, side="target")
    sizes = {"d_model": 64, "d_ff": 64, "num_heads": 1, "num_layers": 1, "dropout_rate": 0.0}
    model = DecoderOnly(DecoderOnlyConfig(vocab_size=task.vocab_size, **sizes))
    params = init_params(model, jax.random.key(0))
    texts = recall_batch(task, np.arange(64) % 8 % task.max_distance, np.random.default_rng(1))
    found = {}

    def look(call, arguments, options, context):
        outputs = call(*arguments, **options)
        if context.module.name in ("query", "key"):
            found[context.module.name] = float((outputs**2).mean())
        return outputs

    with nn.intercept_methods(look):
        model.apply({"params": params}, *inputs_of(texts), deterministic=True)
    assert found == {"query": pytest.approx(1.5, rel=0.15), "key": pytest.approx(1.5, rel=0.15)}


def test_with_the_scale_it_learns_to_look_where_the_answer_is(trained):
    first, last = trained[trained["scaled"]].to_dict("records")
    assert last["loss"] < 0.5 * first["loss"]
    assert last["found"] > first["found"]


def test_curves_are_those_of_the_tables(table, trained):
    panel = draw_training(trained).axes[0]
    assert panel.lines[0].get_ydata().tolist() == trained[trained["scaled"]]["loss"].tolist()
    panel = draw_saturation(table.reset_index()).axes[0]
    measured = table.reset_index().query("scaled")["variance"]
    assert panel.lines[0].get_ydata().tolist() == measured.tolist()
