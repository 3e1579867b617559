"""The command that takes residuals and norms out, its tables and its figures."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from experiment.analysis.depth import VARIANTS, Measured, Settings, markdown
from experiment.analysis.depth.__main__ import main
from experiment.analysis.plots import draw_depth, draw_depth_training, draw_signals, draw_warm_up

SIZES = {"d_model": 8, "num_heads": 2, "num_keys": 2}
SETTINGS = Settings(depths=(1, 2), **SIZES, steps=20, seeds=1, warmup_steps=100)


def made_up():
    """Signals that halve each layer, and losses: 0.1 with warm-up and 0.7 without."""
    signals = [
        {
            **{"num_layers": depth, "variant": variant, "seed": 0, "stack": "decoder"},
            **{"layer": layer, "activation_rms": 0.5**layer, "distinctness": 0.25},
            **{"output_gradient": 2.0 ** (layer - depth), "matrix_gradient": 3.0},
        }
        for depth in SETTINGS.depths
        for variant in VARIANTS
        for layer in range(depth + 1)
    ]
    curves = [
        {
            **{"num_layers": depth, "variant": variant, "warmup_steps": warmup, "seed": 0},
            **{"step": step, "loss": 0.1 if warmup else 0.7, "skipped": variant == "neither"},
        }
        for depth in SETTINGS.depths
        for variant in VARIANTS
        for warmup in ((100, 0) if variant in ("post-norm", "pre-norm") else (100,))
        for step in range(20)
    ]
    return Measured(pd.DataFrame(signals), pd.DataFrame(curves))


def test_tables_have_what_was_predicted_beside_what_was_measured():
    lines = markdown(made_up(), SETTINGS, source="Measured by hand.").splitlines()
    assert "| 2 | post-norm | 1 | 0.25 | 0.25 | 0.25 |" in lines
    gain = 2 * 8 * 32 / 40**2
    assert f"| 1 | neither | at most {gain**0.5:.2g} | 0.5 | 0.25 | 0.5 |" in lines
    assert "| pre-norm | -0.5 | 0.00 |" in lines
    assert "| post-norm | 100 | 0.10 (1 learned) | 0.10 (1 learned) |" in lines
    assert "| pre-norm | none | 0.70 (1 stuck) | 0.70 (1 stuck) |" in lines
    assert "| neither | 100 | 0.10 (1 diverged) | 0.10 (1 diverged) |" in lines
    assert "Measured by hand." in lines


def test_a_line_for_each_variant_with_its_signals():
    signals = made_up().signals
    activations, _, gradients = draw_signals(signals[signals.num_layers == 2]).axes
    lines = {line.get_label(): line for line in gradients.get_lines()}
    assert list(lines) == list(VARIANTS)
    np.testing.assert_allclose(lines["no norm"].get_ydata(), [0.25, 0.5, 1])
    assert activations.get_yscale() == "log"


def test_curves_are_those_of_each_depth():
    curves = made_up().curves
    with_warm_up, both = (draw(curves, SETTINGS) for draw in (draw_depth_training, draw_warm_up))
    assert [axis.get_title() for axis in both.axes] == ["1 layers", "2 layers"]
    labels, dashed = (
        figure.axes[1].get_legend_handles_labels()[1] for figure in (with_warm_up, both)
    )
    assert labels == list(VARIANTS)
    assert dashed == [*("post-norm", "post-norm, no warm-up", "pre-norm", "pre-norm, no warm-up")]


def test_all_is_drawn_of_the_deepest():
    figure = draw_depth(made_up(), SETTINGS)
    assert len(figure.axes) == 6
    assert len(figure.axes[2].get_lines()[0].get_xdata()) == 3


def test_powers_are_drawn_over_several_depths_alone():
    found = made_up()
    alone = Measured(*(table[table.num_layers == 1] for table in found))
    drawn = []
    for measured, depths in [(found, (1, 2)), (alone, (1,))]:
        axis = draw_depth(measured, dataclasses.replace(SETTINGS, depths=depths)).axes[-1]
        drawn.append((axis.get_title().count("dotted"), len(axis.get_lines())))
    assert drawn == [(1, len(VARIANTS) + 2), (0, len(VARIANTS))]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere"], "error: --out=nowhere must be a folder that is there."),
        (["--out=.", "--depths", "2", "0"], "error: --depths=0 must be at least 1."),
        (["--out=.", "--rate=0"], "error: --rate=0.0 must be above 0."),
        (["--out=.", "--num_heads=3"], "error: model.d_model=32 must be divisible"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(message) and told.count("\n") == 1


@pytest.mark.slow
def test_command_writes_tables_and_figure(tmp_path, capsys):
    sizes = ["--d_model=8", "--num_heads=2", "--steps=4", "--rows=2", "--seeds=1"]
    main([f"--out={tmp_path}", "--depths", "1", *sizes])
    assert capsys.readouterr().out.endswith("no residual, neither\n")
    lines = (tmp_path / "depth.md").read_text().splitlines()
    assert lines[0] == "# Residuals and norms as the stabilisers of depth"
    assert sum(line.startswith("| 1 | ") for line in lines) == len(VARIANTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depth.md", "depth.png"]
    assert imread(tmp_path / "depth.png").shape[1] > 1_000
