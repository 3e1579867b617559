"""Three systems of one size side by side: their table, their figure, and the command."""

import numpy as np
import pytest
from matplotlib.image import imread

from experiment.analysis.long_range import (
    Gradients,
    Settings,
    Sight,
    comparison,
    markdown,
    of_equal_size,
)
from experiment.analysis.long_range.__main__ import main
from experiment.analysis.plots import draw_long_range
from model.systems import parameter_count

SETTINGS = Settings(length=6, num_keys=4, seeds=2)
NORMS = Gradients(
    source=np.array([2.0, 2.0, 1.0, 1.0, 1.0, 1.0]), target=np.array([4.0, 2.0, 1.0, 0.0, 0.0, 0.0])
)
SIGHT = Sight(
    "recurrent",
    1_234,
    NORMS,
    {
        "source": {0: [1.0, 1.0], 1: [1.0, 1.0], 2: [0.5, 1.0], 4: [0.25, 0.25]},
        "target": {0: [1.0, 1.0], 1: [0.9, 0.7], 2: [0.5, 0.5], 4: [0.25, 0.25]},
    },
)


def test_distances_are_powers_of_2_up_to_what_fits():
    assert SETTINGS.distances == (0, 1, 2, 4)
    assert Settings(length=64).distances == (0, 1, 2, 4, 8, 16, 32, 62)
    assert Settings(length=2).distances == (0,)


def test_systems_are_of_one_size():
    counts = {name: parameter_count(config) for name, config in of_equal_size(Settings()).items()}
    assert list(counts) == ["transformer", "recurrent", "convolutional"]
    assert max(counts.values()) < 1.05 * min(counts.values())


def test_table_has_shares_and_medians():
    lines = markdown([SIGHT], SETTINGS, source="By hand.").splitlines()
    assert "| recurrent | 1.0e+00 | 5.0e-01 | 2.5e-01 | 0 |" in lines
    assert "| recurrent | 1.0e+00 | 1.0e+00 | 5.0e-01 | 5.0e-01 |" in lines
    assert "| recurrent | 100 | 80 (70 to 90) | 50 | 25 |" in lines
    assert "| recurrent | 100 | 100 | 75 (50 to 100) | 25 |" in lines
    assert lines[-2] == "By hand."


def test_curves_are_what_was_found():
    in_target, recalled, _, _ = draw_long_range([SIGHT], SETTINGS).axes
    assert list(in_target.get_lines()[0].get_ydata()) == [1, 0.5, 0.25, 0, 0, 0]
    median, low, high, chance = (list(line.get_ydata()) for line in recalled.get_lines())
    assert median == pytest.approx([1, 0.8, 0.5, 0.25])
    assert (low[1], high[1], chance) == (0.7, 0.9, [0.25, 0.25])


def test_a_side_that_was_not_recalled_on_is_not_drawn():
    of_target = SIGHT._replace(recalled={"target": SIGHT.recalled["target"]})
    gradients, recalled = draw_long_range([of_target], SETTINGS).axes
    assert list(gradients.get_lines()[0].get_ydata()) == [1, 0.5, 0.25, 0, 0, 0]
    assert recalled.get_xlabel() == "k, tokens of the target back"


@pytest.mark.slow
def test_command_writes_tables_and_figure(tmp_path, capsys, monkeypatch):
    one = {"transformer": of_equal_size(Settings(length=6, d_model=8))["transformer"]}
    monkeypatch.setattr(comparison, "of_equal_size", lambda settings: one)
    small = ("--length=6", "--d_model=8", "--num_layers=1", "--steps=2", "--rows=2", "--seeds=1")
    main([f"--out={tmp_path}", *small])
    assert capsys.readouterr().out.endswith("long_range.png: transformer\n")
    lines = (tmp_path / "long_range.md").read_text().splitlines()
    assert sum(line.startswith("| transformer | ") for line in lines) == 4
    assert imread(tmp_path / "long_range.png").shape[1] > 1_000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere"], "error: --out=nowhere must be a folder that is there.\n"),
        (["--out=.", "--steps=0"], "error: --steps=0 must be at least 1.\n"),
        (["--out=.", "--length=1"], "error: length=1 must be at least 2: a key and the query.\n"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert (ended.value.code, capsys.readouterr().err) == (2, message)
