"""Text that is not as it should be, kind by kind: refused, left out or reported, never unseen."""

import gzip
import lzma
import os
import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds

from experiment.data import PAD_ID, UNK_ID, train_vocabulary
from experiment.data.corpora import parallel_files
from experiment.data.corpora.checked_files import CheckedFiles
from experiment.data.corpora.corpus import checked_data_source
from experiment.training.start import check_same_data

GOOD = {
    "train.en": b"one\ntwo\nthree\n",
    "train.de": b"eins\nzwei\ndrei\n",
    "validation.en": b"four\n",
    "validation.de": b"vier\n",
}
OR_SKIP = " Or leave such training pairs out: --config.data.on_error=skip."


# a: files that do not belong together line by line


def test_unequal_line_counts_are_refused_with_the_first_line_that_is_alone(refused, write_text):
    folder = write_text({**GOOD, "train.en": b"one\ntwo\n"})
    assert refused(folder) == (
        f"Both languages must have as many lines: {folder}/train.de has 3 and {folder}/train.en "
        "has 2, so line 3 of train.de has no counterpart. Align them again."
    )


@pytest.mark.parametrize("shorter", ["en", "de"])
def test_one_line_less_is_noticed_on_either_side(refused, write_text, shorter):
    assert f"train.{shorter} has 2" in refused(write_text({**GOOD, f"train.{shorter}": b"a\nb\n"}))


# b: what is not UTF-8


@pytest.mark.parametrize(
    ("bad", "byte"),
    [(b"\xff", "ff"), (b"\xc3", "c3"), (b"\xc0\xaf", "c0"), (b"\xed\xa0\x80", "ed")],
    ids=["never", "truncated", "overlong", "surrogate"],
)
def test_invalid_utf_8_is_refused_with_file_line_and_byte(refused, write_text, bad, byte):
    folder = write_text({**GOOD, "train.en": b"one\ntw" + bad + b"\nthree\n"})
    assert refused(folder) == (
        f"{folder}/train.en, line 2, byte 3: not UTF-8 (byte 0x{byte}). Convert it to UTF-8, or "
        "take the line out." + OR_SKIP
    )


def test_refusal_says_how_many_more_pairs_there_are(refused, write_text):
    folder = write_text({**GOOD, "train.en": b"\xff\n\xff\n\xff\n", "train.de": b"\xff\na\n\xff\n"})
    assert refused(folder) == (
        f"{folder}/train.de, line 1, byte 1: not UTF-8 (byte 0xff), and 2 more pairs cannot be "
        "read. Convert it to UTF-8, or take the line out." + OR_SKIP
    )


def test_training_pair_that_cannot_be_read_is_left_out_and_named_on_demand(
    open_text, write_text, lines
):
    english, german = b"one\ntw\xffo\nth\0ree\nfour\n", b"eins\nzwei\ndrei\nvi\xc3\n"
    folder = write_text({**GOOD, "train.en": english, "train.de": german})
    corpus = open_text(folder, on_error="skip")
    assert list(corpus.pairs("train")) == [("one", "eins")]
    assert lines[1:] == [
        "read train: 4 lines, 1 pair kept, 3 left out",
        "2 of 4 training pairs have a side that is not UTF-8 and are left out: "
        f"{folder}/train.en:2:3, {folder}/train.de:4:3.",
        "1 of 4 training pairs have a side with a NUL character and are left out: "
        f"{folder}/train.en:3.",
        "read validation: 1 line, 1 pair kept, 0 left out",
    ]


@pytest.mark.parametrize("on_error", ["refuse", "skip"])
def test_pairs_to_score_are_never_left_out(refused, write_text, on_error):
    folder = write_text({**GOOD, "validation.de": b"vi\xffr\n"})
    only = " Only training pairs may be left out: a score is of all lines."
    assert refused(folder, on_error=on_error) == (
        f"{folder}/validation.de, line 1, byte 3: not UTF-8 (byte 0xff). Convert it to UTF-8, or "
        "take the line out." + only * (on_error == "skip")
    )


def test_leaving_lines_out_makes_another_corpus(open_text, write_text):
    folder = write_text(GOOD)
    refusing, skipping = (open_text(folder, on_error=rule) for rule in ("refuse", "skip"))
    assert refusing.identity != skipping.identity
    assert list(refusing.pairs("train")) == list(skipping.pairs("train"))


def test_a_plain_corpus_keeps_its_identity(open_text, write_text):
    """Runs that were trained on it go on only with the same."""
    assert open_text(write_text(GOOD)).identity == (
        "f00f2de6ac1cadfa491e1b7bcadd3055d3ba7795cc93f3b11fcea41dd59e94e8"
    )


# c: nothing to read


def test_empty_training_sides_are_left_out_and_named(open_text, write_text, lines):
    blank = [b"", b" \t", "\u00a0".encode(), "\u200b\ufeff".encode(), b"\r", b"", b"good"]
    english = b"".join(line + b"\n" for line in blank)
    folder = write_text({"train.en": english, "train.de": b"a\nb\nc\nd\ne\n\ng\n"})
    assert list(open_text(folder).pairs("train")) == [("good", "g")]
    named = ", ".join(f"{folder}/train.en:{number}" for number in range(1, 6))
    assert lines[1:] == [
        "read train: 7 lines, 1 pair kept, 6 left out",
        f"6 of 7 training pairs have an empty side and are left out: {named} and 1 more.",
    ]


def test_empty_sides_to_score_are_kept_and_reported(open_text, write_text, lines):
    folder = write_text({**GOOD, "validation.en": b"four\n\n", "validation.de": b"vier\nf\n"})
    assert list(open_text(folder).pairs("validation")) == [("four", "vier"), ("", "f")]
    assert lines[3:] == [
        "warning: 1 of 2 pairs of validation have an empty side, and are kept: a score is of all "
        f"lines: {folder}/validation.en:2."
    ]


# d: absurd lengths


def test_a_line_of_10_megabytes_is_refused_or_left_out_but_never_cut(
    refused, open_text, write_text, lines
):
    folder = write_text({**GOOD, "train.en": b"one\n" + 10**7 * b"x" + b"\nthree\n"})
    assert refused(folder) == (
        f"{folder}/train.en, line 2: a line must not exceed 1,000,000 bytes. Is this one sentence "
        "a line?" + OR_SKIP
    )
    corpus = open_text(folder, on_error="skip")
    assert list(corpus.pairs("train")) == [("one", "eins"), ("three", "drei")]
    assert (
        "1 of 3 training pairs have a side longer than 1,000,000 bytes and are left out: "
        f"{folder}/train.en:2."
    ) in lines


def test_a_word_of_50000_letters_arrives_whole(open_text, write_text):
    folder = write_text({**GOOD, "train.en": b"one\n" + 50_000 * b"x" + b"\nthree\n"})
    assert open_text(folder).pairs("train")[1] == (50_000 * "x", "zwei")


# e: byte order marks


def test_byte_order_mark_is_left_out_at_the_start_and_reported_inside(open_text, write_text, lines):
    mark = b"\xef\xbb\xbf"
    folder = write_text({**GOOD, "train.en": mark + b"one\ntwo\nth" + mark + b"ree\n"})
    assert [pair[0] for pair in open_text(folder).pairs("train")] == ["one", "two", "th\ufeffree"]
    assert lines[1:4] == [
        f"{folder}/train.en begins with a byte order mark, which is left out",
        "read train: 3 lines, 3 pairs kept, 0 left out",
        f"warning: 1 of 3 pairs of train have a byte order mark inside: {folder}/train.en:3.",
    ]


# f: control characters


def test_nul_is_refused(refused, write_text):
    folder = write_text({**GOOD, "validation.en": b"fo\0ur\n"})
    assert refused(folder) == (
        f"{folder}/validation.en, line 1: a sentence must not hold a NUL character. Remove it."
    )


def test_other_control_characters_are_kept_and_reported(open_text, write_text, lines):
    folder = write_text({**GOOD, "train.de": b"eins\nzw\x07ei\n\x1bdrei\tvier\n"})
    found = [pair[1] for pair in open_text(folder).pairs("train")]
    assert found == ["eins", "zw\x07ei", "\x1bdrei\tvier"]
    assert lines[2] == (
        "warning: 2 of 3 pairs of train have control characters, or line breaks other than the end "
        f"of the line: {folder}/train.de:2, {folder}/train.de:3."
    )


# g: what ends a line


def test_only_line_feeds_end_lines_and_other_line_breaks_are_reported(open_text, write_text, lines):
    odd = "a\rb\u2028c\u2029d\u0085e\x0bf\x0cg\x1ch"
    folder = write_text({**GOOD, "train.en": f"one\r\n{odd}\r\nthree".encode()})
    assert [pair[0] for pair in open_text(folder).pairs("train")] == ["one", odd, "three"]
    assert lines[2].endswith(f"other than the end of the line: {folder}/train.en:2.")


# h: ends of files


def test_last_line_may_lack_its_end(open_text, write_text):
    folder = write_text({**GOOD, "train.en": b"one\ntwo\nthree"})
    assert open_text(folder).pairs("train")[2] == ("three", "drei")


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["empty", "one line feed"])
def test_text_without_a_pair_is_refused(refused, write_text, content):
    folder = write_text({**GOOD, "train.en": content, "train.de": content})
    assert refused(folder) == (
        f"{folder}/train.de and {folder}/train.en must have at least one pair of sentences; they "
        "have none."
    )


# i: compressed files

PACK = {".gz": gzip.compress, ".xz": lzma.compress}
KIND = {".gz": "gzip", ".xz": "xz"}
SPARE = {".gz": b"\0" * 9, ".xz": b"\0" * 8}  # padding that either kind may have


def packed(write_text, content, suffix=".gz"):
    """`GOOD` with the English training text as a compressed file of this content."""
    folder = write_text({**GOOD, f"train.en{suffix}": content})
    (folder / "train.en").unlink()
    return folder


@pytest.mark.parametrize("suffix", PACK)
def test_packed_text_is_the_same_corpus(open_text, write_text, suffix, lines):
    plain = open_text(write_text(GOOD))
    half, rest = GOOD["train.en"][:5], GOOD["train.en"][5:]
    pack = PACK[suffix]
    for content in (pack(half + rest), pack(half) + SPARE[suffix] + pack(rest) + SPARE[suffix]):
        corpus = open_text(packed(write_text, content, suffix))
        assert corpus.identity == plain.identity
    shutil.rmtree(plain.folder)  # so that it is prepared again
    assert list(open_text(packed(write_text, content, suffix)).pairs("train")) == [
        ("one", "eins"),
        ("two", "zwei"),
        ("three", "drei"),
    ]


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("left", [0.5, 0.9])
def test_packed_text_that_ends_too_early_is_refused(refused, write_text, suffix, left):
    whole = PACK[suffix](os.urandom(3_000).hex().encode() + b"\n")
    folder = packed(write_text, whole[: int(left * len(whole))], suffix)
    assert refused(folder) == (
        f"{folder}/train.en{suffix} must be a whole {KIND[suffix]} file, but it ends too early. "
        "Copy it again."
    )


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("how", ["tail", "flip"])
def test_packed_text_with_a_garbage_tail_or_damage_is_refused(refused, write_text, suffix, how):
    whole = bytearray(PACK[suffix](os.urandom(3_000).hex().encode() + b"\n"))
    if how == "tail":
        whole += b"garbage"
    else:
        whole[len(whole) // 2] ^= 1
    folder = packed(write_text, bytes(whole), suffix)
    message = refused(folder)
    assert message.startswith(
        f"{folder}/train.en{suffix} must be a whole {KIND[suffix]} file and nothing else, but it "
        "is damaged or goes on behind its end ("
    )
    assert message.endswith("). Copy it again.")


@pytest.mark.parametrize("content", [b"", GOOD["train.en"], lzma.compress(b"one\n")])
def test_a_wrong_extension_is_refused(refused, write_text, content):
    folder = packed(write_text, content)
    assert refused(folder) == (
        f"{folder}/train.en.gz must be a gzip file, as its name says, but it does not begin like "
        "one. Rename it."
    )


@pytest.mark.parametrize("suffix", PACK)
def test_a_missing_extension_is_refused(refused, write_text, suffix):
    folder = write_text({**GOOD, "train.en": PACK[suffix](GOOD["train.en"])})
    assert refused(folder) == (
        f"{folder}/train.en must be text, but it is a {KIND[suffix]} file. "
        f"Rename it to train.en{suffix}."
    )


def test_the_same_text_packed_and_not_is_refused(refused, write_text):
    folder = write_text({**GOOD, "train.en.gz": gzip.compress(GOOD["train.en"])})
    assert refused(folder) == (
        f"{folder}/train.en.gz and {folder}/train.en must not both be there: which of them is "
        "meant? Move one elsewhere."
    )


# j: pairs that say little, or the wrong thing


def test_repeated_and_copied_pairs_are_counted(open_text, write_text, lines):
    english, german = b"one\ntwo\none\none\nfour\n", b"eins\ntwo\neins\nuno\nvier\n"
    folder = write_text({**GOOD, "train.en": english, "train.de": german})
    assert len(open_text(folder).pairs("train")) == 5
    assert lines[2:5] == [
        f"warning: 1 of 5 pairs of train have the same text on both sides: {folder}/train.de:2.",
        "warning: 1 of 5 pairs of train occur more than once (counted from the second on): "
        f"{folder}/train.de:3.",
        "read validation: 1 line, 1 pair kept, 0 left out",
    ]


def test_few_repeated_pairs_are_no_warning(open_text, write_text, lines):
    english, german = (
        "".join(f"{word} {number}\n" for number in [*range(99), 0]).encode()
        for word in ("number", "Nummer")
    )
    folder = write_text({**GOOD, "train.en": english, "train.de": german})
    open_text(folder)
    assert lines[2] == (
        "1 of 100 pairs of train occur more than once (counted from the second on): "
        f"{folder}/train.de:100."
    )


def test_training_pairs_among_those_to_score_are_counted(open_text, write_text, lines):
    folder = write_text({**GOOD, "validation.en": b"four\ntwo\n", "validation.de": b"vier\nzwei\n"})
    open_text(folder)
    assert lines[3:] == [
        "warning: 1 of 2 pairs of validation are training pairs too, which makes scores too good: "
        f"{folder}/validation.de:2."
    ]


def test_swapped_languages_are_counted(open_text, write_text, lines, numbers):
    pairs = numbers.pairs("train")[:300]
    for place in (40, 41, 200):
        pairs[place] = pairs[place][::-1]
    english, german = (
        "".join(f"{text}\n" for text in side).encode() for side in zip(*pairs, strict=True)
    )
    folder = write_text({**GOOD, "train.en": english, "train.de": german})
    open_text(folder)
    assert lines[2] == (
        "warning: 3 of 300 pairs of train seem to have their languages swapped: "
        f"{folder}/train.de:41, {folder}/train.de:42, {folder}/train.de:201."
    )


# k: ways to write the same


def test_what_unicode_writes_in_several_ways_is_counted(open_text, write_text, lines):
    german = "fu\u0308nf\n\u202bＺwei\u202c\n\ufffddrei\n"
    folder = write_text({**GOOD, "train.de": german.encode()})
    assert "".join(f"{pair[1]}\n" for pair in open_text(folder).pairs("train")) == german
    assert lines[2:6] == [
        "1 of 3 pairs of train have decomposed characters, which the vocabulary composes (NFKC): "
        f"{folder}/train.de:1.",
        f"1 of 3 pairs of train have marks of the direction of writing: {folder}/train.de:2.",
        "1 of 3 pairs of train have full-width forms, which the vocabulary makes plain (NFKC): "
        f"{folder}/train.de:2.",
        "warning: 1 of 3 pairs of train have replacement characters (U+FFFD): text was lost "
        f"before: {folder}/train.de:3.",
    ]


def test_normalisation_is_part_of_the_vocabulary_and_its_digest():
    """So the fingerprint of a run, which has that digest, tells another normalisation."""
    trained = train_vocabulary(["zwölf große Straßen"], 300)
    assert b"nmt_nfkc" in trained.model_bytes
    assert trained.encode("zwo\u0308lf Ｓtraßen") == trained.encode("zwölf Straßen")


# l: text that looks like a control piece


def test_special_tokens_in_a_corpus_are_text(open_text, write_text):
    line = "</s> <pad> <s> <unk> a"
    folder = write_text({"train.en": f"{line}\n".encode(), "train.de": b"a\n"})
    (pair,) = open_text(folder).pairs("train")
    vocabulary = train_vocabulary(pair, 300)
    *ids, _ = vocabulary.encode(pair[0])
    assert vocabulary.decode(ids) == line
    assert not set(range(PAD_ID, UNK_ID + 1)) & set(ids)


# m: files that change


@pytest.mark.parametrize("content", [b"one\ntwo\nthree!\n", b"one\n", b"\xff\n"])
def test_text_that_changes_while_it_is_prepared_is_refused(
    open_text, write_text, tmp_path, content
):
    folder = write_text(GOOD)

    def change(line):
        if line.startswith("read validation"):  # all has been checked
            (folder / "train.en").write_bytes(content)

    with pytest.raises(ValueError) as caught:
        open_text(folder, report=change)
    assert str(caught.value) == (
        f"The text in {folder} must stay as it is while it is prepared, but it changed. Wait until "
        "it is complete, then start again."
    )
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_text_that_changed_since_a_run_was_trained_on_it_is_told_by_the_fingerprint(
    open_text, write_text
):
    before = open_text(write_text(GOOD)).identity
    now = open_text(write_text({"train.en": b"one\ntwo\nthree!\n"})).identity
    with pytest.raises(ValueError) as caught:
        check_same_data({"corpus": before}, {"corpus": now})
    assert str(caught.value) == (
        f"The data is not what this run was trained on: its corpus was {before[:12]}, now it is "
        f"{now[:12]}. Restore it, or choose another --workdir."
    )


# n: what is no file


def make_folder(path):
    path.mkdir()


def make_loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_folder, "must be a text file, but it is a folder."),
        (os.mkfifo, "must be a text file, but it is a pipe."),
        (make_loop, "cannot be read: Too many levels of symbolic links."),
        (lambda path: path.symlink_to("nowhere"), "must be a text file, but it does not exist."),
        (lambda path: path.symlink_to("/dev/null"), "must be a text file, but it is a device or"),
    ],
    ids=["folder", "pipe", "loop", "dangling", "device"],
)
def test_what_is_no_file_is_refused_and_never_waited_for(refused, write_text, make, message):
    folder = write_text(GOOD)
    (folder / "train.en").unlink()
    make(folder / "train.en")
    assert refused(folder).startswith(f"{folder}/train.en {message}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", ["text", "text/train.en"])
def test_what_may_not_be_read_is_refused(refused, write_text, tmp_path, name):
    folder = write_text(GOOD)
    (tmp_path / name).chmod(0)
    named = f"data.dir={folder}" if name == "text" else f"{folder}/train.en"
    try:
        assert refused(folder) == f"{named} cannot be read: Permission denied."
    finally:
        (tmp_path / name).chmod(0o700)


# o: prepared files that are not whole


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> pathlib.Path:
    """A split in three files, as large corpora have them."""
    folder = tmp_path_factory.mktemp("prepared")
    files = {language: folder / f"train.{language}" for language in ("en", "de")}
    for path in files.values():
        path.write_text("".join(f"sentence {number}\n" for number in range(300)))
    builder = CheckedFiles(
        examples=lambda split: parallel_files.pairs(split, files),
        splits=("train",),
        sides=("en", "de"),
        data_dir=folder / "corpus",
        file_format="array_record",
    )
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=3))
    return pathlib.Path(builder.data_path)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("how", ["missing", "cut", "emptied"])
def test_a_prepared_file_that_is_missing_or_cut_is_noticed_when_opened(
    prepared, tmp_path, number, how
):
    copy = shutil.copytree(prepared, tmp_path / "1.0.0")
    records = sorted(copy.glob("*.array_record*"))[number]
    if how == "missing":
        records.unlink()
    else:
        os.truncate(records, 0 if how == "emptied" else records.stat().st_size - 50)
    with pytest.raises(ValueError) as caught:
        checked_data_source(tfds.builder_from_directory(copy), "train")
    assert str(caught.value).startswith("The split 'train' cannot be read (RuntimeError: ")
    assert "\n" not in str(caught.value)


def test_whole_prepared_files_are_opened(prepared):
    assert len(checked_data_source(tfds.builder_from_directory(prepared), "train")) == 300
