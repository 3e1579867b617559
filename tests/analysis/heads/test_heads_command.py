"""The command that writes what each head is good for, and the figures."""

import pandas as pd
import pytest
from matplotlib.image import imread

from experiment.analysis.heads import markdown
from experiment.analysis.heads.__main__ import main, to_translate
from experiment.analysis.plots import draw_heads, draw_importance, draw_pruning
from tests.tiny_run import command, made_place, training


def made_up(*, bleu):
    """Two layers of two heads, of two kinds; the third head is the one that matters."""
    places = [
        (kind, layer, head) for kind in ("encoder", "cross") for layer in (1, 2) for head in (1, 2)
    ]
    table = pd.DataFrame(places, columns=["kind", "layer", "head"])
    changes = [0.0, -0.01, 2.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    table = table.assign(loss_change=changes, loss=[1.5 + change for change in changes])
    table.attrs["loss"] = 1.5
    if bleu:
        table = table.assign(bleu_change=[-10 * change for change in changes])
        table.attrs["bleu"] = 40.0
    return table


def made_up_layers():
    layers = made_up(bleu=False).groupby(["kind", "layer"], sort=False)["loss_change"].sum()
    return layers.reset_index()


def test_tables_have_a_row_a_layer_and_a_column_a_head():
    text = markdown(made_up(bleu=True), made_up_layers(), given="Of 7 pairs.", source="By hand.")
    lines = text.splitlines()
    assert "| encoder self-attention | 2 | +2.000 | +0.100 | +2.100 |" in lines
    assert "| encoder self-attention | 2 | -20.0 | -1.0 |" in lines
    assert "| cross-attention | 1 | +0.200 | +0.300 | +0.500 |" in lines
    assert any("Of 7 pairs." in line and "without 2 of the 8:" in line for line in lines)
    assert "By hand." in lines


def test_nothing_is_said_of_bleu_where_there_is_none():
    text = markdown(made_up(bleu=False), made_up_layers(), given="", source="")
    assert "BLEU" not in text and "+2.000" in text


def test_maps_are_a_panel_a_kind_with_zero_in_the_middle():
    figure = draw_heads(made_up(bleu=True))
    panels = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in panels[:2]] == [
        "encoder self-attention",
        "cross-attention",
    ]
    for axis, least in zip(panels, (-2, -2, -20, -20), strict=True):
        assert axis.images[0].get_clim() == (least, -least)
    assert panels[0].images[0].get_array().tolist() == [[0.0, -0.01], [2.0, 0.1]]
    assert [text.get_text() for text in panels[2].texts] == ["0", "+0.1", "−20.0", "−1.0"]


def test_pruning_has_a_curve_an_order():
    rows = [("greedy", 0, 1.0), ("greedy", 1, 1.5), ("importance", 0, 1.0), ("importance", 1, 3.0)]
    table = pd.DataFrame(rows, columns=["order", "removed", "loss"])
    curves = draw_pruning(table.assign(bleu=[30.0, None, 30.0, None])).axes
    assert [line.get_ydata().tolist() for line in curves[0].get_lines()] == [[1.0, 1.5], [1.0, 3.0]]
    assert [line.get_ydata().tolist() for line in curves[1].get_lines()] == [[30.0], [30.0]]


def test_importance_is_drawn_against_the_change_with_its_correlation():
    table = made_up(bleu=False)
    importance = table[["kind", "layer", "head"]].assign(importance=[1, 2, 8, 3, 4, 5, 6, 7])
    (axis,) = draw_importance(table, importance).axes
    # Ranks of the change: 2 1 8 3 4 5 6 7, so one pair is exchanged: 1 - 6 * 2 / (8 * 63).
    assert axis.get_title() == "8 heads, rank correlation 0.98"
    assert [len(dots.get_offsets()) for dots in axis.collections] == [4, 4]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = made_place(tmp_path_factory, "heads")
    settings = {"train__num_steps": 20}
    arguments = training(folder / "corpus", folder / "run", folder / "cache", **settings)
    command("train.py", *arguments)
    return folder


def test_command_writes_tables_rows_and_figure(place, tmp_path, capsys):
    flags = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}", f"--out={tmp_path}"]
    main([*flags, "--sentences=2"])
    assert capsys.readouterr().out.endswith("heads.csv: 6 heads\n")
    text = (tmp_path / "heads.md").read_text()
    assert "run, 3 sentence pairs of validation, the first 2 translated." in text
    assert text.count("| cross-attention | 1 |") == 2
    rows = pd.read_csv(tmp_path / "heads.csv")
    assert list(rows) == ["kind", "layer", "head", "loss", "loss_change", "bleu", "bleu_change"]
    assert list(rows["kind"]) == ["encoder"] * 2 + ["decoder"] * 2 + ["cross"] * 2
    assert imread(tmp_path / "heads.png").shape[1] > 500


def test_only_translators_translate():
    assert [to_translate(None, task) for task in ("translation", "tagging")] == [200, 0]
    assert [to_translate(asked, "translation") for asked in (0, 7)] == [0, 7]
    assert to_translate(0, "language_modelling") == 0
    with pytest.raises(ValueError, match=r"^--sentences=7 must be 0, or not be given: .*parsing"):
        to_translate(7, "parsing")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere"], "error: --out=nowhere must be a folder that is there."),
        (["--out=.", "--pairs=0"], "error: --pairs=0 must be at least 1."),
        (["--out=.", "--sentences=-1"], "error: --sentences=-1 must be at least 0"),
        (["--out=."], "holds no run (no config.json). Train one with"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([f"--workdir={tmp_path}", *flags])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in told and told.count("\n") == 1
