"""Weights of every site: against equation 1 by hand, and where nothing may be seen."""

import functools

import jax
import numpy as np
import pytest

from experiment.analysis.sentences import batch_of
from experiment.analysis.sites import Site, at, ones, with_gates
from experiment.analysis.weights import attention_weights
from experiment.training import init_params
from model.baselines import Recurrent, RecurrentConfig
from model.transformer import (
    DecoderOnly,
    DecoderOnlyConfig,
    EncoderOnly,
    EncoderOnlyConfig,
    Transformer,
    TransformerConfig,
    sinusoidal_positions,
)
from tests.made_up import vocabulary

PAIRS = [("the cat sat", "die Katze"), ("the mat", "die Matte saß auf der Katze")]
BATCH = batch_of(vocabulary(), PAIRS)
SIZES = dict(d_model=6, d_ff=5, num_heads=3, num_layers=2, dropout_rate=0.5)


def model_and_params(system=Transformer, config=TransformerConfig, **changes):
    model = system(config(vocab_size=vocabulary().size, **{**SIZES, **changes}))
    return model, jax.jit(functools.partial(init_params, model))(jax.random.key(0))


@pytest.fixture(scope="module")
def two_layers():
    return model_and_params()


@pytest.fixture(scope="module")
def found(two_layers):
    return attention_weights(*two_layers, BATCH)


def real(segments):
    return [int(row.sum()) for row in segments > 0]


def test_real_queries_share_all_their_weight_among_real_keys(found):
    source, target = real(BATCH.source_segments), real(BATCH.target_segments)
    assert len(found) == 6
    for site, weights in found.items():
        queries = source if site.kind == "encoder" else target
        keys = target if site.kind == "decoder" else source
        for row in range(len(PAIRS)):
            of_row = weights[row, :, : queries[row]]
            np.testing.assert_allclose(of_row[..., : keys[row]].sum(-1), 1.0, rtol=1e-6)
            np.testing.assert_array_equal(of_row[..., keys[row] :], 0.0)


def test_decoder_sees_nothing_behind_a_query(found):
    behind = ~np.tri(BATCH.target_inputs.shape[1], dtype=bool)
    for layer in (0, 1):
        assert (found[Site("decoder", layer)][1][..., behind] == 0).all()  # it has no padding


def test_weights_of_the_first_layer_are_equation_1():
    """Of embedded tokens, times sqrt(d_model), plus sinusoids."""
    model, params = model_and_params(num_layers=1)
    weights = attention_weights(model, params, BATCH)[Site("encoder", 0)]
    (table,) = (leaf for leaf in jax.tree.leaves(params) if leaf.shape == (vocabulary().size, 6))
    count = real(BATCH.source_segments)[0]
    positions = np.asarray(sinusoidal_positions(count, 6))
    inputs = np.asarray(table)[BATCH.source[0, :count]] * np.sqrt(6) + positions
    kernels = at(params, Site("encoder", 0))
    for head in range(3):
        query, key = (
            inputs @ np.asarray(kernels[of]["kernel"])[:, head] for of in ("query", "key")
        )
        logits = np.exp(query @ key.T / np.sqrt(2))
        expected = logits / logits.sum(-1, keepdims=True)
        np.testing.assert_allclose(weights[0, head, :count, :count], expected, atol=1e-5)


def test_gates_change_what_later_layers_attend_to_and_no_earlier_one(two_layers, found):
    model, params = two_layers
    gates = with_gates(ones(model), {Site("encoder", 0): np.array([1.0, 0.0, 1.0])})
    gated = attention_weights(model, params, BATCH, gates)
    np.testing.assert_allclose(gated[Site("encoder", 0)], found[Site("encoder", 0)], atol=1e-6)
    np.testing.assert_allclose(gated[Site("decoder", 0)], found[Site("decoder", 0)], atol=1e-6)
    for site in (Site("encoder", 1), Site("cross", 0)):
        assert np.abs(gated[site] - found[site]).max() > 1e-3


@pytest.mark.parametrize(
    ("system", "config", "kind"),
    [
        (EncoderOnly, EncoderOnlyConfig, "encoder"),
        (DecoderOnly, DecoderOnlyConfig, "decoder"),
    ],
)
def test_half_of_a_transformer_has_the_weights_of_its_kind(system, config, kind):
    found = attention_weights(*model_and_params(system, config, num_layers=1), BATCH)
    assert list(found) == [Site(kind, 0)]
    count = real(BATCH.source_segments if kind == "encoder" else BATCH.target_segments)[1]
    of_row = found[Site(kind, 0)][1, :, :count, :count]
    np.testing.assert_allclose(of_row.sum(-1), 1.0, rtol=1e-6)
    assert (np.triu(of_row, 1) == 0).all() == (kind == "decoder")


def test_model_without_heads_is_refused():
    config = RecurrentConfig(vocab_size=13, d_model=4, num_layers=1, dropout_rate=0.0)
    with pytest.raises(ValueError, match="no attention heads"):
        attention_weights(Recurrent(config), {}, BATCH)
