"""Table 1 as Markdown: what the paper says of a layer, beside what was measured."""

from collections.abc import Iterable, Mapping, Sequence

from experiment.analysis.paths.measurements import Row, Sizes
from experiment.analysis.paths.operations import exponent

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def markdown(rows: Sequence[Row], sizes: Sizes, *, source: str) -> str:
    """Returns both tables, between their markers; `source` says what measured them."""
    n, d = sizes.lengths[-1], sizes.d_models[-1]
    lines = [
        BEGIN,
        f"Operations of one layer over one sentence: exponents of a power law, fitted over n = "
        f"{_listed(sizes.lengths)} at d = {d}, and over d = {_listed(sizes.d_models)} at n = {n}; "
        f"over r = {_listed(sizes.windows)} or k = {_listed(sizes.kernels)} at both.",
        "",
        *_table(
            ["layer", "paper: O(·)", "of n", "of d", "of r or k", f"millions at n = {n}, d = {d}"],
            (_operation_cells(row) for row in rows),
        ),
        "",
        f"Products one after another, at n = {_listed(sizes.lengths)}; hops of the longest path, "
        f"at n = {_listed(sizes.path_lengths)}.",
        "",
        *_table(
            ["layer", "paper: O(·)", "products in a chain", "paper: O(·)", "longest path, hops"],
            (_path_cells(row) for row in rows),
        ),
        "",
        source,
        END,
    ]
    return "\n".join(lines) + "\n"


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


def _operation_cells(row: Row) -> list[str]:
    fitted = [
        f"{exponent(by):.2f}" if by else "" for by in (row.by_length, row.by_d_model, row.by_reach)
    ]
    return [row.name, row.published.operations, *fitted, f"{_last(row.by_length) / 1e6:,.1f}"]


def _path_cells(row: Row) -> list[str]:
    published = row.published
    chain, paths = _listed(row.sequential.values()), _listed(row.paths.values())
    return [row.name, published.sequential, chain, published.path, paths]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _last(measured: Mapping[int, float]) -> float:
    return measured[max(measured)]


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
