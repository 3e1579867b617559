import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from experiment.analysis.plots import draw_extrapolation
from experiment.analysis.positions import (
    SCHEMES,
    Longest,
    Settings,
    extrapolation,
    longest,
    markdown,
    scores_by_length,
    train_seeds,
)
from experiment.analysis.positions.__main__ import main
from experiment.analysis.positions.equivariance import drawn_params
from experiment.data import TokenIds, train_vocabulary
from model.systems import system_of

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


def silent(line):
    pass


@pytest.fixture(scope="module")
def material():
    """A vocabulary, and the ids of some pairs."""
    data = TINY.data()
    vocabulary, pairs = train_vocabulary(data.lines, 300), data.train[5]
    sides = [vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1)]
    return data, vocabulary, TokenIds.from_lists(*sides)


@pytest.fixture(scope="module")
def together(material):
    _, vocabulary, ids = material
    return train_seeds(TINY, "none", vocabulary, ids, silent)


def test_seeds_are_trained_apart(together):
    first, second = (np.asarray(each["embedding"]["table"]) for each in together)
    assert np.abs(first - second).max() > 0.1


def test_a_seed_is_trained_together_as_alone(material, together):
    _, vocabulary, ids = material
    [alone] = train_seeds(dataclasses.replace(TINY, seeds=1), "none", vocabulary, ids, silent)
    # Adam's first steps are of the gradient's sign alone: where it is rounding, so are they.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), together[0], alone)


def test_every_length_is_scored_for_every_seed(material, together):
    data, vocabulary, _ = material
    measured = scores_by_length(TINY, "none", vocabulary, together, data)
    assert list(measured.groupby("seed").size()) == [10, 10]  # one word is not tested
    assert measured.nll.gt(0).all() and measured.exact.between(0, 1).all()
    tokens = [sum(len(vocabulary.encode(t)) for _, t in data.test[n]) for n in range(2, 12)]
    assert list(measured[measured.seed == 0].tokens) == tokens


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_recipe(scheme):
    config = TINY.config(scheme, seed=3)
    assert (config.model.positions, config.seed, config.model.d_ff) == (scheme, 3, 16)
    assert config.train.num_steps == 4


def test_table_has_medians_and_ranges():
    sides = {"trained": Longest(10, 6), "tested": Longest(15, 7)}
    lines = markdown(SCORES, TINY, **sides, source="By hand.").splitlines()
    told = "trained on have 10 and 6 tokens, ends included, the longest tested 15 and 7."
    assert any(line.endswith(told) for line in lines)
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


def test_command_writes_tables_and_figure(tmp_path, capsys, monkeypatch):
    def drawn(settings, scheme, vocabulary, token_ids, say):
        config = settings.config(scheme).model.system_config(vocabulary.size)
        return [drawn_params(system_of(config), 0)]

    monkeypatch.setattr(extrapolation, "train_seeds", drawn)
    small = dataclasses.asdict(TINY) | {"seeds": 1, "steps": 1}
    flags = [f"--{name}={value}" for name, value in small.items()]
    main([f"--out={tmp_path}", "--schemes", "none", *flags])
    assert capsys.readouterr().out.endswith("positions.png: none\n")
    lines = (tmp_path / "positions.md").read_text().splitlines()
    assert sum(line.startswith("| none | ") for line in lines) == 2
    data = TINY.data()
    source, target = longest(TINY.vocabulary(data), data.train)
    assert any(f"trained on have {source} and {target} tokens" in line for line in lines)
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
