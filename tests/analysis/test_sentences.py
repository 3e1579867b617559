import numpy as np
import pytest

from experiment.analysis.sentences import batch_of, inputs_of, pieces_of
from experiment.data import BOS_ID, EOS_ID
from tests.made_up import vocabulary

PAIRS = [("the cat sat", "die Katze"), ("the mat", "die Matte saß auf der Katze")]


def test_pairs_are_rows_in_their_order():
    batch = batch_of(vocabulary(), PAIRS)
    for row, pair in enumerate(PAIRS):
        for ids, text in zip((batch.source, batch.target_labels), pair, strict=True):
            assert vocabulary().decode(ids[row].tolist()) == text
    assert batch.source_segments.max() == 1


def test_rows_are_as_long_as_others_may_be():
    short, long = (batch_of(vocabulary(), PAIRS[:1], multiple=each) for each in (1, 16))
    width = short.source.shape[1]
    assert width < 16 == long.source.shape[1]
    for padded, ids in zip(long, short, strict=True):
        np.testing.assert_array_equal(padded[:, :width], ids)
        assert not padded[:, width:].any()


def test_decoder_reads_the_labels_one_later():
    batch = batch_of(vocabulary(), PAIRS)
    source, target = inputs_of(batch)
    np.testing.assert_array_equal(source.ids, batch.source)
    np.testing.assert_array_equal(target.ids[:, 0], BOS_ID)
    count = int(batch.target_segments[0].sum())
    np.testing.assert_array_equal(target.ids[0, 1:count], batch.target_labels[0, : count - 1])


def test_pieces_stand_where_the_ids_do():
    batch = batch_of(vocabulary(), PAIRS[:1])
    pieces = pieces_of(vocabulary(), *PAIRS[0])
    assert pieces.source == vocabulary().pieces(batch.source[0, : len(pieces.source)].tolist())
    assert pieces.inputs[1:] == pieces.labels[:-1]
    assert pieces.labels[-1] == vocabulary().pieces([EOS_ID])[0]


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="at least one sentence pair"):
        batch_of(vocabulary(), [])
