import numpy as np
import pytest

from experiment.analysis.positions import longest, pairs_by_length, words_below_a_million
from experiment.data.corpora.number_words import english
from tests.made_up import vocabulary


def words_of(text):
    return text.replace("-", " ").replace(",", " ").split()


@pytest.fixture(scope="module")
def by_length():
    return pairs_by_length(trained_words=7, trained=500, tested=40)


def test_words_are_those_of_the_text():
    words = words_below_a_million()
    assert len(words) == 10**6
    drawn = np.random.default_rng(0).integers(0, 10**6, 300)
    for number in [*range(120), 1_000, 1_001, 100_000, 999_999, *drawn.tolist()]:
        assert words[number] == len(words_of(english(number)))


def test_pairs_have_the_words_they_are_listed_under(by_length):
    for count, pairs in [*by_length.train.items(), *by_length.test.items()]:
        assert {len(words_of(source)) for source, _ in pairs} <= {count}


def test_longer_numbers_are_tested_and_not_trained(by_length):
    assert list(by_length.train) == list(range(1, 8))
    assert {len(by_length.test[count]) for count in range(8, 12)} == {40}


def test_nothing_tested_is_trained(by_length):
    trained = {pair for pairs in by_length.train.values() for pair in pairs}
    assert not trained & {pair for pairs in by_length.test.values() for pair in pairs}


def test_every_word_of_a_longer_number_was_trained_on(by_length):
    trained = {word for pairs in by_length.train.values() for s, _ in pairs for word in words_of(s)}
    tested = {word for pairs in by_length.test.values() for s, _ in pairs for word in words_of(s)}
    assert tested <= trained


def test_every_length_has_the_same_share(by_length):
    assert {len(pairs) for pairs in by_length.train.values()} == {500}


def test_longest_is_counted_in_tokens_with_their_end():
    by_words = {1: [("the cat", "die")], 2: [("mat", "die Katze saß auf"), ("on", "")]}
    lengths = [
        [len(vocabulary().encode(t)) for t in texts]
        for texts in (("the cat", "mat", "on"), ("die", "die Katze saß auf"))
    ]
    assert longest(vocabulary(), by_words) == (max(lengths[0]), max(lengths[1]))


@pytest.mark.parametrize("trained_words", [0, 11])
def test_nothing_longer_is_refused(trained_words):
    with pytest.raises(ValueError, match=f"trained_words={trained_words} must be between 1 and 10"):
        pairs_by_length(trained_words=trained_words, trained=1, tested=1)
