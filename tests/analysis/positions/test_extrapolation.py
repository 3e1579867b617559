import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from experiment.analysis.plots import draw_extrapolation
from experiment.analysis.positions import (
    SCHEMES,
    Settings,
    joined,
    markdown,
    measure,
    train_seeds,
)
from experiment.analysis.positions.__main__ import main
from experiment.data import TokenIds, train_vocabulary

TINY = Settings(
    trained_words=5,
    pairs=40,
    tested=4,
    d_model=8,
    num_layers=1,
    steps=4,
    tokens_per_batch=64,
    seeds=2,
)
SCORES = pd.DataFrame(
    {
        "positions": ["rotary"] * 4 + ["none"] * 4,
        "seed": [0, 0, 1, 1] * 2,
        "words": [4, 8] * 4,
        "nll": [0.1, 1.0, 0.3, 3.0, 0.5, 0.5, 0.5, 0.5],
        "tokens": 10.0,
        "exact": [1.0, 0.5, 0.8, 0.0, 0.25, 0.0, 0.25, 0.0],
    }
)


@pytest.fixture(scope="module")
def measured():
    return joined(measure(TINY, lambda line: None, ["none"]))


def test_every_length_is_scored_for_every_seed(measured):
    assert list(measured.groupby("seed").size()) == [10, 10]  # one word is not tested
    assert measured.nll.gt(0).all() and measured.exact.between(0, 1).all()


def test_seeds_are_trained_apart(measured):
    first, second = (of_seed.nll.to_numpy() for _, of_seed in measured.groupby("seed"))
    assert np.abs(first - second).min() > 0


def test_a_seed_is_trained_together_as_alone():
    data = TINY.data()
    vocabulary = train_vocabulary(data.lines, 300)
    pairs = data.train[5]
    ids = TokenIds.from_lists(*(vocabulary.encode_all([p[side] for p in pairs]) for side in (0, 1)))
    say = lambda line: None  # noqa: E731
    together = train_seeds(TINY, "none", vocabulary, ids, say)
    alone = train_seeds(dataclasses.replace(TINY, seeds=1), "none", vocabulary, ids, say)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together[0], alone[0])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_recipe(scheme):
    config = TINY.config(scheme, seed=3)
    assert (config.model.positions, config.seed, config.model.d_ff) == (scheme, 3, 16)
    assert config.train.num_steps == 4


def test_table_has_medians_and_ranges():
    lines = markdown(SCORES, TINY, source="By hand.").splitlines()
    assert "| rotary | 90 (80 to 100) | 25 (0 to 50) |" in lines
    assert "| none | 25 | 0 |" in lines
    assert "| rotary | 0.20 (0.10 to 0.30) | 2.00 (1.00 to 3.00) |" in lines
    assert lines[-2] == "By hand."


def test_curves_are_the_medians():
    exact, loss = draw_extrapolation(SCORES, 5).axes
    rotary, none = exact.get_lines()
    assert list(rotary.get_ydata()) == pytest.approx([90, 25])
    assert list(none.get_ydata()) == pytest.approx([25, 0])
    assert list(loss.get_lines()[0].get_xdata()) == [4, 8]


def test_command_writes_tables_and_figure(tmp_path, capsys):
    small = dataclasses.asdict(TINY) | {"seeds": 1, "steps": 1}
    flags = [f"--{name}={value}" for name, value in small.items()]
    main([f"--out={tmp_path}", "--schemes", "none", *flags])
    assert capsys.readouterr().out.endswith("positions.png: none\n")
    lines = (tmp_path / "positions.md").read_text().splitlines()
    assert sum(line.startswith("| none | ") for line in lines) == 2
    assert imread(tmp_path / "positions.png").shape[1] > 1_000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere"], "error: --out=nowhere must be a folder that is there.\n"),
        (["--out=.", "--steps=0"], "error: --steps=0 must be at least 1.\n"),
        (["--out=.", "--trained_words=11"], "error: trained_words=11 must be between 1 and 10: "),
        (["--out=.", "--d_model=7"], "error: model.d_model=7 must be even"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(message)
