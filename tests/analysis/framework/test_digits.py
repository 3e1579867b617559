"""Numbers in words with how many digits they have."""

import pytest

from experiment.analysis.framework import write_digits

ONES = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("runs") / "digits" / "text")


def pairs(folder, split):
    texts, labels = (
        (folder / f"{split}.{side}").read_text().splitlines() for side in ("text", "label")
    )
    return list(zip(texts, labels, strict=True))


def value(text):
    """The number that English words say, read without the code that wrote them."""
    known = dict(zip(ONES.split(), range(20), strict=True)) | dict(
        zip(TENS.split(), range(20, 100, 10), strict=True)
    )
    total = group = 0
    for word in text.replace("-", " ").replace(",", "").split():
        if word == "thousand":
            total, group = 1_000 * group, 0
        elif word == "hundred":
            group *= 100
        elif word != "and":
            group += known[word]
    return total + group


def test_labels_are_counts_of_digits(folder):
    found = dict(pairs(folder, "train"))
    assert {text: str(len(str(value(text)))) for text in found} == found
    assert {"1", "2", "3", "4", "5", "6"} == set(found.values())


def test_splits_are_as_large_as_they_should_be_and_share_nothing(folder):
    splits = {split: pairs(folder, split) for split in ("train", "validation", "test")}
    assert [len(found) for found in splits.values()] == [8_000, 200, 1_000]
    train, test = (set(dict(splits[split])) for split in ("train", "test"))
    assert not train & test


def test_the_same_words_in_another_order_have_another_label(folder):
    by_words = {}
    for text, label in pairs(folder, "train"):
        by_words.setdefault(tuple(sorted(text.replace(",", "").split())), set()).add(label)
    assert any(len(labels) > 1 for labels in by_words.values())
