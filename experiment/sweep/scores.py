"""What the finished rows of a sweep reached, beside what was published."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from experiment.data import read_lines
from experiment.evaluation import Estimate, paired_bootstrap
from experiment.sweep.rows import Row


@dataclasses.dataclass(frozen=True)
class Measured:
    """A figure's mean over the seeds, and their standard deviation (None for one seed)."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Measured":
        """Returns the mean and the sample standard deviation."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation)


@dataclasses.dataclass(frozen=True)
class RowScores:
    """A row of the table: what is not known is None."""

    name: str
    changes: str
    num_params: int
    pieces: int  # asked of the vocabulary; perplexities compare between equal ones only
    steps: int
    published: Mapping[str, float]
    perplexity: Measured | None = None  # per word piece
    sacrebleu: Measured | None = None
    tokenized_bleu: Measured | None = None
    against_first: Estimate | None = None  # tokenized_bleu of the first seed
    minutes: float | None = None  # of training, all seeds


def score_rows(rows: Sequence[Row], references: Sequence[str]) -> list[RowScores]:
    """Returns the scores of every row; those that are not finished have none.

    A row is compared with the first one by paired bootstrap over the sentences of `references`,
    with the translations of the first seed.

    Raises:
      ValueError: if a row has not one translation a reference.
    """
    finished = [row for row in rows if row.results()]
    compared: Mapping[str, Mapping[str, Estimate]] = {}
    if finished and finished[0] is rows[0]:
        first = rows[0].config
        compared = paired_bootstrap(
            {row.name: list(read_lines(row.runs[0].workdir.translations)) for row in finished},
            references,
            baseline=rows[0].name,
            tokenizer=first.evaluation.tokenizer,
            language=first.data.target_language,
        )
    return [_score(row, compared.get(row.name, {}).get("tokenized_bleu")) for row in rows]


def _score(row: Row, against_first: Estimate | None) -> RowScores:
    about = RowScores(
        name=row.name,
        changes=described(row.changes),
        num_params=row.num_params,
        pieces=row.config.data.vocab_size,
        steps=row.config.train.num_steps,
        published=row.published,
    )
    results = row.results()
    if not results:
        return about
    seconds = [result["train_seconds"] / result.get("trained_together", 1) for result in results]
    return dataclasses.replace(
        about,
        num_params=results[0]["num_params"],
        perplexity=Measured.of([result["perplexity"] for result in results]),
        sacrebleu=Measured.of([result["sacrebleu"] for result in results]),
        tokenized_bleu=Measured.of([result["tokenized_bleu"] for result in results]),
        against_first=against_first,
        minutes=sum(seconds) / 60,
    )


def described(changes: Mapping[str, Any]) -> str:
    """Returns what a row changes, as people say it.

    Example:
      >>> described({"model.num_heads": 4, "train.num_steps": 300_000, "model.norm": "rms"})
      'num_heads 4, num_steps 300,000, norm rms'
    """
    shown = {
        key.rpartition(".")[2]: f"{value:,}" if isinstance(value, int) else f"{value}"
        for key, value in changes.items()
    }
    return ", ".join(f"{key} {value}" for key, value in shown.items())


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far a sweep orders its rows as the published table does."""

    correlation: float  # Spearman's, over all rows with both figures
    same: tuple[str, ...]  # rows on the published side of the first row
    opposite: tuple[str, ...]  # ... and on the other side
    undecided: tuple[str, ...]  # equal to the first row, there or here


def agreement(rows: Sequence[RowScores], figure: str) -> Agreement | None:
    """Compares the rows' `figure` ("perplexity" or "bleu") with the published one.

    Published BLEU is held against tokenised BLEU, its like; perplexity only where the vocabulary
    is as large as the first row's. None where the first row lacks either figure, or fewer than
    three rows have both.
    """
    known = [
        (row.name, found.mean, row.published[figure])
        for row in rows
        if (found := comparable(row, rows[0], figure)) and figure in row.published
    ]
    if len(known) < 3 or known[0][0] != rows[0].name:
        return None
    _, our_base, their_base = known[0]
    sides: dict[str, list[str]] = {"same": [], "opposite": [], "undecided": []}
    for name, ours, theirs in known[1:]:
        product = (ours - our_base) * (theirs - their_base)
        side = "same" if product > 0 else "opposite" if product < 0 else "undecided"
        sides[side].append(name)
    correlation = spearman([a for _, a, _ in known], [b for _, _, b in known])
    return Agreement(correlation, *(tuple(names) for names in sides.values()))


def comparable(row: RowScores, first: RowScores, figure: str) -> Measured | None:
    """Returns our "perplexity" or "bleu" of a row, if it may be held against the first row's."""
    if figure == "bleu":
        return row.tokenized_bleu
    return row.perplexity if row.pieces == first.pieces else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns Spearman's rank correlation; equal values share their mean rank.

    Example:
      >>> spearman([1.0, 2.0, 3.0], [0.1, 0.3, 0.2]), spearman([1.0, 2.0], [3.0, 1.0])
      (0.5, -1.0)
    """
    return _pearson(_ranks(first), _ranks(second))


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def _pearson(first: Sequence[float], second: Sequence[float]) -> float:
    try:
        return statistics.correlation(first, second)
    except statistics.StatisticsError:  # all equal
        return math.nan
