"""`python -m benchmarks layers`: what it compares, and what it makes of its times."""

import pytest

from benchmarks.layers import main as run
from benchmarks.layers.figure import draw
from benchmarks.layers.table import markdown, told
from benchmarks.layers.timing import FIRST, Times, growth
from experiment.analysis.paths import Sizes, kinds

SECONDS = {
    FIRST: {64: [1.0, 2.0, 4.0], 128: [4.0, 8.0, 16.0]},
    "recurrent": {64: [2.0, 6.0, 2.0], 128: [4.0, 12.0, 8.0]},
}


def test_ratios_and_exponents_are_of_one_round_each():
    lines = list(told(Times(False, "n", "d = 8", SECONDS)))
    compared = "2000.00 ms, 2.00 of self-attention's (rounds 0.50 to 3.00)"
    assert f"recurrent: n = 64, d = 8: {compared}" in lines
    assert "recurrent: exponent of n 1.00 (rounds 1.00 to 2.00)" in lines
    assert growth(SECONDS[FIRST]) == (2.0, 2.0, 2.0)


def made_up_times():
    """Of four kinds of measurements; each has seconds of its own."""
    return [
        Times(
            backward,
            varied,
            fixed,
            {
                name: {size // shrunk: [times * value for value in of] for size, of in by.items()}
                for name, by in SECONDS.items()
            },
        )
        for backward, varied, fixed, shrunk, times in (
            (False, "n", "d = 16", 1, 1.0),
            (False, "d", "n = 128", 8, 3.0),
            (True, "n", "d = 16", 1, 2.0),
            (True, "d", "n = 128", 8, 5.0),
        )
    ]


def test_table_has_the_papers_formula_beside_the_times():
    chosen = [kind for kind in kinds(Sizes()) if kind.name in SECONDS]
    times = made_up_times()
    by_d = {8: [1.0, 1.0, 1.0], 16: [1.0, 1.0, 1.0]}
    times[1] = times[1]._replace(seconds={**times[1].seconds, "recurrent": by_d})
    lines = markdown(chosen, times, source="By hand.").splitlines()
    grows = "1.00 (1.00 to 2.00)"
    assert [line for line in lines if line.endswith(":") or line.startswith("| recurrent")] == [
        "Forward:",
        f"| recurrent | n d² | {grows} | 0.00 (0.00 to 0.00) | 8000.0 | 1.00 (0.50 to 1.50) |",
        "Forward and backward:",
        f"| recurrent | n d² | {grows} | {grows} | 16000.0 | 1.00 (0.50 to 1.50) |",
    ]
    assert lines[-2] == "By hand."


def test_curves_are_medians_and_shades_reach_from_the_quickest_to_the_slowest():
    panels = draw(made_up_times()).axes
    assert [(axis.get_xlabel(), axis.get_ylabel()) for axis in panels] == [
        ("n, positions (d = 16)", "forward, ms"),
        ("d (n = 128)", "forward, ms"),
        ("n, positions (d = 16)", "forward and backward, ms"),
        ("d (n = 128)", "forward and backward, ms"),
    ]
    curves = [
        {line.get_label(): dict(zip(*line.get_data(), strict=True)) for line in axis.get_lines()}
        for axis in panels
    ]
    assert curves[1] == {FIRST: {8: 6e3, 16: 24e3}, "recurrent": {8: 6e3, 16: 24e3}}
    assert curves[2] == {FIRST: {64: 4e3, 128: 16e3}, "recurrent": {64: 4e3, 128: 16e3}}
    shade = panels[0].collections[0].get_paths()[0].vertices
    assert (shade[:, 1].min(), shade[:, 1].max()) == (1_000, 16_000)


@pytest.mark.slow
def test_every_kind_is_timed_forward_and_back_at_every_size(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.layers.command.use_compilation_cache", lambda folder: None)
    few = ["--rounds", "2", "--sentences", "1", "--window", "3", f"--out={tmp_path}"]
    run(["--lengths", "4", "8", "--d_models", "8", "16", *few])
    lines = capsys.readouterr().out.splitlines()
    names = {line.split(": ")[0].strip() for line in lines if " ms, " in line}
    assert names == {"recurrent", "convolutional, k = 3", FIRST, FIRST.replace(",", ", r = 3,", 1)}
    assert sum(" ms, " in line for line in lines) == 2 * 4 * (2 + 2)
    assert sum("exponent of " in line for line in lines) == 2 * 4 * 2
    assert {path.name for path in tmp_path.iterdir()} == {"layer_times.md", "layer_times.png"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--window=1"], "error: --window=1 must be at least 2 positions."),
        (["--d_models", "12"], "error: --d_models=[12] must be multiples of 8, its heads."),
        (["--lengths", "8", "4"], "error: --lengths must be ascending sizes, not 8 4."),
        (["--lengths", "0"], "error: --lengths must be at least 1, not 0."),
        (
            ["--lengths", "8", "--out=."],
            "error: --lengths must be two sizes or more for --out, not 8 alone.",
        ),
        (["--rounds=0"], "error: --rounds=0 must be at least 1."),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run(flags)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{message}\n"
