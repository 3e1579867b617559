import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from experiment.sweep import draw
from experiment.sweep.figure import INTERVAL, save
from tests.sweep.test_table import ROWS


def drawn(axis):
    """The points of an axis by their label: [(place, value)]."""
    return {
        line.get_label(): list(zip(line.get_ydata(), line.get_xdata(), strict=True))
        for line in axis.get_lines()
        if not line.get_label().startswith("_")
    }


def test_every_row_stands_beside_the_first_and_the_published():
    parameters, perplexity, bleu = draw(ROWS, title="A sweep").axes
    assert [label.get_text() for label in parameters.get_yticklabels()] == [
        *("base", "A1:  num_heads 1", "A2:  num_heads 4"),
    ]
    assert [bar.get_width() for bar in parameters.patches] == [2.345678] * 3
    ours, published = "here, with 95% interval", "published"
    np.testing.assert_allclose(drawn(perplexity)[ours], [(0, 1), (1, 5.5 / 5.123)])
    paper = [(0, 1), (1, 5.29 / 4.92), (2, 5.00 / 4.92)]
    np.testing.assert_allclose(drawn(perplexity)[published], paper)
    np.testing.assert_allclose(drawn(bleu)[ours], [(0, 0), (1, -2.5)])
    np.testing.assert_allclose(drawn(bleu)[published], [(0, 0), (1, -0.9), (2, -0.3)])
    intervals = [line for line in bleu.get_lines() if line.get_color() == INTERVAL]
    np.testing.assert_allclose(intervals[0].get_xdata(), [-3.1, -1.3])


@pytest.mark.parametrize(
    "rows",
    [ROWS[:1], [dataclasses.replace(ROWS[0], perplexity=None, tokenized_bleu=None), *ROWS[1:]]],
    ids=["one row", "without the first row"],
)
def test_figure_is_drawn_however_much_is_finished(rows):
    _, perplexity, _ = draw(rows, title="A sweep").axes
    assert len(drawn(perplexity)["published"]) == len(rows)


def test_figure_is_kept_as_png(tmp_path):
    save(draw(ROWS, title="A sweep"), tmp_path / "figure.png")
    assert imread(tmp_path / "figure.png").shape[1] > 1_000
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]
