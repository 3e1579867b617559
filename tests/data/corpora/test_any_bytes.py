"""Whatever the bytes of a corpus or of what is to be translated, no line is lost unseen."""

import gzip
import io
import lzma
import pathlib
import re
import tempfile

from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiment.config import ON_ERROR
from experiment.data.corpora import survey, text_folder
from experiment.data.corpora.parallel_files import pairs
from experiment.data.corpora.text_lines import MAX_LINE_BYTES, lines_of

ANY = settings(derandomize=True, deadline=None, max_examples=300)
MARK = b"\xef\xbb\xbf"
INVISIBLE = set("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
ENDS = [b"\n", b"\r\n"]
PIECES = st.one_of(
    st.sampled_from([*ENDS, b"\r", b"\0", MARK, b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80"]),
    st.sampled_from("ä\u2028\x85\x0b\u200b\u00a0漢😀").map(str.encode),
    st.sampled_from([b"", b"word", b" ", b"\t", (MAX_LINE_BYTES - 1) * b"x", b"xy"]),
    st.binary(max_size=5),
)
SIDES = st.lists(PIECES, max_size=4).map(b"".join)
LINE_PAIRS = st.lists(st.tuples(SIDES, st.sampled_from(ENDS), SIDES), max_size=6)
BYTES = st.lists(PIECES, max_size=12).map(b"".join)
FILES = st.one_of(
    st.tuples(BYTES, BYTES),
    LINE_PAIRS.map(
        lambda rows: tuple(
            b"".join(row[side].replace(b"\n", b"") + row[1] for row in rows) for side in (0, 2)
        )
    ),
)


def reference(content):
    """The lines of a file, None for each that is no text."""
    parts = content.removeprefix(MARK).split(b"\n")
    ended = [part.removesuffix(b"\r") for part in parts[:-1]]
    return [text_or_none(line) for line in [*ended, *filter(None, parts[-1:])]]


def text_or_none(line):
    try:
        text = str(line, "utf-8")
    except UnicodeDecodeError:
        return None
    return None if len(line) > MAX_LINE_BYTES or "\0" in text else text


def is_blank(text):
    return all(character.isspace() or character in INVISIBLE for character in text)


def read(folder, on_error):
    """Everything that is done before a corpus is written."""
    files = text_folder.find_files(str(folder), ("en", "de"))
    text_folder.content_digest(files, on_error)
    said = []
    counts = survey.check(files, said.append, on_error)
    found = [(pair["en"], pair["de"]) for _, pair in pairs("train", files["train"], on_error)]
    assert counts["train"] == len(found)
    counted = re.search(r"train: (\d+) lines?, (\d+) pairs? kept, (\d+) left", "\n".join(said))
    assert int(counted[2]) == len(found)
    return found, int(counted[1]), int(counted[3])


def check_one_line_that_names_a_file(error, folder):
    assert len(str(error).splitlines()) == 1
    assert str(folder) in str(error)


@ANY
@given(content=FILES, on_error=st.sampled_from(ON_ERROR))
@example(content=(MARK + MAX_LINE_BYTES * b"x" + b"\n", b"a\n"), on_error="refuse")
@example(content=((MAX_LINE_BYTES + 1) * b"x" + b"\r\nb", b"a\nb\n"), on_error="skip")
@example(content=(MARK, b"\n"), on_error="skip")
@example(content=(b"a\n\0\n\n", b"a\nb\nc"), on_error="skip")
def test_any_two_files_are_refused_in_one_line_or_become_what_a_naive_reader_finds(
    content, on_error
):
    sides = [reference(side) for side in content]
    with tempfile.TemporaryDirectory() as folder:
        for language, side in zip(("en", "de"), content, strict=True):
            (pathlib.Path(folder) / f"train.{language}").write_bytes(side)
        try:
            found, lines, left_out = read(folder, on_error)
        except ValueError as error:
            check_one_line_that_names_a_file(error, folder)
            rows = [row for row in zip(*sides, strict=False) if None not in row]
            unreadable = None in sides[0] + sides[1]
            assert (
                len(sides[0]) != len(sides[1])
                or (unreadable and on_error == "refuse")
                or all(is_blank(en) or is_blank(de) for en, de in rows)
                or any(side[:2] == b"\x1f\x8b" for side in content)
            )
            return
    rows = list(zip(*sides, strict=True))
    assert found == [
        (en, de) for en, de in rows if None not in (en, de) and not is_blank(en) | is_blank(de)
    ]
    assert lines == len(rows) == len(found) + left_out


PACK = {".gz": lambda text: gzip.compress(text, mtime=0), ".xz": lzma.compress}


@ANY
@given(
    suffix=st.sampled_from(sorted(PACK)),
    begin=st.integers(0, 80),
    length=st.integers(0, 80),
    instead=st.binary(max_size=9),
)
def test_a_damaged_packed_file_is_refused_in_one_line_or_means_the_same(
    suffix, begin, length, instead
):
    whole = PACK[suffix](b"one\ntwo\n")
    damaged = whole[:begin] + instead + whole[begin + length :]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / f"train.en{suffix}").write_bytes(damaged)
        (pathlib.Path(folder) / "train.de").write_bytes(b"eins\nzwei\n")
        try:
            found, _, _ = read(folder, "skip")
        except ValueError as error:
            check_one_line_that_names_a_file(error, folder)
            return
    assert found == [("one", "eins"), ("two", "zwei")]


@ANY
@given(content=BYTES)
@example(content=MARK + MAX_LINE_BYTES * b"x" + b"\nb")
@example(content=3 * MAX_LINE_BYTES * b"x" + b"\nb")
@example(content=MAX_LINE_BYTES * b"x" + b"\r\nb")
def test_as_many_lines_come_out_of_any_bytes_as_are_in_them(content):
    found = [line if isinstance(line, str) else None for line in lines_of(io.BytesIO(content), "x")]
    assert found == reference(content)
