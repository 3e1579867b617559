"""The table of a sweep, as Markdown to read and as CSV to compute with."""

import csv
import io
from collections.abc import Sequence

from experiment.evaluation import Estimate
from experiment.sweep.rows import Row
from experiment.sweep.scores import Agreement, Measured, RowScores, agreement, described

ABOUT_THE_PAPERS = (
    "The paper's counts fit a vocabulary of about 41,100 pieces for all rows but big, and of about "
    "36,000 for big, rather than the 37,000 that it states (docs/parameters.md)."
)
SIGNIFICANT = 0.05
_FIGURES = ("parameters", "perplexity", "bleu")
_COLUMNS = (
    "row",
    "what it changes",
    "parameters",
    "steps",
    "perplexity",
    "sacreBLEU",
    "tokenised BLEU",
    "against the first row",
    "minutes",
)
_PAPERS = ("paper's parameters", "paper's perplexity", "paper's BLEU")


def plan_table(rows: Sequence[Row]) -> str:
    """Returns what a sweep is made of and how far it is, in text columns; nothing is allocated."""
    head = ("row", "what it changes", "steps", "parameters", "paper", "with its pieces", "state")
    lines = [head, *(_plan_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    to_right = (False, False, True, True, True, True, False)
    text = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        for line in lines
    ]
    pieces = rows[0].config.data.vocab_size
    note = f"Parameters are counted in closed form, with {pieces:,} pieces in the vocabulary."
    if any("parameters" in row.published for row in rows):
        note += f" {ABOUT_THE_PAPERS}"
    if any("pieces" in row.published for row in rows):
        note += " `with its pieces` is our count with that many, against the paper's."
    return "\n".join([*text, "", note])


def _plan_cells(row: Row) -> tuple[str, ...]:
    paper, pieces = row.published.get("parameters"), row.published.get("pieces")
    implied = ""
    if paper and pieces:
        ours = row.num_params_with(int(pieces)) / 1e6
        implied = f"{ours:.1f} M ({100 * (ours / paper - 1):+.1f}%)"
    return (
        row.name,
        described(row.changes),
        f"{row.config.train.num_steps:,}",
        f"{row.num_params:,}",
        f"{paper:g} M" if paper else "",
        implied,
        row.state,
    )


def markdown(rows: Sequence[RowScores], *, title: str, about: str) -> str:
    """Returns the table and what it says about the published order, as Markdown."""
    papers = _PAPERS if any(row.published for row in rows) else ()
    head = [*_COLUMNS, *papers]
    lines = [f"# {title}", "", about, "", _line(head), _line(["---"] * len(head))]
    lines += [_line([*_cells(row), *(_paper_cells(row) if papers else [])]) for row in rows]
    lines += ["", _LEGEND, ""]
    if papers:
        lines += [f"The paper's BLEU is tokenised, too. {ABOUT_THE_PAPERS}", ""]
    for figure, name in (("perplexity", "Perplexity"), ("bleu", "Tokenised BLEU")):
        found = agreement(rows, figure)
        if found:
            lines += [_in_words(found, name), ""]
    return "\n".join(lines)


_LEGEND = (
    "Perplexity is per word piece, and compares between vocabularies of one size only. Where a row "
    "has several seeds, figures are their mean, with the standard deviation (sd). `against the "
    "first row` is the difference of tokenised BLEU with half its 95% interval, and the two-sided "
    "p-value, by paired bootstrap over the sentences, of each row's first seed; * marks p < "
    f"{SIGNIFICANT}, not corrected for the number of rows: of twenty rows without any effect, one "
    "would be marked. Minutes are of training, all seeds, beside whatever else the machine did."
)


def _cells(row: RowScores) -> list[str]:
    return [
        row.name,
        row.changes,
        f"{row.num_params / 1e6:.3g} M",
        f"{row.steps:,}",
        _shown(row.perplexity, 2),
        _shown(row.sacrebleu, 1),
        _shown(row.tokenized_bleu, 1),
        _against(row.against_first),
        "" if row.minutes is None else f"{row.minutes:.0f}",
    ]


def _paper_cells(row: RowScores) -> list[str]:
    published = row.published
    return [
        f"{published['parameters']:g} M" if "parameters" in published else "",
        f"{published['perplexity']:.2f}" if "perplexity" in published else "",
        f"{published['bleu']:.1f}" if "bleu" in published else "",
    ]


def _against(found: Estimate | None) -> str:
    if found is None or found.p_value is None:
        return ""
    star = "*" if found.p_value < SIGNIFICANT else ""
    difference = f"{found.difference:+.1f} ± {found.difference_half_width:.1f}"
    return f"{difference}{star} (p {found.p_value:.3f})"


def _shown(measured: Measured | None, digits: int) -> str:
    if measured is None:
        return "–"
    spread = "" if measured.deviation is None else f" (sd {measured.deviation:.{digits}f})"
    return f"{measured.mean:.{digits}f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _in_words(found: Agreement, name: str) -> str:
    decided = len(found.same) + len(found.opposite)
    text = (
        f"**{name}**: {len(found.same)} of {decided} rows lie on the paper's side of the first row"
        f"; rank correlation with the paper {found.correlation:.2f}."
    )
    if found.opposite:
        text += f" On the other side: {', '.join(found.opposite)}."
    if found.undecided:
        text += f" Equal to the first row, there or here: {', '.join(found.undecided)}."
    return text


def as_csv(rows: Sequence[RowScores]) -> str:
    """Returns every figure in full, one line a row; what is not known is empty."""
    output = io.StringIO()
    lines = [_csv_line(row) for row in rows]
    table = csv.DictWriter(output, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    return output.getvalue()


def _csv_line(row: RowScores) -> dict[str, object]:
    line: dict[str, object] = {
        "row": row.name,
        "changes": row.changes,
        "parameters": row.num_params,
        "steps": row.steps,
    }
    for name in ("perplexity", "sacrebleu", "tokenized_bleu"):
        value: Measured | None = getattr(row, name)
        line[name] = value.mean if value else None
        line[f"{name}_deviation"] = value.deviation if value else None
    for name in ("difference", "difference_half_width", "p_value"):
        line[name] = getattr(row.against_first, name, None)
    line["minutes"] = row.minutes
    return line | {f"paper_{name}": row.published.get(name) for name in _FIGURES}
