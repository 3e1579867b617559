import csv
import io
import pathlib

from experiment.sweep import as_csv, load_rows, markdown, plan_table
from experiment.sweep.scores import Measured, RowScores

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
ROWS = [
    RowScores(
        name="base",
        changes="",
        num_params=2_345_678,
        steps=2_000,
        seeds=1,
        published={"perplexity": 4.92, "bleu": 25.8, "parameters": 65},
        perplexity=Measured(5.123, None),
        sacrebleu=Measured(30.25, None),
        tokenized_bleu=Measured(31.0, None),
        half_width=1.24,
        minutes=9.6,
    ),
    RowScores(
        name="A1",
        changes="num_heads 1",
        num_params=2_345_678,
        steps=2_000,
        seeds=1,
        published={"perplexity": 5.29, "bleu": 24.9},
        perplexity=Measured(5.5, None),
        sacrebleu=Measured(28.0, None),
        tokenized_bleu=Measured(28.5, None),
        half_width=1.2,
        p_value=0.003,
        minutes=9.0,
    ),
    RowScores("A2", "num_heads 4", 2_345_678, 2_000, 1, {"perplexity": 5.0, "bleu": 25.5}),
]


def test_a_line_of_the_table_reads_paper_beside_ours():
    text = markdown(ROWS, title="T", about="About.")
    assert (
        "| base |  | 2.35 M | 65 M | 2,000 | 5.12 | 4.92 | 30.2 ± 1.2 |  | 31.0 | 25.8 | 10 |"
        in text
    )
    assert (
        "| A1 | num_heads 1 | 2.35 M |  | 2,000 | 5.50 | 5.29 | 28.0 ± 1.2 | -2.2* (p 0.003) "
        "| 28.5 | 24.9 | 9 |"
    ) in text
    assert "| A2 | num_heads 4 | 2.35 M |  | 2,000 | – | 5.00 | – |  | – | 25.5 |  |" in text


def test_a_table_says_how_far_it_agrees_with_the_paper():
    third = RowScores(
        "B",
        "",
        1,
        1,
        1,
        {"perplexity": 6.0, "bleu": 20.0},
        Measured(4.0, None),
        Measured(20.0, None),
    )
    text = markdown([*ROWS, third], title="T", about="About.")
    assert "**perplexity**: 1 of 2 rows lie on the paper's side of the first row" in text
    assert "On the other side: B." in text
    assert "**sacreBLEU**: 2 of 2 rows" in text


def test_csv_holds_every_figure_in_full():
    base, a1, a2 = csv.DictReader(io.StringIO(as_csv(ROWS)))
    assert (base["perplexity"], base["parameters"], base["p_value"]) == ("5.123", "2345678", "")
    assert (a1["p_value"], a1["paper_bleu"], a1["paper_parameters"]) == ("0.003", "24.9", "")
    assert (a2["sacrebleu"], a2["minutes"]) == ("", "")


def test_plan_shows_all_rows_of_table_3_without_allocating_any(tmp_path):
    rows = load_rows(str(CONFIGS / "table3.py"), [], only=[], folder=tmp_path, seeds=1)
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
    plan = plan_table(load_rows(path, [], only=[], folder=tmp_path, seeds=1))
    assert "65 M" in plan
    assert "%" not in plan


def test_paper_counts_are_within_3_percent_of_ours_with_the_pieces_they_imply(tmp_path):
    rows = load_rows(str(CONFIGS / "table3.py"), [], only=[], folder=tmp_path, seeds=1)
    counted = [row for row in rows if "parameters" in row.published]
    assert len(counted) == 11
    for row in counted:
        ours = row.num_params_with(int(row.published["pieces"])) / 1e6
        assert abs(ours / row.published["parameters"] - 1) < 0.03
