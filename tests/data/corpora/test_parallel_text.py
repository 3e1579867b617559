import pytest

from experiment.data import open_corpus, progress
from experiment.data.corpora import preparation

GOOD = {
    "train.en": b"one\ntwo\nthree\n",
    "train.de": "eins\r\nzwei\r\ndrei \U0001f600".encode(),
    "validation.en": b"\xef\xbb\xbffour\n\n",
    "validation.de": "vier\nfünf\n".encode(),
    "README.md": b"not text to translate",
}


def test_files_become_pairs_in_order(open_text, write_text):
    corpus = open_text(write_text(GOOD))
    assert set(corpus.splits) == {"train", "validation"}
    assert list(corpus.pairs("train")) == [
        ("one", "eins"),
        ("two", "zwei"),
        ("three", "drei \U0001f600"),
    ]
    assert list(corpus.pairs("validation")) == [("four", "vier"), ("", "fünf")]


def test_texts_of_one_language_need_no_other(open_text, write_text, lines):
    train = b"one\n\n" + b"one\n" * 150
    folder = write_text({"train.en": train, "validation.en": b"four\n", "train.fr": b"un"})
    corpus = open_text(folder, source="nothing", target="en")
    assert corpus.pairs("train")[:2] == [("", "one"), ("", "one")]
    assert corpus.direction == "nothing-en"
    said = " ".join(lines)
    assert "read train: 152 lines, 151 sentences kept, 1 left out" in said
    assert "150 of 151 sentences of train occur more than once" in said
    assert "pair" not in said


def test_either_direction_is_the_same_corpus(open_text, write_text, lines):
    folder = write_text(GOOD)
    corpus = open_text(folder)
    del lines[:]
    reverse = open_text(folder, source="de", target="en")
    assert (reverse.identity, reverse.folder) == (corpus.identity, corpus.folder)
    assert reverse.pairs("train")[1] == ("zwei", "two")
    assert lines == []


def test_one_byte_more_is_another_corpus(open_text, write_text):
    first = open_text(write_text(GOOD))
    second = open_text(write_text({"train.en": b"one!\ntwo\nthree\n"}))
    assert first.identity != second.identity
    assert second.pairs("train")[0] == ("one!", "eins")
    assert first.pairs("train")[0] == ("one", "eins")


def test_unrelated_files_do_not_change_the_corpus(open_text, write_text):
    first = open_text(write_text(GOOD))
    second = open_text(write_text({"README.md": b"changed", "train.fr": b"un"}))
    assert first.identity == second.identity


def test_missing_counterpart(refused, write_text):
    folder = write_text({"train.en": b"a\n", "train.de": b"a\n", "test.en": b"a\n"})
    assert refused(folder) == (
        f"{folder}/test.en must have a counterpart, but {folder}/test.de is missing. Add it, or "
        "move test.en elsewhere."
    )


def test_other_languages(refused, write_text):
    folder = write_text(GOOD)
    assert refused(folder, source="fr", target="it") == (
        f"{folder} must have files such as train.fr and train.it; found: README.md, train.de, "
        "train.en, validation.de, validation.en. Rename the files, or set data.source_language "
        "and data.target_language to their suffixes."
    )


def test_the_same_language_twice(open_text, write_text):
    with pytest.raises(ValueError, match="must differ; both are 'en'"):
        open_text(write_text(GOOD), target="en")


def test_no_folder(refused, tmp_path):
    folder = tmp_path / "nowhere"
    assert refused(folder) == (
        f"data.dir={folder} must be a folder with files such as train.en and train.de; it does not "
        "exist."
    )
    assert refused("") == (
        "data.dir must name the folder of a parallel_text corpus, with files such as train.en "
        "and train.de; it is empty."
    )


def test_a_file_for_a_folder(open_text, write_text):
    with pytest.raises(ValueError, match="it is not one"):
        open_text(write_text(GOOD) / "train.en")


@pytest.mark.parametrize("name", ["new test", "test[:5]", "tëst", ""])
def test_split_names_that_cannot_be_asked_for(open_text, write_text, name):
    folder = write_text({f"{name}.en": b"a\n", f"{name}.de": b"a\n"})
    with pytest.raises(ValueError, match="A split's name must be letters, digits, '_' and '-'"):
        open_text(folder)


def test_split_names_with_dashes_can_be_read(open_text, write_text):
    corpus = open_text(write_text({"newstest-2014.en": b"a\n", "newstest-2014.de": b"b\n"}))
    assert list(corpus.pairs("newstest-2014")) == [("a", "b")]


def test_an_interrupted_preparation_is_not_trusted(open_text, write_text, monkeypatch, tmp_path):
    folder = write_text(GOOD)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(preparation, "checked_data_source", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_text(folder)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert len(open_text(folder).pairs("train")) == 3


def test_reports_reach_the_terminal_while_tfds_works(
    data_config, write_text, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    folder = str(write_text(GOOD))
    open_corpus(data_config(corpus="parallel_text", dir=folder), tmp_path, print)
    assert f"preparing {folder}: 5 of 5 (100 %)" in capfd.readouterr().out


def test_nothing_is_printed(open_text, write_text, capfd, lines):
    open_text(write_text(GOOD)).pairs("train")
    assert tuple(capfd.readouterr()) == ("", "")
    assert lines
