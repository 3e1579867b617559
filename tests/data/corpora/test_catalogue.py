import re

import pytest
import tensorflow_datasets as tfds

from experiment.data import open_corpus
from experiment.data.corpora import preparation


class TinyTranslate(tfds.core.GeneratorBasedBuilder):
    """Built as the sets of the catalogue are: a configuration for each pair of languages."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name="de-en"),
        tfds.core.BuilderConfig(name="broken"),
    ]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Tiny.",
            features=tfds.features.Translation(("de", "en")),
            supervised_keys=("de", "en"),
        )

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "broken":
            raise ConnectionError("Max retries\nexceeded with url: /tiny.tgz")
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        for number in range(20):
            yield number, {"de": f"{split} {number} deutsch", "en": f"{split} {number} englisch"}


def opened(data_config, name, cache, report=print, source="en", target="de"):
    config = data_config(corpus=name, source_language=source, target_language=target)
    return open_corpus(config, cache, report)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("catalogue")


def test_the_direction_is_the_one_asked_for(data_config, cache):
    corpus = opened(data_config, "tiny_translate/de-en", cache)
    assert sorted(corpus.splits) == ["test", "train"]
    pairs = list(corpus.pairs("train"))
    assert len(pairs) == 20
    assert ("train 3 englisch", "train 3 deutsch") in pairs
    reverse = opened(data_config, "tiny_translate/de-en", cache, source="de", target="en")
    assert reverse.identity == corpus.identity
    assert ("train 3 deutsch", "train 3 englisch") in list(reverse.pairs("train"))


def test_a_prepared_set_is_opened_in_silence(data_config, cache, lines):
    opened(data_config, "tiny_translate/de-en", cache)
    opened(data_config, "tiny_translate/de-en", cache, lines.append)
    assert lines == []


def test_a_language_that_is_not_there_is_refused(data_config, cache):
    with pytest.raises(
        ValueError,
        match=r"data\.source_language='fr' must be a language of .*\. It has: de, en\.$",
    ):
        opened(data_config, "tiny_translate/de-en", cache, source="fr")


def test_a_failed_download_is_one_line_with_a_way_out(data_config, tmp_path):
    with pytest.raises(ValueError, match=r"^tiny_translate/broken/1\.0\.0 could not be") as caught:
        opened(data_config, "tiny_translate/broken", tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "ConnectionError: Max retries exceeded with url: /tiny.tgz" in message
    assert "--cache_dir" in message
    assert "data.corpus='parallel_text'" in message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_wmt14_is_found_without_tensorflow(data_config, tmp_path, monkeypatch):
    def no_network(*_):
        raise ConnectionError("no network")

    monkeypatch.setattr("experiment.data.corpora.catalogue.prepare", no_network)
    with pytest.raises(ValueError, match=r"^wmt14_translate/de-en/1.0.0 could not be prepared"):
        opened(data_config, "wmt14_translate/de-en", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nubmers", "data.corpus='nubmers' must be 'numbers', 'parallel_text', "),
        ("nubmers", "Did you mean 'numbers'?"),
        ("wmt14_translat/de-en", "Did you mean 'wmt14_translate'?"),
        ("Not a name", "data.corpus='Not a name' must be 'numbers', 'parallel_text',"),
        ("wmt14_translate/xx-en", "data.corpus='wmt14_translate/xx-en' is not in the TFDS"),
    ],
)
def test_unknown_names_are_refused_in_one_line(data_config, tmp_path, name, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        opened(data_config, name, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_set_that_is_no_translation_is_refused(data_config, tmp_path):
    with pytest.raises(ValueError, match=r"must be a language of imdb_reviews\. It has: "):
        opened(data_config, "imdb_reviews", tmp_path)


def test_growth_is_reported_while_tfds_works(data_config, tmp_path, monkeypatch, lines):
    monkeypatch.setattr(preparation, "SECONDS_BETWEEN_LINES", 0.001)
    opened(data_config, "tiny_translate/de-en", tmp_path, lines.append)
    assert any(re.fullmatch(r"\.\.\. \d+ MiB after \d+ s", line) for line in lines)
