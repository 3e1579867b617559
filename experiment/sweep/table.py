"""The table of a sweep, as Markdown to read and as CSV to compute with."""

import csv
import io
from collections.abc import Sequence

from experiment.sweep.rows import Row
from experiment.sweep.scores import Agreement, Measured, RowScores, agreement, described

ABOUT_THE_PAPERS = (
    "The paper's counts fit a vocabulary of about 41,100 pieces for all rows but big, and of about "
    "36,000 for big, rather than the 37,000 that it states (docs/parameters.md)."
)
SIGNIFICANT = 0.05
_COLUMNS = (
    "row",
    "what it changes",
    "parameters",
    "paper",
    "steps",
    "perplexity",
    "paper",
    "sacreBLEU",
    "against base",
    "tokenised BLEU",
    "paper",
    "minutes",
)


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
    lines = [f"# {title}", "", about, "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    lines += [_line(_cells(row, rows[0])) for row in rows]
    lines += ["", _legend(rows), ""]
    for figure, name in (("perplexity", "perplexity"), ("bleu", "sacreBLEU")):
        found = agreement(rows, figure)
        if found:
            lines += [_in_words(found, name), ""]
    return "\n".join(lines)


def _cells(row: RowScores, base: RowScores) -> list[str]:
    published = row.published
    return [
        row.name,
        row.changes,
        f"{row.num_params / 1e6:.3g} M",
        f"{published['parameters']:g} M" if "parameters" in published else "",
        f"{row.steps:,}",
        _shown(row.perplexity, 2),
        f"{published['perplexity']:.2f}" if "perplexity" in published else "",
        _shown(row.sacrebleu, 1) + (f" ± {row.half_width:.1f}" if row.half_width else ""),
        _against(row, base),
        _shown(row.tokenized_bleu, 1),
        f"{published['bleu']:.1f}" if "bleu" in published else "",
        "" if row.minutes is None else f"{row.minutes:.0f}",
    ]


def _against(row: RowScores, base: RowScores) -> str:
    if row.p_value is None or row.sacrebleu is None or base.sacrebleu is None:
        return ""
    star = "*" if row.p_value < SIGNIFICANT else ""
    return f"{row.sacrebleu.mean - base.sacrebleu.mean:+.1f}{star} (p {row.p_value:.3f})"


def _shown(measured: Measured | None, digits: int) -> str:
    if measured is None:
        return "–"
    spread = "" if measured.deviation is None else f" (sd {measured.deviation:.{digits}f})"
    return f"{measured.mean:.{digits}f}{spread}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _legend(rows: Sequence[RowScores]) -> str:
    seeds = rows[0].seeds
    several = f" Means of {seeds} seeds with their standard deviation;" if seeds > 1 else ""
    return (
        f"{several} perplexity per word piece; ± is the half width of the 95% confidence interval "
        "and p the two-sided paired bootstrap against the first row, both over sentences and of "
        "the first seed; * p < 0.05. The paper's BLEU is tokenised, on another corpus: its order "
        f"compares, its level does not. {ABOUT_THE_PAPERS}"
    ).strip()


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
    measured = ("perplexity", "sacrebleu", "tokenized_bleu")
    paper = ("parameters", "perplexity", "bleu")
    table = csv.DictWriter(output, _csv_columns(measured, paper), lineterminator="\n")
    table.writeheader()
    for row in rows:
        line = {
            "row": row.name,
            "changes": row.changes,
            "parameters": row.num_params,
            "steps": row.steps,
            "seeds": row.seeds,
            "sacrebleu_half_width": row.half_width,
            "p_value": row.p_value,
            "minutes": row.minutes,
        }
        for name in measured:
            value: Measured | None = getattr(row, name)
            line[name] = value.mean if value else None
            line[f"{name}_deviation"] = value.deviation if value else None
        table.writerow(line | {f"paper_{name}": row.published.get(name) for name in paper})
    return output.getvalue()


def _csv_columns(measured: Sequence[str], paper: Sequence[str]) -> list[str]:
    spreads = [f"{name}_deviation" for name in measured]
    published = [f"paper_{name}" for name in paper]
    about = ["row", "changes", "parameters", "steps", "seeds"]
    return [*about, *measured, *spreads, "sacrebleu_half_width", "p_value", "minutes", *published]
