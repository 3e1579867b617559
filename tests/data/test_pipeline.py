import threading
import time

import numpy as np
import pytest

from experiment.data import (
    TokenIds,
    assemble,
    bucketed_plan,
    evaluation_batches,
    fingerprint,
    packed_plan,
    training_batches,
)
from experiment.data.rows import PlannedBatch
from experiment.data.vocabulary import BOS_ID, EOS_ID, PAD_ID


def random_pairs(count=200, longest=16, seed=0) -> TokenIds:
    rng = np.random.default_rng(seed)

    def sentence():
        return [*rng.integers(4, 99, rng.integers(0, longest)).tolist(), EOS_ID]

    return TokenIds.from_lists(*[[sentence() for _ in range(count)] for _ in range(2)])


@pytest.fixture(scope="module")
def token_ids():
    return random_pairs()


@pytest.fixture(scope="module", params=["bucketed", "packed"])
def plan(request, token_ids):
    if request.param == "bucketed":
        return bucketed_plan(token_ids.lengths, bucket_lengths=(5, 16), tokens_per_batch=48, seed=0)
    return packed_plan(token_ids.lengths, row_length=16, tokens_per_batch=48, seed=0)


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for name, ours, theirs in zip(batch._fields, batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_packed_row_by_hand():
    pairs = TokenIds.from_lists([[7, 8, 2], [9, 2], [5, 2]], [[11, 2], [12, 13, 2], [6, 2]])
    rows = PlannedBatch(7, np.array([0, 1, 2]), np.array([0, 2, 3, 3]))
    batch = assemble(pairs, rows)
    np.testing.assert_array_equal(
        batch.source, [[7, 8, 2, 9, 2, 0, 0], [5, 2, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.source_segments, [[1, 1, 1, 2, 2, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.source_positions, [[0, 1, 2, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.target_labels, [[11, 2, 12, 13, 2, 0, 0], [6, 2, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.target_inputs, [[1, 11, 1, 12, 13, 0, 0], [1, 6, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.target_segments, [[1, 1, 2, 2, 2, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0] * 7]
    )
    np.testing.assert_array_equal(
        batch.target_positions, [[0, 1, 0, 1, 2, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0] * 7]
    )
    assert all(array.dtype == np.int32 for array in batch)


def test_a_row_that_is_full_to_the_last_token():
    pairs = TokenIds.from_lists([[7, 2], [8, 2]], [[9, 2], [10, 2]])
    batch = assemble(pairs, PlannedBatch(4, np.array([1, 0]), np.array([0, 2])))
    np.testing.assert_array_equal(batch.source, [[8, 2, 7, 2]])
    np.testing.assert_array_equal(batch.target_inputs, [[1, 10, 1, 9]])


def test_every_sentence_can_be_read_back_from_its_segment(token_ids, plan):
    rows = plan.rows(0)
    batch = assemble(token_ids, rows)
    for row, examples in enumerate(rows.as_lists()):
        for segment, example in enumerate(examples, 1):
            source, target = token_ids.pair(example)
            inside = batch.target_segments[row] == segment
            np.testing.assert_array_equal(
                batch.source[row][batch.source_segments[row] == segment], source
            )
            np.testing.assert_array_equal(batch.target_labels[row][inside], target)
            np.testing.assert_array_equal(batch.target_inputs[row][inside], [BOS_ID, *target[:-1]])
    assert (batch.source[batch.source_segments == 0] == PAD_ID).all()
    assert (batch.target_inputs[batch.target_segments == 0] == PAD_ID).all()


def test_reading_ahead_gives_what_the_plan_says(token_ids, plan):
    steps = 2 * plan.batches_per_epoch + 3
    expected = [assemble(token_ids, plan.rows(step)) for step in range(steps)]
    assert_same(training_batches(token_ids, plan, start_step=0, num_steps=steps), expected)


def test_starting_late_is_skipping(token_ids, plan):
    whole = list(training_batches(token_ids, plan, start_step=0, num_steps=30))
    rest = list(training_batches(token_ids, plan, start_step=17, num_steps=13))
    assert_same(rest, whole[17:])


def test_processes_together_read_the_global_batch(token_ids, plan):
    whole = list(training_batches(token_ids, plan, start_step=2, num_steps=5))
    parts = [
        list(training_batches(token_ids, plan, start_step=2, num_steps=5, shards=[index], of=2))
        for index in range(2)
    ]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert first.source.shape == second.source.shape
        together = np.concatenate([first.source, second.source])
        np.testing.assert_array_equal(together[: len(batch.source)], batch.source)
        assert not together[len(batch.source) :].any()


def test_no_steps_are_no_batches(token_ids, plan):
    assert list(training_batches(token_ids, plan, start_step=5, num_steps=0)) == []


def test_closing_ends_the_reading_threads(token_ids, plan):
    batches = training_batches(token_ids, plan, start_step=0, num_steps=10_000)
    next(batches)
    batches.close()
    deadline = time.monotonic() + 5
    while any("grain" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "grain threads are still there"
        time.sleep(0.01)


def test_evaluation_has_every_pair_once_in_few_shapes(token_ids):
    batches = list(evaluation_batches(token_ids, bucket_lengths=(3, 5), sentences_per_batch=7))
    assert {batch.source.shape for batch in batches} == {(7, 3), (7, 5), (7, 10), (7, 20)}
    found = sorted(
        tuple(row[segments > 0].tolist())
        for batch in batches
        for row, segments in zip(batch.target_labels, batch.target_segments, strict=True)
        if segments.any()
    )
    assert found == sorted(tuple(token_ids.pair(i)[1].tolist()) for i in range(len(token_ids)))


def test_evaluation_of_nothing_is_empty():
    none = TokenIds.from_lists([], [])
    assert list(evaluation_batches(none, bucket_lengths=(4,), sentences_per_batch=2)) == []


def test_the_fingerprint_names_its_parts(numbers, data_config, token_ids, plan, numbers_cache):
    from experiment.data import open_corpus, train_vocabulary

    vocabulary = train_vocabulary(["a b c"], 300)
    reverse = data_config(source_language="de", target_language="en")
    other = open_corpus(reverse, numbers_cache, lambda line: None)
    ours, theirs = (fingerprint(corpus, vocabulary, plan) for corpus in (numbers, other))
    assert ours["batches"] == plan.digest
    assert {name for name in ours if ours[name] != theirs[name]} == {"direction"}


def test_data_that_cannot_be_read_any_more_end_with_the_error_and_not_in_silence(
    token_ids, plan, monkeypatch
):
    def damaged(token_ids, planned):
        raise OSError("the disk is gone")

    batches = training_batches(token_ids, plan, start_step=0, num_steps=400)
    next(batches)
    monkeypatch.setattr("experiment.data.pipeline.assemble", damaged)
    with pytest.raises(OSError, match="the disk is gone"):
        list(batches)
