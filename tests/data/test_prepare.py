import dataclasses
import hashlib

import numpy as np
import pytest

from experiment.data import (
    Vocabulary,
    in_the_order_of,
    prepare_training_data,
    prepare_vocabulary,
    train_vocabulary,
)
from tests.made_up import config, training_data

SPLITS = ("train", "validation", "test")


@pytest.fixture
def prepare(write_text, tmp_path, lines):
    """Prepares a run on a folder of text; files can be changed."""

    def prepare(**files):
        sentences = b"the cat\nthe mat\n"
        text = {f"{split}.en": sentences for split in ("train", "validation", "test")}
        text |= {name.replace("_", "."): content for name, content in files.items()}
        text |= {name.replace(".en", ".de"): content for name, content in text.items()}
        settings = {"corpus": "parallel_text", "dir": str(write_text(text)), "vocab_size": 300}
        return prepare_training_data(config(data=settings), tmp_path / "cache", lines.append)

    return prepare


def test_training_pairs_longer_than_a_row_are_reported_with_the_reason(prepare, lines):
    data = prepare(train_en=b"the cat\n" + b"xyz " * 100_000 + b"\nthe mat\n")
    assert len(data.train) == 3
    assert data.plan.num_dropped == 1
    assert lines[-1] == (
        "data: 3 training pairs, 290 pieces, 1 batches an epoch; 1 pairs dropped as longer than 16 "
        "tokens"
    )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_sentences_too_long_to_be_scored_are_refused_before_training(prepare, split):
    with pytest.raises(ValueError) as refused:
        prepare(**{f"{split}_en": b"the cat\n" + b"z" * 5_000 + b"\n"})
    assert str(refused.value) == (
        f"The {split} split, line 2: a sentence that is scored must have at most 4,096 tokens, "
        "this has 5,002. Split it."
    )


def test_vocabulary_of_a_corpus_without_symbols_is_kept_where_it_always_was(numbers, tmp_path):
    name = hashlib.sha256(f"{numbers.identity} en-de 512".encode()).hexdigest()[:32]
    path = tmp_path / "vocabularies" / f"{name}.model"
    train_vocabulary(["kept before"], 300).save(path)
    kept = prepare_vocabulary(numbers, 512, tmp_path, lambda line: None)
    assert kept.digest == Vocabulary.load(path).digest
    marked = dataclasses.replace(numbers, symbols=("hundred",))
    other = prepare_vocabulary(marked, 512, tmp_path, lambda line: None)
    assert other.digest != kept.digest
    assert other.pieces([4]) == ["▁hundred"]


def test_another_seed_changes_the_order_and_nothing_else():
    data, other = training_data(config()), training_data(config(seed=1))
    found = in_the_order_of(config(seed=1), data)
    assert found.fingerprint == other.fingerprint != data.fingerprint
    assert found.train is data.train
    for step in range(5):
        ours, theirs = found.plan.rows(step), other.plan.rows(step)
        np.testing.assert_array_equal(ours.examples, theirs.examples)
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)


def test_vocabulary_of_another_run_must_have_the_labels_as_pieces(write_text, tmp_path, lines):
    sides = {"text": b"fine\npoor\n", "label": b"good\nbad\n"}
    files = {f"{split}.{side}": text for split in SPLITS for side, text in sides.items()}
    settings = {"corpus": "labelled_text", "dir": str(write_text(files)), "vocab_size": 300}
    settings |= {"source_language": "text", "target_language": "label"}
    run = config(data=settings, model={"system": "encoder_only"})

    def prepare(symbols):
        vocabulary = train_vocabulary(["fine ▸"], 300, symbols)
        return prepare_training_data(run, tmp_path, lines.append, vocabulary=vocabulary)

    assert len(prepare(("▸", "good", "bad")).train) == 2
    for symbols, missing in ((("▸", "good"), "bad"), (("good", "▸", "bad"), "▸"), ((), "▸")):
        with pytest.raises(ValueError, match=f"must have the symbol '{missing}' as one piece"):
            prepare(symbols)
