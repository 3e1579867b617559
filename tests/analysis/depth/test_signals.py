"""Signals by layer: against a model written out, by hand, and where there can be none."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.depth import (
    VARIANTS,
    layer_signals,
    predicted_rms,
    random_batch,
    signals_at_start,
)
from experiment.training import init_params
from model.systems import system_of
from model.transformer import (
    dot_product_attention,
    layer_norm,
    sinusoidal_positions,
)
from tests.analysis.depth.small import BATCH, CONFIG, LABELLER, LANGUAGE_MODEL, LAYERS, D, fresh


def written_out(params, moved):
    """The mean loss of the post-norm language model, as the paper writes it."""
    table, length = params["embedding"]["table"], BATCH.target_inputs.shape[1]
    places = jnp.asarray(sinusoidal_positions(length, D))[None]
    hidden = table[BATCH.target_inputs] * D**0.5 + places + moved[0]
    mask = jnp.tril(jnp.ones((length, length), bool))[None, None]
    for number in range(LAYERS):
        own = params["decoder"][f"layer_{number}"]
        attention, network = own["self_attention"], own["feed_forward"]
        query, key, value = (
            jnp.einsum("btd,dhk->bthk", hidden, attention[name]["kernel"])
            for name in ("query", "key", "value")
        )
        found, _ = dot_product_attention(query, key, value, mask)
        found = jnp.einsum("bthk,hkd->btd", found, attention["out"]["kernel"])
        hidden = layer_norm(hidden + found, **own["self_attention_residual"]["norm"])
        wide = hidden @ network["hidden"]["kernel"] + network["hidden"]["bias"][None, None]
        found = jax.nn.relu(wide) @ network["out"]["kernel"] + network["out"]["bias"][None, None]
        hidden = layer_norm(hidden + found, **own["feed_forward_residual"]["norm"])
        hidden = hidden + moved[number + 1]
    log_probs = jax.nn.log_softmax(hidden @ table.T)
    return -jnp.take_along_axis(log_probs, jnp.asarray(BATCH.target_labels)[..., None], -1).mean()


@functools.cache
def signals_of(config):
    model, params = fresh(config)
    return layer_signals(model.apply, params, BATCH)


def test_gradients_are_those_of_the_model_written_out():
    _, params = fresh(LANGUAGE_MODEL)
    nowhere = [jnp.zeros((*BATCH.target_inputs.shape, D))] * (LAYERS + 1)
    of_params, of_outputs = jax.grad(written_out, argnums=(0, 1))(params, nowhere)
    found = signals_of(LANGUAGE_MODEL)
    assert list(found.layer) == [0, 1, 2] and set(found["stack"]) == {"decoder"}
    np.testing.assert_allclose(
        found.output_gradient, [np.linalg.norm(each) for each in of_outputs], rtol=1e-4
    )
    for number, its in of_params["decoder"].items():
        row = found[found.layer == int(number[-1]) + 1].iloc[0]
        whole = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(its)))
        np.testing.assert_allclose(row.parameter_gradient, whole, rtol=1e-4)
        last = np.linalg.norm(its["feed_forward"]["out"]["kernel"])
        np.testing.assert_allclose(row.matrix_gradient, last, rtol=1e-4)


def test_stacks_and_layers_are_those_of_the_model():
    for config, stacks in [(CONFIG, ["encoder", "decoder"]), (LABELLER, ["encoder"])]:
        found = signals_of(config)
        expected = [(stack, layer) for stack in stacks for layer in range(LAYERS + 1)]
        assert list(zip(found["stack"], found.layer, strict=True)) == expected
        assert found.parameter_gradient.isna().tolist() == [layer == 0 for _, layer in expected]


def test_fresh_post_norm_outputs_have_the_length_sqrt_d_model():
    model = system_of(LANGUAGE_MODEL)
    found = layer_signals(model.apply, init_params(model, jax.random.key(0)), BATCH)
    lengths = found.activation_rms[1:] * D**0.5
    np.testing.assert_allclose(lengths, D**0.5, rtol=1e-4)


def test_padding_counts_for_nothing():
    model, params = fresh(CONFIG)
    padded = type(BATCH)(*(np.pad(each, [(0, 0), (0, 3)]) for each in BATCH))
    plain, found = signals_of(CONFIG), layer_signals(model.apply, params, padded)
    columns = plain.columns.drop("stack")
    np.testing.assert_allclose(found[columns], plain[columns], rtol=1e-4)


def test_positions_that_hold_the_same_are_not_distinct():
    config = dataclasses.replace(LABELLER, positions="none")
    model, params = fresh(config)
    same = BATCH._replace(source=np.full_like(BATCH.source, 7))
    np.testing.assert_allclose(layer_signals(model.apply, params, same).distinctness, 0, atol=1e-6)
    first = layer_signals(model.apply, params, BATCH).distinctness[0]
    vectors = np.asarray(params["embedding"]["table"])[BATCH.source]
    apart = vectors - vectors.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(first, np.sqrt((apart**2).sum() / (vectors**2).sum()), rtol=1e-5)


def test_layers_in_a_loop_are_refused():
    model, params = fresh(LANGUAGE_MODEL)
    looped = model.clone(config=dataclasses.replace(LANGUAGE_MODEL, scan_layers=True))
    with pytest.raises(ValueError, match="one by one, and none was met"):
        layer_signals(looped.apply, params, BATCH)


def test_fresh_signals_are_as_large_as_predicted():
    config = dataclasses.replace(LANGUAGE_MODEL, d_model=32, d_ff=64)
    batch = random_batch(vocab_size=config.vocab_size, length=6, sentences=8)
    found = signals_at_start(config, batch, depths=[2], seeds=2)
    assert list(found.columns[:3]) == ["num_layers", "variant", "seed"]
    means = found.groupby(["variant", "layer"]).activation_rms.mean()
    for variant in VARIANTS:
        bounds = predicted_rms(config, variant, range(3), start=means[variant, 0])
        measured = means[variant].to_numpy()
        assert (measured > 0.85 * bounds.low).all() and (measured < 1.15 * bounds.high).all()
