"""Removals: what is left is what stands between them, everywhere, and only where they are asked."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.depth import (
    VARIANTS,
    Variant,
    removed,
    with_removals,
    without_norms,
    without_residuals,
)
from experiment.analysis.sentences import inputs_of
from model.transformer import layer_norm
from model.transformer.encoder import EncoderLayer
from model.transformer.relative_positions import UNPLACED
from tests.analysis.depth.small import BATCH, CONFIG, D, fresh

PRE = dataclasses.replace(CONFIG, norm_placement="pre")
TOKENS = inputs_of(BATCH)


def logits(config, params=None, variant=None):
    model, own = fresh(dataclasses.replace(config, scan_layers=False, remat=False))
    model = model.clone(config=config)
    apply = model.apply if variant is None else with_removals(model.apply, variant)
    call = jax.jit(lambda params: apply({"params": params}, *TOKENS, deterministic=True))
    return np.asarray(call(own if params is None else params))


@functools.cache
def kept_logits(variant=None):
    return logits(CONFIG, variant=variant)


@pytest.mark.parametrize("config", [CONFIG, PRE])
def test_where_nothing_is_removed_nothing_changes(config):
    found = logits(config, variant=Variant(config.norm_placement))
    np.testing.assert_array_equal(found, logits(config))


@pytest.mark.parametrize("placement", ["post", "pre"])
def test_without_residuals_a_layer_is_its_sublayers_and_norms_alone(placement):
    config = dataclasses.replace(CONFIG, norm_placement=placement)
    _, params = fresh(config)
    own = params["encoder"]["layer_1"]
    inputs = jax.random.normal(jax.random.key(3), (2, 4, D))
    mask = jnp.ones((2, 1, 4, 4), bool)

    def norm(name, hidden):
        return layer_norm(hidden, **own[f"{name}_residual"]["norm"])

    def attention(layer, hidden):
        memory = layer.self_attention.project(hidden, UNPLACED)
        return layer.self_attention.attend(hidden, memory, mask, UNPLACED, deterministic=True)

    def alone(layer):
        if placement == "pre":
            hidden = attention(layer, norm("self_attention", inputs))
            return layer.feed_forward(norm("feed_forward", hidden), deterministic=True)
        hidden = norm("self_attention", attention(layer, inputs))
        return norm("feed_forward", layer.feed_forward(hidden, deterministic=True))

    layer = EncoderLayer(config)
    expected = layer.apply({"params": own}, method=alone)
    with without_residuals():
        found = layer.apply({"params": own}, inputs, mask, UNPLACED, deterministic=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_without_norms_their_place_does_not_matter():
    _, params = fresh(PRE)  # with the norms at the ends of stacks, which the other one has not
    post, pre = (logits(config, params, VARIANTS["no norm"]) for config in (CONFIG, PRE))
    np.testing.assert_array_equal(post, pre)
    assert np.abs(logits(PRE, params) - pre).max() > 0.1


def test_without_norms_parameters_are_made_all_the_same():
    model, params = fresh(PRE)
    with without_norms():
        within = model.init(jax.random.key(0), *TOKENS, deterministic=True)["params"]
    assert jax.tree.structure(within) == jax.tree.structure(params)


@pytest.mark.parametrize(
    ("variant", "how"),
    [
        ("no norm", {"scan_layers": True}),
        ("no residual", {"scan_layers": True}),
        ("neither", {"scan_layers": True}),
        ("neither", {"remat": True}),
    ],
)
def test_removals_reach_all_layers_however_the_stack_is_run(variant, how):
    plain = kept_logits(VARIANTS[variant])
    found = logits(dataclasses.replace(CONFIG, **how), variant=VARIANTS[variant])
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-6)
    assert np.abs(plain - kept_logits()).max() > 0.1


def test_nothing_leaks_out_of_a_removal():
    before = kept_logits()
    with pytest.raises(RuntimeError, match="inside"), removed(VARIANTS["neither"]):
        assert np.abs(logits(CONFIG) - before).max() > 0.1
        raise RuntimeError("inside")
    np.testing.assert_array_equal(logits(CONFIG), before)
