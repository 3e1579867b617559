import io
import os
import re
import tracemalloc

import pytest

from experiment.data.corpora.text_lines import MAX_LINE_BYTES, lines_of, read_lines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train.en"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r", ["a\r"]),
        (b"a\rb\n", ["a\rb"]),
        (b"\xef\xbb\xbfa\n", ["a"]),
        (b"a\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\n", [""]),
        (b"\n", [""]),
        (b"", []),
        ("a\u2028b\u0085c\x0bd\x0ce\x1cf\n".encode(), ["a\u2028b\u0085c\x0bd\x0ce\x1cf"]),
    ],
)
def test_only_line_feeds_end_lines(path, content, expected):
    path.write_bytes(content)
    assert list(read_lines(path)) == expected


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"good\nab\xffcd\n", "line 2, byte 3: not UTF-8 (byte 0xff)"),
        (b"\xc3", "line 1, byte 1: not UTF-8 (byte 0xc3)"),
        (b"x\xc0\xafy\n", "line 1, byte 2: not UTF-8 (byte 0xc0)"),
        (b"\xed\xa0\x80\n", "line 1, byte 1: not UTF-8 (byte 0xed)"),
        (b"a\nb\0c\n", "line 2: a sentence must not hold a NUL character"),
    ],
)
def test_bad_bytes_are_named_by_place(path, content, where):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}, {where}")):
        list(read_lines(path))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_line_is_read(path, mark, end):
    path.write_bytes(mark + b"x" * MAX_LINE_BYTES + end)
    assert [len(line) for line in read_lines(path)] == [MAX_LINE_BYTES]


def test_a_longer_line_is_refused_without_reading_it(path):
    path.write_bytes(b"short\n" + b"x" * 20 * MAX_LINE_BYTES)
    tracemalloc.start()
    with pytest.raises(ValueError, match="line 2: a line must not exceed 1,000,000 bytes"):
        list(read_lines(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * MAX_LINE_BYTES


def test_a_longer_line_is_passed_over_in_pieces():
    content = b"short\n" + b"x" * 20 * MAX_LINE_BYTES + b"\nlast"
    tracemalloc.start()
    first, long, last = lines_of(io.BytesIO(content), "input")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first, last) == ("short", "last")
    assert long.reason == "input, line 2: a line must not exceed 1,000,000 bytes"
    assert peak < 6 * MAX_LINE_BYTES


def test_what_is_no_file_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match="must be a text file, but it does not exist"):
        list(read_lines(path))
    with pytest.raises(ValueError, match="must be a text file, but it is a folder"):
        list(read_lines(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_one_may_not_read_is_refused(path):
    path.write_text("secret")
    path.chmod(0)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        list(read_lines(path))
