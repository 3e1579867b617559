import numpy as np
import pytest

from experiment.analysis.attention import Word, between_words, words_of


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["▁The", "▁L", "aw", "▁will", "</s>"], ["The", "Law", "will", "</s>"]),
        (["<s>", "▁per", "fe", "ct", ",", "▁but"], ["<s>", "perfect", ",", "but"]),
        (["▁forty", "-", "t", "wo"], ["forty", "-", "two"]),
        (["sieben", "hundert", "zwei"], ["siebenhundertzwei"]),
        (["▁", "(", "▁", "<0xE2>", "<0x82>", "<0xAC>", "s"], ["(", "€s"]),
        ([], []),
    ],
)
def test_pieces_spell_words(pieces, words):
    assert [word.text for word in words_of(pieces)] == words


def test_words_cover_all_pieces_in_order():
    pieces = ["▁a", "b", ".", "▁c", "d", "e", "</s>"]
    assert words_of(pieces) == [
        Word("ab", 0, 2), Word(".", 2, 3), Word("cde", 3, 6), Word("</s>", 6, 7)
    ]  # fmt: skip


def test_a_key_words_pieces_add_up_and_a_query_words_are_averaged():
    weights = np.array([[[0.1, 0.2, 0.7], [0.5, 0.1, 0.4], [0.0, 1.0, 0.0]]])
    words = [Word("ab", 0, 2), Word("c", 2, 3)]
    between = between_words(weights, words, words)
    expected = [[(0.3 + 0.6) / 2, (0.7 + 0.4) / 2], [1.0, 0.0]]
    np.testing.assert_allclose(between, [expected])


def test_what_a_word_attends_to_adds_up_to_one(rng):
    weights = np.random.default_rng(0).dirichlet(np.ones(7), size=(3, 5))
    queries = [Word("", 0, 1), Word("", 1, 4), Word("", 4, 5)]
    keys = [Word("", 0, 2), Word("", 2, 7)]
    between = between_words(weights, queries, keys)
    assert between.shape == (3, 3, 2)
    np.testing.assert_allclose(between.sum(-1), 1.0)
