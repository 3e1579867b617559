"""Numbers in words with how many digits they have."""

import pytest

from experiment.analysis.framework import write_digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("runs") / "digits" / "text")


def pairs(folder, split):
    texts, labels = (
        (folder / f"{split}.{side}").read_text().splitlines() for side in ("text", "label")
    )
    return list(zip(texts, labels, strict=True))


def test_labels_are_counts_of_digits(folder):
    known = {"seven": "1", "forty-two": "2", "nine thousand": "4", "one hundred thousand": "6"}
    found = dict(pairs(folder, "train"))
    assert all(found[text] == label for text, label in known.items() if text in found)
    assert {"1", "2", "3", "4", "5", "6"} == set(found.values())


def test_splits_are_as_large_as_they_should_be_and_share_nothing(folder):
    splits = {split: pairs(folder, split) for split in ("train", "validation", "test")}
    assert [len(found) for found in splits.values()] == [8_000, 200, 1_000]
    train, test = (set(dict(splits[split])) for split in ("train", "test"))
    assert not train & test


def test_the_same_words_in_another_order_have_another_label(folder):
    test = dict(pairs(folder, "train"))
    by_words = {}
    for text, label in test.items():
        by_words.setdefault(tuple(sorted(text.replace(",", "").split())), set()).add(label)
    assert any(len(labels) > 1 for labels in by_words.values())
