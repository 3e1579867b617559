import random
import re

import num2words
import pytest

from experiment.data.corpora import number_words
from experiment.data.corpora.number_words import english, german

CLASSES = [
    *range(1_000),
    *(thousands * 1_000 + rest for thousands in range(1, 1_000) for rest in (0, 1, 100)),
    *(thousands * 1_000 + rest for thousands in (1, 101) for rest in range(1_000)),
    *(
        millions * 10**6 + rest
        for millions in range(1, 1_000, 9)
        for rest in (0, 1, 1_000, 101_021)
    ),
    *(random.Random(0).randrange(10**9) for _ in range(500)),
]


@pytest.fixture(scope="module")
def splits():
    return number_words.numbers_of_splits()


@pytest.mark.parametrize(("language", "words"), [("en", english), ("de", german)])
def test_words_are_those_of_num2words(language, words):
    for number in CLASSES:
        assert words(number) == num2words.num2words(number, lang=language)


def test_words_by_hand():
    assert english(427) == "four hundred and twenty-seven"
    assert german(427) == "vierhundertsiebenundzwanzig"
    assert english(740_213) == "seven hundred and forty thousand, two hundred and thirteen"
    assert german(740_213) == "siebenhundertvierzigtausendzweihundertdreizehn"


def test_splits_share_no_number(splits):
    assert tuple(splits) == number_words.SPLITS
    sets = [set(numbers) for numbers in splits.values()]
    assert sum(map(len, sets)) == len(set.union(*sets))


def test_sizes_of_the_splits(splits):
    sizes = {split: len(numbers) for split, numbers in splits.items()}
    assert sizes == {"train": 39_999, "validation": 1_000, "test": 1_000, "test_millions": 1_000}
    for split in ("validation", "test", "test_millions"):
        assert len(set(splits[split])) == 1_000


def test_small_numbers_are_learned_and_larger_ones_held_out(splits):
    assert set(range(100)) < set(splits["train"])
    assert sum(100 <= number < 1_000 for number in splits["train"]) == 4_000
    for split in ("validation", "test"):
        assert min(splits[split]) >= 100
        assert max(splits[split]) < 10**6
        assert sum(number < 1_000 for number in splits[split]) == 50


def test_millions_are_longer_than_what_is_learned_in_words_that_are(splits):
    assert all(10**6 < number < 10**9 and number % 10**6 for number in splits["test_millions"])
    for words in (english, german):
        known = {word for number in splits["train"] for word in re.findall(r"\w+", words(number))}
        if words is english:
            unseen = {
                word
                for number in splits["test_millions"]
                for word in re.findall(r"\w+", english(number))
            } - known
            assert not unseen
        else:
            assert {"Million", "Millionen", "eine"} <= known


def test_the_first_numbers_of_a_split_are_of_all_lengths(splits):
    for split in ("train", "validation", "test"):
        assert {len(str(number)) for number in splits[split][:200]} >= {3, 4, 5, 6}


def test_the_choice_is_fixed_for_ever(splits):
    # Recorded once: with a change here GENERATOR_VERSION changes too.
    assert {split: numbers[:3] for split, numbers in splits.items()} == {
        "train": [78808, 51316, 899427],
        "validation": [22072, 5989, 312],
        "test": [886480, 421, 172119],
        "test_millions": [3106100, 21882402, 565669067],
    }
