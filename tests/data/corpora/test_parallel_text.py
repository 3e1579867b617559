import re

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


@pytest.fixture
def open_text(data_config, tmp_path, lines):
    def open_text(folder, source="en", target="de"):
        config = data_config(
            corpus="parallel_text",
            dir=str(folder),
            source_language=source,
            target_language=target,
        )
        return open_corpus(config, tmp_path / "cache", lines.append)

    return open_text


def check_refused(open_text, folder, message, tmp_path, **languages):
    """Checks the whole message, and that nothing was written."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        open_text(folder, **languages)
    assert not (tmp_path / "cache").exists()


def test_files_become_pairs_in_order(open_text, write_text):
    corpus = open_text(write_text(GOOD))
    assert set(corpus.splits) == {"train", "validation"}
    assert list(corpus.pairs("train")) == [
        ("one", "eins"),
        ("two", "zwei"),
        ("three", "drei \U0001f600"),
    ]
    assert list(corpus.pairs("validation")) == [("four", "vier"), ("", "fünf")]


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


def test_training_pairs_with_an_empty_side_are_dropped_and_named(open_text, write_text, lines):
    blank = [b"", b" \t", "\u00a0".encode(), "\u200b".encode(), b"\r", b"", b"good"]
    english = b"".join(line + b"\n" for line in blank)
    folder = write_text({"train.en": english, "train.de": b"a\nb\nc\nd\ne\n\ng\n"})
    corpus = open_text(folder)
    assert list(corpus.pairs("train")) == [("good", "g")]
    named = ", ".join(f"{folder / 'train.en'}:{number}" for number in range(1, 6))
    assert (
        f"6 of 7 training pairs have an empty side and are left out: {named} and 1 more." in lines
    )


def test_control_strings_and_odd_line_breaks_survive(open_text, write_text):
    line = "</s> <pad> a\u2028b\u0085c\x0bd \u202bRTL\u202c"
    both = f"{line}\n".encode()
    corpus = open_text(write_text({"train.en": both, "train.de": both}))
    assert list(corpus.pairs("train")) == [(line, line)]


def test_unequal_line_counts(open_text, write_text, tmp_path):
    folder = write_text({"train.en": b"a\nb\n", "train.de": b"a\nb\nc\nd"})
    check_refused(
        open_text,
        folder,
        f"Both languages must have as many lines: {folder}/train.de has 4 and {folder}/train.en "
        "has 2. Align them again.",
        tmp_path,
    )


@pytest.mark.parametrize("shorter", ["en", "de"])
def test_one_line_less_is_noticed_on_either_side(open_text, write_text, shorter):
    content = {"train.en": b"a\nb\n", "train.de": b"a\nb\n", f"train.{shorter}": b"a\n"}
    with pytest.raises(ValueError, match=f"train.{shorter} has 1"):
        open_text(write_text(content))


def test_invalid_utf8(open_text, write_text, tmp_path):
    folder = write_text({**GOOD, "validation.de": b"vier\nf\xffnf\n"})
    check_refused(
        open_text,
        folder,
        f"{folder}/validation.de, line 2, byte 2: not UTF-8 (byte 0xff). Convert it to "
        "UTF-8, or take the line out.",
        tmp_path,
    )


def test_nul(open_text, write_text, tmp_path):
    folder = write_text({**GOOD, "train.en": b"one\ntw\0o\nthree\n"})
    message = f"{folder}/train.en, line 2: a sentence must not hold a NUL character. Remove it."
    check_refused(open_text, folder, message, tmp_path)


def test_empty_files(open_text, write_text, tmp_path):
    folder = write_text({**GOOD, "validation.en": b"", "validation.de": b""})
    check_refused(
        open_text,
        folder,
        f"{folder}/validation.de and {folder}/validation.en must have at least one pair of "
        "sentences; they have none.",
        tmp_path,
    )


def test_nothing_but_empty_training_pairs(open_text, write_text):
    with pytest.raises(ValueError, match="must have at least one pair"):
        open_text(write_text({"train.en": b"\n \n", "train.de": b"a\nb\n"}))


def test_missing_counterpart(open_text, write_text, tmp_path):
    folder = write_text({"train.en": b"a\n", "train.de": b"a\n", "test.en": b"a\n"})
    check_refused(
        open_text,
        folder,
        f"{folder}/test.en must have a counterpart, but {folder}/test.de is missing. Add it, or "
        "move test.en elsewhere.",
        tmp_path,
    )


def test_other_languages(open_text, write_text, tmp_path):
    folder = write_text(GOOD)
    check_refused(
        open_text,
        folder,
        f"{folder} must have files such as train.fr and train.it; found: README.md, train.de, "
        "train.en, validation.de, validation.en. Rename the files, or set data.source_language "
        "and data.target_language to their suffixes.",
        tmp_path,
        source="fr",
        target="it",
    )


def test_the_same_language_twice(open_text, write_text):
    with pytest.raises(ValueError, match="must differ; both are 'en'"):
        open_text(write_text(GOOD), target="en")


def test_no_folder(open_text, tmp_path):
    folder = tmp_path / "nowhere"
    check_refused(
        open_text,
        folder,
        f"data.dir={folder} must be a folder with files such as train.en and train.de; it does "
        "not exist.",
        tmp_path,
    )
    check_refused(
        open_text,
        "",
        "data.dir must name the folder of a parallel_text corpus, with files such as train.en "
        "and train.de; it is empty.",
        tmp_path,
    )


def test_a_file_for_a_folder(open_text, write_text):
    with pytest.raises(ValueError, match="it is not one"):
        open_text(write_text(GOOD) / "train.en")


def test_a_folder_for_a_file(open_text, write_text):
    folder = write_text(GOOD)
    (folder / "test.en").mkdir()
    (folder / "test.de").mkdir()
    with pytest.raises(ValueError, match=r"test\.de cannot be read"):
        open_text(folder)


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
