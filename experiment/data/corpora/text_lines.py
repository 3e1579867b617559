"""A strict reader of text, one sentence a line."""

import pathlib
from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE_BYTES = 1_000_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: pathlib.Path) -> Iterator[str]:
    r"""Yields the lines of a UTF-8 file, holding one at a time in memory.

    Only "\n" and "\r\n" end a line: a sentence may hold any other character that Unicode counts as
    a line break. The last line may lack its end. A byte order mark at the start is left out.

    Raises:
      ValueError: if the file cannot be read, or a line is not UTF-8, holds a NUL character or is
        longer than MAX_LINE_BYTES; the message names file and line.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise ValueError(f"{path} must be a text file, but it {what}.")
    try:
        with path.open("rb") as file:
            yield from lines_of(file, str(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error


def lines_of(file: BinaryIO, name: str) -> Iterator[str]:
    """Yields the lines of an open file as `read_lines` does; errors call it `name`."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        if number == 1:
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        yield _decoded(raw, name, number)


def _decoded(raw: bytes, path: str, number: int) -> str:
    line = raw.removesuffix(b"\n")
    if len(line) < len(raw):
        line = line.removesuffix(b"\r")
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(
            f"{path}, line {number}: a line must not exceed {MAX_LINE_BYTES:,} bytes. "
            "Is this one sentence a line?"
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}, byte {error.start + 1}: not UTF-8 "
            f"(byte 0x{line[error.start]:02x}). Convert it to UTF-8, or take the line out."
        ) from None
    if "\0" in text:
        raise ValueError(
            f"{path}, line {number}: a sentence must not hold a NUL character. Remove it."
        )
    return text
