"""A strict reader of text, one sentence a line."""

import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from experiment.data.corpora.text_files import open_text

MAX_LINE_BYTES = 1_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@runtime_checkable
class HasLines(Protocol):
    """An open file of bytes."""

    def readline(self, size: int = -1, /) -> bytes:
        """Returns a line with its end, or `size` bytes of it."""


_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*\Z")


def is_empty(text: str) -> bool:
    """Returns whether a text has nothing to read: white space at most, be it of width 0."""
    return bool(_INVISIBLE.match(text))


class Rule(NamedTuple):
    """What a line must be, from the side of one that is not."""

    named: str  # as in "a side ..."
    broken: str  # as in "line 2: ..."
    way_out: str


NOT_UTF8 = Rule("that is not UTF-8", "not UTF-8", "Convert it to UTF-8, or take the line out.")
TOO_LONG = Rule(
    f"longer than {MAX_LINE_BYTES:,} bytes",
    f"a line must not exceed {MAX_LINE_BYTES:,} bytes",
    "Is this one sentence a line?",
)
HOLDS_NUL = Rule("with a NUL character", "a sentence must not hold a NUL character", "Remove it.")


class Unreadable(NamedTuple):
    """A line that is not text."""

    rule: Rule
    file: str
    line: int  # counted from 1, as is `byte`
    byte: int = 0  # in the line, where the rule is about one
    value: int = 0  # of that byte

    @property
    def reason(self) -> str:
        """Where, and what is wrong; without a full stop."""
        place = f", byte {self.byte}" if self.byte else ""
        found = f" (byte 0x{self.value:02x})" if self.byte else ""
        return f"{self.file}, line {self.line}{place}: {self.rule.broken}{found}"

    @property
    def refusal(self) -> str:
        """The same as an error."""
        return f"{self.reason}. {self.rule.way_out}"


def read_lines(path: pathlib.Path) -> Iterator[str]:
    r"""Yields the lines of a UTF-8 file, holding one at a time in memory.

    Only "\n" and "\r\n" end a line: a sentence may hold any other character that Unicode counts as
    a line break. The last line may lack its end. A byte order mark at the start is left out. Names
    that end in `.gz` or `.xz` are read as what they say.

    Raises:
      ValueError: if the file cannot be read, or a line is not UTF-8, holds a NUL character or is
        longer than MAX_LINE_BYTES; the message names file and line.
    """
    for line in lines_in(path):
        if isinstance(line, Unreadable):
            raise ValueError(line.refusal)
        yield line


def lines_in(path: pathlib.Path) -> Iterator[str | Unreadable]:
    """Yields the lines of a file as `read_lines` does, and each that is no text as `Unreadable`.

    Raises:
      ValueError: if the file cannot be read.
    """
    with open_text(path) as file:
        yield from lines_of(file, str(path))


def lines_of(file: HasLines, name: str) -> Iterator[str | Unreadable]:
    """Yields the lines of an open file, which `Unreadable` calls `name`.

    Whatever the bytes, there is one item for each line. A line that is too long is passed over in
    pieces, so that memory is bounded.
    """
    limit = MAX_LINE_BYTES + len(b"\r\n")
    number = 0
    while raw := file.readline(limit if number else limit + len(BYTE_ORDER_MARK)):
        number += 1
        if number == 1 and not (raw := raw.removeprefix(BYTE_ORDER_MARK)):
            return  # nothing but a mark
        yield _decoded(raw, name, number)
        while len(raw) >= MAX_LINE_BYTES and not raw.endswith(b"\n"):
            raw = file.readline(MAX_LINE_BYTES)


def _decoded(raw: bytes, name: str, number: int) -> str | Unreadable:
    line = raw.removesuffix(b"\n")
    if len(line) < len(raw):
        line = line.removesuffix(b"\r")
    if len(line) > MAX_LINE_BYTES:
        return Unreadable(TOO_LONG, name, number)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unreadable(NOT_UTF8, name, number, error.start + 1, line[error.start])
    return Unreadable(HOLDS_NUL, name, number) if "\0" in text else text
