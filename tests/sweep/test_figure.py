import dataclasses

import pytest
from matplotlib.image import imread

from experiment.sweep import draw
from tests.sweep.test_table import ROWS


@pytest.mark.parametrize(
    "rows",
    [ROWS, ROWS[:1], [dataclasses.replace(ROWS[0], perplexity=None, sacrebleu=None), ROWS[2]]],
    ids=["partly finished", "one row", "nothing finished"],
)
def test_figure_is_drawn_however_much_is_finished(tmp_path, rows):
    draw(rows, tmp_path / "figure.png", title="A sweep")
    pixels = imread(tmp_path / "figure.png")
    assert pixels.shape[1] > 1_000
    assert pixels.std() > 0.05
