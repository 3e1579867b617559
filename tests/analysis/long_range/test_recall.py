"""The task of recalling a key's value from afar, and how well that is done."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.long_range import (
    Recall,
    answer_loss,
    recall_accuracy,
    recall_batch,
    train_recall,
)
from model.transformer import Transformer, TransformerConfig

TASK = Recall(length=7, num_keys=5, num_fillers=3)


def batch(distances, seed=0):
    return recall_batch(TASK, np.asarray(distances), np.random.default_rng(seed))


def test_ids_are_special_ones_keys_values_fillers_and_the_query():
    # 0 to 3 are padding, begin, end and unknown; 4 to 8 keys, 9 to 13 values, 14 to 16 fillers.
    assert (TASK.first_key, TASK.query, TASK.vocab_size, TASK.max_distance) == (4, 17, 18, 5)


def test_a_key_lies_exactly_so_far_back_and_its_value_can_be_read_off():
    distances = [0, 1, 2, 3, 4, 5] * 20
    found, keys = batch(distances), set()
    for source, labels, distance in zip(found.source, found.target_labels, distances, strict=True):
        (place,) = [t for t, token in enumerate(source) if 4 <= token <= 8]
        between = source[place + 1 : -1]
        assert len(between) == distance
        assert source[-1] == 17
        assert {*source[:place], *between} <= {14, 15, 16}
        assert labels.tolist() == [source[place] + 5, 2]
        keys.add(int(source[place]))
    assert keys == {4, 5, 6, 7, 8}
    np.testing.assert_array_equal(found.target_inputs[:, 0], 1)
    np.testing.assert_array_equal(found.target_inputs[:, 1], found.target_labels[:, 0])
    for segments, positions in (found[1:3], found[5:]):
        assert (segments == 1).all()
        assert (positions == np.arange(positions.shape[1])).all()


def test_in_the_target_the_text_comes_before_its_answer_and_the_source_is_empty():
    task = dataclasses.replace(TASK, side="target")
    in_target = recall_batch(task, np.array([3, 0]), np.random.default_rng(5))
    in_source = recall_batch(TASK, np.array([3, 0]), np.random.default_rng(5))
    assert in_target.source.tolist() == [[2], [2]]
    np.testing.assert_array_equal(in_target.target_labels[:, :7], in_source.source)
    np.testing.assert_array_equal(in_target.target_labels[:, 7:], in_source.target_labels)
    np.testing.assert_array_equal(in_target.target_inputs[:, 0], 1)
    np.testing.assert_array_equal(in_target.target_inputs[:, 1:], in_target.target_labels[:, :-1])
    for segments, positions in (in_target[1:3], in_target[5:]):
        assert (segments == 1).all()
        assert (positions == np.arange(positions.shape[1])).all()


@pytest.mark.parametrize(("side", "answer"), [("source", 0), ("target", 7)])
def test_only_the_answer_is_learned(side, answer):
    """A model that knows the answers and nothing else has no loss."""
    task = dataclasses.replace(TASK, side=side)
    found = recall_batch(task, np.array([1, 2, 5]), np.random.default_rng(0))

    class OfThese(nn.Module):
        def __call__(self, source, target_inputs, *, deterministic):
            known = 50 * jax.nn.one_hot(found.target_labels, task.vocab_size)
            return jnp.where(jnp.arange(known.shape[1])[:, None] == answer, known, -known)

    loss, sums = answer_loss({}, found, None, model=OfThese(), task=task)
    assert (float(loss), float(sums.tokens)) == (pytest.approx(0, abs=1e-6), 3)


def test_only_the_random_numbers_make_batches_differ():
    first, same, other = batch([2] * 30), batch([2] * 30), batch([2] * 30, seed=1)
    np.testing.assert_array_equal(first.source, same.source)
    assert (first.source != other.source).any()


@pytest.mark.parametrize("distance", [-1, 6])
def test_a_distance_that_does_not_fit_is_refused(distance):
    with pytest.raises(ValueError, match=r"must be from 0 to 5, in texts of 7 tokens\.$"):
        batch([distance, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(length=1), "length=1 must be at least 2: a key and the query."),
        (dict(length=5, side="left"), "side='left' must be one of source, target."),
        (dict(length=5, num_keys=0), "num_keys=0 must be at least 1."),
        (dict(length=5, num_fillers=0), "num_fillers=0 must be at least 1."),
    ],
)
def test_impossible_tasks_are_refused(change, message):
    with pytest.raises(ValueError) as refused:
        Recall(**change)
    assert str(refused.value) == message


class Oracle(nn.Module):
    """Reads the value off the source, but only where the key is at most `reach` fillers away."""

    reach: int

    def __call__(self, source, target_inputs, *, deterministic):
        is_key = (source.ids >= 4) & (source.ids <= 8)
        distance = TASK.max_distance - is_key.argmax(1)
        value = (source.ids * is_key).sum(1) + TASK.num_keys
        answer = jnp.where(distance <= self.reach, value, TASK.query)
        return jax.nn.one_hot(answer, TASK.vocab_size)[:, None] * jnp.ones((1, 2, 1))


def test_accuracy_is_told_by_distance():
    found = recall_accuracy(Oracle(reach=3), {}, TASK, range(6), rows=16)
    assert found == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 4: 0.0, 5: 0.0}


@pytest.mark.slow
def test_a_transformer_learns_it_at_every_distance():
    config = TransformerConfig(
        vocab_size=TASK.vocab_size, d_model=16, d_ff=32, num_heads=2, num_layers=1, dropout_rate=0.0
    )
    model, said = Transformer(config), []
    train = functools.partial(train_recall, model, TASK, d_model=16, rows=32, say=said.append)
    before, after = train(steps=1), train(steps=300)
    assert recall_accuracy(model, before, TASK, [0], rows=64)[0] < 0.6
    assert min(recall_accuracy(model, after, TASK, range(6), rows=64).values()) > 0.95
    assert said[-1].startswith("step 250 of 300: loss ")
