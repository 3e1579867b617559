"""Several experiments of one config file: trained, compared, drawn."""

from experiment.sweep.figure import draw
from experiment.sweep.report import write_report
from experiment.sweep.rows import Row, chosen, load_rows
from experiment.sweep.runner import Runner, train_command
from experiment.sweep.scores import RowScores, agreement, score_rows
from experiment.sweep.table import as_csv, markdown, plan_table

__all__ = [
    # Which experiments, and training them.
    "Row",
    "Runner",
    "chosen",
    "load_rows",
    "train_command",
    # What came of them.
    "RowScores",
    "agreement",
    "as_csv",
    "draw",
    "markdown",
    "plan_table",
    "write_report",
    "score_rows",
]
