import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer.rounding import attention_logits, rounded_product, softmax
from tests.transformer.jaxprs import matrix_products

N, D, F = 13, 5, 7
B, T, S, H, K = 2, 3, 5, 7, 11


def normals(rng, *shapes, dtype=jnp.bfloat16):
    keys = jax.random.split(rng, len(shapes))
    return [jax.random.normal(key, shape, dtype) for key, shape in zip(keys, shapes, strict=True)]


def precise(*arrays):
    return [np.asarray(x, np.float64) for x in arrays]


def pulled_back(function, operands, gradient):
    return jax.vjp(function, *operands)[1](gradient)


def test_logits_are_not_rounded_and_their_gradient_is(rng):
    inputs, gradient = normals(rng, (N, D), (N, F))
    kernel = jax.random.normal(rng, (D, F))

    def logits(inputs, kernel):
        return rounded_product(inputs, kernel, jnp.float32)

    x, w, g = precise(inputs, kernel.astype(jnp.bfloat16), gradient)
    np.testing.assert_allclose(logits(inputs, kernel), x @ w, rtol=1e-5, atol=1e-6)
    unrounded = gradient.astype(jnp.float32) * 1.001  # less than what bfloat16 can tell apart
    to_inputs, to_kernel = pulled_back(logits, (inputs, kernel), unrounded)
    assert (to_inputs.dtype, to_kernel.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(to_kernel, x.T @ g, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(to_inputs.astype("f4"), g @ w.T, rtol=2**-8, atol=1e-5)


def test_a_kernels_gradient_is_not_rounded_where_the_product_is(rng):
    inputs, gradient = normals(rng, (N, D), (N, F))
    kernel = jax.random.normal(rng, (D, F))

    def product(inputs, kernel):
        return rounded_product(inputs, kernel, jnp.bfloat16)

    assert product(inputs, kernel).dtype == jnp.bfloat16
    _, to_kernel = pulled_back(product, (inputs, kernel), gradient)
    x, g = precise(inputs, gradient)
    np.testing.assert_allclose(to_kernel, x.T @ g, rtol=1e-5, atol=1e-5)


def test_attention_logits_are_not_rounded_and_their_gradient_is(rng):
    query, key = normals(rng, (B, T, H, K), (B, S, H, K))
    (gradient,) = normals(jax.random.fold_in(rng, 1), (B, H, T, S))
    logits = attention_logits(query, key)
    q, k, g = precise(query, key, gradient)
    expected = np.einsum("BTHK,BSHK->BHTS", q, k)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    found = pulled_back(attention_logits, (query, key), gradient.astype(jnp.float32) * 1.001)
    expected = np.einsum("BHTS,BSHK->BTHK", g, k), np.einsum("BHTS,BTHK->BSHK", g, q)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype("f4"), theirs, rtol=2**-8, atol=1e-5)


def test_every_product_there_and_back_has_bfloat16_operands(rng):
    shapes = (N, D), (B, T, H, K), (B, S, H, K)
    inputs, query, key = normals(rng, *shapes)
    kernel = jax.random.normal(rng, (D, F))

    def everything(inputs, kernel, query, key):
        product = rounded_product(inputs, kernel, jnp.float32)
        return product.sum() + attention_logits(query, key).sum()

    traced = jax.make_jaxpr(jax.grad(everything, (0, 1, 2, 3)))(inputs, kernel, query, key)
    products = matrix_products(traced)
    assert len(products) == 6
    assert {operands for *operands_of, _ in products for operands in operands_of} == {"bfloat16"}


def test_softmax_is_rounded_after_it_is_computed(rng):
    (logits,) = normals(rng, (B, H, T, S), dtype=jnp.float32)
    np.testing.assert_array_equal(
        softmax(logits, jnp.bfloat16), jax.nn.softmax(logits).astype(jnp.bfloat16)
    )


def test_gradient_of_a_rounded_softmax_is_that_of_softmax(rng):
    logits, gradient = normals(rng, (B, H, T, S), (B, H, T, S), dtype=jnp.float32)
    (ours,) = pulled_back(
        lambda x: softmax(x, jnp.bfloat16), (logits,), gradient.astype(jnp.bfloat16)
    )
    (theirs,) = pulled_back(jax.nn.softmax, (logits,), gradient)
    assert ours.dtype == jnp.float32
    # The weights and the gradient are each rounded to 8 bits.
    np.testing.assert_allclose(ours, theirs, atol=2**-7 * np.abs(theirs).max())


def test_only_the_rounded_weights_are_kept(rng):
    (logits,) = normals(rng, (B, H, T, S), dtype=jnp.float32)
    back = jax.eval_shape(lambda x: jax.vjp(lambda y: softmax(y, jnp.bfloat16), x)[1], logits)
    (kept,) = jax.tree.leaves(back)
    assert (kept.shape, kept.dtype) == (logits.shape, jnp.bfloat16)


@pytest.mark.parametrize("there", [rounded_product, attention_logits, softmax])
def test_float32_is_the_plain_formula(rng, there):
    inputs, kernel, query, key = normals(
        rng, (N, D), (D, F), (B, T, H, K), (B, S, H, K), dtype=jnp.float32
    )
    function, plain, operands = {
        rounded_product: (lambda *x: there(*x, jnp.float32), jnp.dot, (inputs, kernel)),
        attention_logits: (
            there,
            lambda *x: jnp.einsum("BTHK,BSHK->BHTS", *x),
            (query, key),
        ),
        softmax: (lambda x: there(x, jnp.float32), jax.nn.softmax, (inputs,)),
    }[there]
    np.testing.assert_array_equal(function(*operands), plain(*operands))
    # Forward mode too, of which no custom rule would know.
    tangents = jax.jvp(function, operands, operands)[1], jax.jvp(plain, operands, operands)[1]
    np.testing.assert_array_equal(*tangents)
