"""Tables that commands write into documents, which keep the rest of their text."""

from collections.abc import Iterable, Sequence

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def measured(lines: Iterable[str]) -> str:
    """Returns lines between their markers, as they stand in a document."""
    return "\n".join([BEGIN, *lines, END]) + "\n"


def put_between_markers(text: str, measured: str) -> str:
    """Returns a document with what stands between its markers replaced by `measured`.

    Raises:
      ValueError: if it has not one marker of either kind, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"must have one {BEGIN} and, after it, one {END}.")
    return before + measured.removesuffix("\n") + after
