"""Table 1 as Markdown: what the paper says of a layer, beside what was measured."""

from collections.abc import Iterable, Mapping, Sequence

from experiment.analysis import documents
from experiment.analysis.documents import table
from experiment.analysis.paths.measurements import Row, Sizes
from experiment.analysis.paths.operations import exponent


def markdown(rows: Sequence[Row], sizes: Sizes, *, source: str) -> str:
    """Returns both tables, between their markers; `source` says what measured them."""
    n, d = sizes.lengths[-1], sizes.d_models[-1]
    lines = [
        f"Operations of one layer over one sentence: exponents of a power law, fitted over n = "
        f"{_listed(sizes.lengths)} at d = {d}, and over d = {_listed(sizes.d_models)} at n = {n}; "
        f"over r = {_listed(sizes.windows)} or k = {_listed(sizes.kernels)} at both.",
        "",
        *table(
            ["layer", "paper: O(·)", "of n", "of d", "of r or k", f"millions at n = {n}, d = {d}"],
            (_operation_cells(row) for row in rows),
        ),
        "",
        f"Products one after another, at n = {_listed(sizes.lengths)}; hops of the longest path, "
        f"at n = {_listed(sizes.path_lengths)}.",
        "",
        *table(
            ["layer", "paper: O(·)", "products in a chain", "paper: O(·)", "longest path, hops"],
            (_path_cells(row) for row in rows),
        ),
        "",
        source,
    ]
    return documents.measured(lines)


def _operation_cells(row: Row) -> list[str]:
    fitted = [
        f"{exponent(by):.2f}" if by else "" for by in (row.by_length, row.by_d_model, row.by_reach)
    ]
    return [row.name, row.published.operations, *fitted, f"{_last(row.by_length) / 1e6:,.1f}"]


def _path_cells(row: Row) -> list[str]:
    published = row.published
    chain, paths = _listed(row.sequential.values()), _listed(row.paths.values())
    return [row.name, published.sequential, chain, published.path, paths]


def _last(measured: Mapping[int, float]) -> float:
    return measured[max(measured)]


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
