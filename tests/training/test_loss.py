import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiment.data import TokenIds, evaluation_batches
from experiment.training import batch_loss, cross_entropy
from experiment.training.loss import divergence
from model.transformer import Tokens
from tests.made_up import bigram

B, T, V = 2, 3, 5
SMOOTHING = 0.1


def logits_and_labels(rng):
    logits = 3 * jax.random.normal(rng, (B, T, V))
    return logits, jax.random.randint(rng, (B, T), 0, V)


def test_loss_of_two_tokens_by_hand():
    # Probabilities 1/2, 1/4, 1/4 and 1/7, 2/7, 4/7; smoothing 0.3 gives every piece 0.1.
    logits = jnp.log(jnp.array([[2.0, 1, 1], [1, 2, 4]]))
    smoothed, nll = cross_entropy(logits, jnp.array([0, 2]), 0.3)
    ln2, ln7 = math.log(2), math.log(7)
    np.testing.assert_allclose(nll, [ln2, ln7 - 2 * ln2], rtol=1e-6)
    expected = [0.8 * ln2 + 0.2 * 2 * ln2, ln7 - (0.1 * ln2 + 0.8 * 2 * ln2)]
    np.testing.assert_allclose(smoothed, expected, rtol=1e-6)


def test_loss_is_the_cross_entropy_with_a_smoothed_one_hot(rng):
    logits, labels = logits_and_labels(rng)
    distribution = optax.smooth_labels(jax.nn.one_hot(labels, V), SMOOTHING)
    smoothed, nll = cross_entropy(logits, labels, SMOOTHING)
    np.testing.assert_allclose(
        smoothed, optax.softmax_cross_entropy(logits, distribution), rtol=1e-5
    )
    np.testing.assert_allclose(
        nll, optax.softmax_cross_entropy_with_integer_labels(logits, labels), rtol=1e-5
    )


def test_written_gradient_is_the_derived_one(rng):
    logits, labels = logits_and_labels(rng)

    def written(logits):
        smoothed, nll = cross_entropy(logits, labels, SMOOTHING)
        return (2 * smoothed + 3 * nll**2).sum()

    def derived(logits):
        log_probs = jax.nn.log_softmax(logits)
        nll = -jnp.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
        smoothed = (1 - SMOOTHING) * nll - SMOOTHING * log_probs.mean(-1)
        return (2 * smoothed + 3 * nll**2).sum()

    ours, theirs = jax.jit(jax.grad(written))(logits), jax.jit(jax.grad(derived))(logits)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_half_precision_logits_are_normalised_in_float32(rng):
    logits, labels = logits_and_labels(rng)
    logits = logits.astype(jnp.bfloat16)
    _, nll = cross_entropy(logits, labels, 0.0)
    expected, _ = cross_entropy(logits.astype(jnp.float32), labels, 0.0)
    assert nll.dtype == jnp.float32
    np.testing.assert_allclose(nll, expected, rtol=1e-6)


def sums_of(batch, rng):
    params = {"table": jax.random.normal(rng, (V, V))}
    return batch_loss(params, batch, None, apply_fn=bigram, label_smoothing=SMOOTHING)


def one_batch(targets):
    pairs = TokenIds.from_lists([[4, 2] for _ in targets], targets)
    (batch,) = evaluation_batches(pairs, bucket_lengths=(6,), sentences_per_batch=3)
    return batch


def test_sums_are_those_of_the_sentences_alone(rng):
    loss, both = sums_of(one_batch([[3, 4, 2], [2]]), rng)
    parts = [sums_of(one_batch([target]), rng)[1] for target in ([3, 4, 2], [2])]
    np.testing.assert_allclose(both, np.sum(parts, axis=0), rtol=1e-6)
    assert both.tokens == 4
    assert loss == both.loss != both.nll


def test_padding_weighs_nothing(rng):
    batch = one_batch([[3, 4, 2], [2]])
    padding = batch.target_segments == 0
    altered = batch._replace(
        target_labels=np.where(padding, 3, batch.target_labels).astype(np.int32),
        target_inputs=np.where(padding, 4, batch.target_inputs).astype(np.int32),
    )
    np.testing.assert_array_equal(sums_of(altered, rng)[1], sums_of(batch, rng)[1])


def dropped(params, source, target, *, deterministic, rngs):
    """A bigram whose logits are cut by dropout that only the key decides."""
    logits = bigram(params, source, target, deterministic=deterministic, rngs=rngs)
    if deterministic:
        return logits
    return logits * jax.random.bernoulli(rngs["dropout"], 0.5, logits.shape)


def test_divergence_by_hand():
    # KL of (3/4, 1/4) from (1/2, 1/2) is 0.75 ln 1.5 - 0.25 ln 2; the other way -0.5 ln 0.75.
    found = divergence(jnp.log(jnp.array([3.0, 1.0])), jnp.zeros(2))
    one_way, other_way = 0.75 * math.log(1.5) - 0.25 * math.log(2), -0.5 * math.log(0.75)
    np.testing.assert_allclose(found, (one_way + other_way) / 2, rtol=1e-6)


def test_written_gradient_of_the_divergence_is_the_derived_one(rng):
    first, second = (logits_and_labels(key)[0] for key in jax.random.split(rng))

    def derived(first, second):
        first, second = jax.nn.log_softmax(first), jax.nn.log_softmax(second)
        both = optax.losses.kl_divergence_with_log_targets(first, second)
        return ((both + optax.losses.kl_divergence_with_log_targets(second, first)) ** 2).sum()

    def written(first, second):
        return ((2 * divergence(first, second)) ** 2).sum()  # a mean of both, and there a sum

    for of in (0, 1):
        ours, theirs = (jax.grad(each, of)(first, second) for each in (written, derived))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_divergence_of_half_precision_logits_is_of_float32(rng):
    logits, others = (
        logits_and_labels(key)[0].astype(jnp.bfloat16) for key in jax.random.split(rng)
    )
    found = divergence(logits, others)
    exact = divergence(logits.astype(jnp.float32), others.astype(jnp.float32))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, exact, rtol=1e-6)
    gradient = jax.grad(lambda *both: divergence(*both).sum(), (0, 1))(logits, others)
    assert [each.dtype for each in gradient] == [jnp.bfloat16] * 2


def a_batch_and_its_loss(rng):
    params = {"table": jax.random.normal(rng, (V, V))}
    batch = one_batch([[3, 4, 2], [2]])
    return batch, functools.partial(
        batch_loss, params, batch, apply_fn=dropped, label_smoothing=SMOOTHING
    )


def test_losses_with_r_drop_are_means_of_two_passes(rng):
    _, loss = a_batch_and_its_loss(rng)
    first, second = (loss(key)[1] for key in jax.random.split(rng))
    _, both = loss(rng, r_drop=1e-30)  # on, but for its divergence
    np.testing.assert_allclose(both, (np.array(first) + np.array(second)) / 2, rtol=1e-6)
    assert first.loss != second.loss


def test_r_drop_adds_half_of_alpha_times_the_divergence_of_real_tokens(rng):
    batch, loss = a_batch_and_its_loss(rng)
    variables = {"params": {"table": jax.random.normal(rng, (V, V))}}
    source, target = Tokens(*batch[:3]), Tokens(batch.target_inputs, *batch[5:])
    logits = [
        dropped(variables, source, target, deterministic=False, rngs={"dropout": key})
        for key in jax.random.split(rng)
    ]
    apart = (divergence(*logits) * (batch.target_segments > 0)).sum()
    _, without = loss(rng, r_drop=1e-30)
    _, sums = loss(rng, r_drop=3.0)
    np.testing.assert_allclose(sums.loss, without.loss + 1.5 * apart, rtol=1e-6)
    np.testing.assert_array_equal(sums[1:], without[1:])
    assert apart > 0


def test_r_drop_is_nothing_where_nothing_is_dropped(rng):
    _, loss = a_batch_and_its_loss(rng)
    np.testing.assert_array_equal(loss(None, r_drop=5.0)[1], loss(None)[1])


def test_r_drop_of_seeds_together_is_that_of_each_alone(rng):
    loss_fn = functools.partial(batch_loss, apply_fn=dropped, label_smoothing=SMOOTHING, r_drop=3.0)
    differentiate = jax.grad(loss_fn, has_aux=True)
    keys, batch = jax.random.split(rng), one_batch([[3, 4, 2], [2]])
    params = {"table": jax.random.normal(rng, (2, V, V))}
    together = jax.vmap(differentiate, (0, None, 0))(params, batch, keys)
    alone = [
        differentiate({"table": table}, batch, key)
        for table, key in zip(params["table"], keys, strict=True)
    ]
    for number, each in enumerate(alone):
        pairs = zip(jax.tree.leaves(together), jax.tree.leaves(each), strict=True)
        for of_both, of_one in pairs:
            np.testing.assert_allclose(of_both[number], of_one, rtol=1e-5, atol=1e-6)
