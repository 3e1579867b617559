import subprocess
import sys

import pytest

from experiment.data import open_corpus
from experiment.data.corpora import corpus as corpus_module
from experiment.data.corpora import number_words


def test_numbers_are_what_is_generated(numbers):
    pairs = numbers.pairs("validation")
    expected = number_words.numbers_of_splits()["validation"]
    assert len(pairs) == 1_000
    assert list(pairs) == [
        (number_words.english(number), number_words.german(number)) for number in expected
    ]


def test_pairs_are_a_sequence(numbers):
    pairs = numbers.pairs("test")
    assert pairs[-1] == pairs[999]
    assert pairs[5:8] == [pairs[5], pairs[6], pairs[7]]
    assert pairs[7:5] == []
    with pytest.raises(IndexError):
        pairs[1_000]


def test_the_direction_is_the_one_asked_for(numbers, numbers_cache, data_config):
    config = data_config(source_language="de", target_language="en")
    reverse = open_corpus(config, numbers_cache, lambda line: None)
    assert reverse.identity == numbers.identity
    assert reverse.direction == "de-en"
    assert reverse.pairs("test")[0] == numbers.pairs("test")[0][::-1]


def test_a_prepared_corpus_is_opened_in_silence(numbers, numbers_cache, data_config, lines):
    assert open_corpus(data_config(), numbers_cache, lines.append) == numbers
    assert lines == []


def test_a_prepared_corpus_is_opened_without_tfds(numbers, numbers_cache):
    code = (
        "import pathlib, sys\n"
        "from experiment.config import DataConfig\n"
        "from experiment.data import open_corpus\n"
        "config = DataConfig('numbers', '', 'en', 'de', 512, 'bucketed', (8,), 8)\n"
        "corpus = open_corpus(config, pathlib.Path(sys.argv[1]), print)\n"
        "slow = {'tensorflow_datasets', 'grain', 'num2words', 'tensorflow'} & set(sys.modules)\n"
        "print(corpus.identity, sorted(slow))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(numbers_cache)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{numbers.identity} []\n"


def test_an_unknown_split_is_refused(numbers):
    with pytest.raises(
        ValueError,
        match=r"no split 'dev'\. It has: train, validation, test, test_millions\.$",
    ):
        numbers.pairs("dev")


def test_numbers_can_be_had_in_one_language(data_config, tmp_path, numbers):
    config = data_config(source_language="nothing", target_language="de")
    alone = open_corpus(config, numbers.folder.parents[1], print)
    assert (alone.identity, alone.folder) == (numbers.identity, numbers.folder)
    (source, target), (_, german) = alone.pairs("test")[3], numbers.pairs("test")[3]
    assert (source, target) == ("", german)


@pytest.mark.parametrize("languages", [("en", "fr"), ("en", "en"), ("nothing", "fr")])
def test_numbers_in_other_languages_are_refused(data_config, tmp_path, languages):
    source, target = languages
    config = data_config(source_language=source, target_language=target)
    with pytest.raises(ValueError, match="must go from 'en' to 'de' or back"):
        open_corpus(config, tmp_path, print)


@pytest.mark.parametrize("how", ["cut", "removed", "undescribed"])
def test_damaged_records_are_noticed(data_config, write_text, tmp_path, how):
    content = b"sentence\n" * 500
    folder = write_text({"train.en": content, "train.de": content})
    config = data_config(corpus="parallel_text", dir=str(folder))
    corpus = open_corpus(config, tmp_path, lambda line: None)
    (records,) = corpus.folder.glob("*.array_record*")
    if how == "cut":
        records.write_bytes(records.read_bytes()[:-100])
    elif how == "removed":
        records.unlink()
    else:
        (corpus.folder / "dataset_info.json").unlink()
    with pytest.raises(ValueError, match=r" Delete .* and it is prepared again\.$") as caught:
        corpus.pairs("train")
    assert "\n" not in str(caught.value)


def test_missing_pairs_are_noticed(numbers):
    class Split:
        num_examples = 3

    class Builder:
        class info:
            splits = {"train": Split}  # noqa: RUF012

        def as_data_source(self, split):
            return ["one", "two"]

    with pytest.raises(ValueError, match="'train' must have 3 pairs, but has 2"):
        corpus_module.checked_data_source(Builder(), "train")
