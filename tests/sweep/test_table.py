import csv
import dataclasses
import io
import pathlib

from experiment.evaluation import Estimate
from experiment.sweep import as_csv, load_rows, markdown, plan_table
from experiment.sweep.scores import Measured, RowScores

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
COMPARED = Estimate(
    figure=28.5, half_width=1.2, difference=-2.2, difference_half_width=0.9, p_value=0.003
)
ROWS = [
    RowScores(
        name="base",
        changes="",
        num_params=2_345_678,
        pieces=100,
        steps=2_000,
        published={"perplexity": 4.92, "bleu": 25.8, "parameters": 65},
        perplexity=Measured(5.123, None),
        sacrebleu=Measured(30.25, None),
        tokenized_bleu=Measured(31.0, 0.26),
        minutes=9.6,
    ),
    RowScores(
        name="A1",
        changes="num_heads 1",
        num_params=2_345_678,
        pieces=100,
        steps=2_000,
        published={"perplexity": 5.29, "bleu": 24.9},
        perplexity=Measured(5.5, None),
        sacrebleu=Measured(28.0, None),
        tokenized_bleu=Measured(28.5, None),
        against_first=COMPARED,
        minutes=9.0,
    ),
    RowScores("A2", "num_heads 4", 2_345_678, 100, 2_000, {"perplexity": 5.0, "bleu": 25.5}),
]


def test_a_line_of_the_table_reads_paper_beside_ours():
    text = markdown(ROWS, title="T", about="About.")
    assert (
        "| base |  | 2.35 M | 2,000 | 5.12 | 30.2 | 31.0 (sd 0.3) |  | 10 | 65 M | 4.92 | 25.8 |"
    ) in text
    assert (
        "| A1 | num_heads 1 | 2.35 M | 2,000 | 5.50 | 28.0 | 28.5 | -2.2 ± 0.9* (p 0.003) | 9 "
        "|  | 5.29 | 24.9 |"
    ) in text
    assert "| A2 | num_heads 4 | 2.35 M | 2,000 | – | – | – |  |  |  | 5.00 | 25.5 |" in text


def test_only_a_difference_beyond_chance_is_marked():
    by_chance = dataclasses.replace(ROWS[1], against_first=COMPARED._replace(p_value=0.051))
    assert "-2.2 ± 0.9 (p 0.051)" in markdown([ROWS[0], by_chance], title="T", about="")


def test_nothing_is_said_of_a_paper_where_nothing_is_published():
    rows = [dataclasses.replace(row, published={}) for row in ROWS]
    assert "paper" not in markdown(rows, title="T", about="About.")


def test_a_table_says_how_far_it_agrees_with_the_paper():
    third = dataclasses.replace(
        ROWS[1],
        name="B",
        published={"perplexity": 6.0, "bleu": 20.0},
        perplexity=Measured(4.0, None),
        tokenized_bleu=Measured(20.0, None),
    )
    text = markdown([*ROWS, third], title="T", about="About.")
    assert "**Perplexity**: 1 of 2 rows lie on the paper's side of the first row" in text
    assert "On the other side: B." in text
    assert "**Tokenised BLEU**: 2 of 2 rows" in text


def test_csv_holds_every_figure_in_full():
    base, a1, a2 = csv.DictReader(io.StringIO(as_csv(ROWS)))
    assert (base["perplexity"], base["parameters"], base["p_value"]) == ("5.123", "2345678", "")
    assert (a1["difference"], a1["difference_half_width"]) == ("-2.2", "0.9")
    assert (a1["p_value"], a1["paper_bleu"], a1["paper_parameters"]) == ("0.003", "24.9", "")
    assert (a2["sacrebleu"], a2["minutes"]) == ("", "")


def test_plan_shows_all_rows_of_table_3_without_allocating_any(tmp_path):
    rows = load_rows(str(CONFIGS / "table3.py"), [], folder=tmp_path, seeds=1)
    head, *lines = plan_table(rows).split("\n")
    assert head.split()[-6:] == ["parameters", "paper", "with", "its", "pieces", "state"]
    cells = {line.split()[0]: line for line in lines[:20]}
    assert len(cells) == 20
    assert "d_k 16" in cells["B1"]
    assert "63,045,632   65 M   65.1 M (+0.2%)  not started" in cells["base"]
    assert "300,000  214,171,648  213 M" in cells["big"]
    assert "docs/parameters.md" in lines[-1]


def test_plan_of_the_small_rows_compares_no_parameters_with_the_papers(tmp_path):
    path = str(CONFIGS / "table3_small.py")
    plan = plan_table(load_rows(path, [], folder=tmp_path, seeds=1))
    assert "65 M" in plan
    assert "%" not in plan


def test_paper_counts_are_within_3_percent_of_ours_with_the_pieces_they_imply(tmp_path):
    rows = load_rows(str(CONFIGS / "table3.py"), [], folder=tmp_path, seeds=1)
    counted = [row for row in rows if "parameters" in row.published]
    assert len(counted) == 11
    for row in counted:
        ours = row.num_params_with(int(row.published["pieces"])) / 1e6
        assert abs(ours / row.published["parameters"] - 1) < 0.03
