import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import Placement, Residual, TransformerConfig, layer_norm
from model.transformer.encoder import EncoderLayer
from tests.transformer import numpy_transformer

B, T, D = 2, 3, 5


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("placement", ["post", "pre"])
def test_norm_stands_after_the_sum_or_before_the_sublayer(rng, norm, placement):
    residual = Residual(0.0, norm, placement)
    inputs, weight = jax.random.normal(rng, (B, T, D)), jax.random.normal(rng, (D, D))
    params = {name: jnp.arange(1.0, D + 1) for name in ("scale", "bias")[: 1 + (norm == "layer")]}

    def whole(module, x):
        return module(x, module.sublayer_inputs(x) @ weight, deterministic=True)

    ours = residual.apply({"params": {"norm": params}}, inputs, method=whole)
    x, matrix = np.asarray(inputs, np.float64), np.asarray(weight, np.float64)
    precise = jax.tree.map(np.asarray, params)
    normed = functools.partial(getattr(numpy_transformer, f"{norm}_norm"), params=precise)
    theirs = {"post": normed(x + x @ matrix), "pre": x + normed(x) @ matrix}[placement]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_dropout_is_of_the_sublayer_only(rng):
    residual = Residual(0.5, "rms", "pre")
    inputs, outputs = jnp.full((B, T, D), 3.0), jnp.ones((B, T, D))
    variables = residual.init(rng, inputs, method="sublayer_inputs")
    rngs = {"dropout": rng}
    summed = residual.apply(variables, inputs, outputs, deterministic=False, rngs=rngs)
    assert set(np.unique(summed)) == {3.0, 5.0}


def last_gradients(placement, depths):
    """Sizes of the last layer's gradient at the start of training, in encoders of these depths."""
    config = TransformerConfig(23, 32, 128, 4, max(depths), 0.0, norm_placement=placement)
    layer, mask = EncoderLayer(config), jnp.ones((2, 1, 8, 8), bool)
    hidden, direction = (jax.random.normal(jax.random.key(s), (2, 8, 32)) for s in (1, 2))
    init = jax.jit(
        lambda rng: layer.init(rng, hidden, mask, Placement(), deterministic=True)["params"]
    )
    layers = [init(rng) for rng in jax.random.split(jax.random.key(3), max(depths))]

    def forward(params, hidden):
        return layer.apply({"params": params}, hidden, mask, Placement(), deterministic=True)

    def score(params, hidden):
        outputs = forward(params, hidden)
        if placement == "pre":
            outputs = layer_norm(outputs, jnp.ones(32), jnp.zeros(32))
        return jnp.vdot(outputs, direction)

    step, gradient = jax.jit(forward), jax.jit(jax.grad(score))
    entering = [hidden]
    for params in layers[:-1]:
        entering.append(step(params, entering[-1]))
    found = (gradient(layers[depth - 1], entering[depth - 1]) for depth in depths)
    return [np.linalg.norm(tree["feed_forward"]["out"]["kernel"]) for tree in found]


def test_deep_pre_norm_shrinks_the_last_gradient_by_the_root_of_the_depth():
    # Xiong et al. 2020, theorem 1: of order sqrt(1 / num_layers); post-norm's has no num_layers.
    shrunk = {}
    for placement in ("post", "pre"):
        shallow, deep = last_gradients(placement, (6, 24))
        shrunk[placement] = shallow / deep
    assert 1.6 < shrunk["pre"] < 2.5
    assert 0.6 < shrunk["post"] < 1.5
