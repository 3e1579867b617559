"""What systems are stacked from: counted by hand, and against the model's own arithmetic."""

import pytest

from experiment.analysis.framework import blocks, layer_parameters, placed_blocks
from experiment.analysis.plots import draw_stacks
from model.systems import parameter_count
from model.transformer import DecoderOnlyConfig, EncoderOnlyConfig, TransformerConfig

SIZES = dict(vocab_size=32, d_model=8, d_ff=16, num_heads=2, num_layers=2, dropout_rate=0.0)
PRE = {**SIZES, "norm_placement": "pre"}
SYSTEMS = {
    "both": TransformerConfig(**PRE),
    "decoder alone": DecoderOnlyConfig(**PRE),
    "encoder alone": EncoderOnlyConfig(**PRE),
}


def test_blocks_stand_in_the_order_of_figure_1():
    placed = placed_blocks(TransformerConfig(**SIZES))
    lowest = placed[(placed["stack"] == "decoder") & (placed["layer"] == 0)]
    assert lowest["block"].tolist() == ["self-attention", "cross-attention", "feed-forward"]
    # Four matrices of 8 x 8, a norm's scale and bias; two matrices of 8 x 16 and their biases.
    assert lowest["parameters"].tolist() == [4 * 64 + 16, 4 * 64 + 16, 2 * 128 + 24 + 16]


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_parameter_is_left_out(name):
    assert placed_blocks(SYSTEMS[name])["parameters"].sum() == parameter_count(SYSTEMS[name])


def test_halves_have_the_same_blocks_and_only_the_whole_has_a_joint():
    table = blocks(SYSTEMS)
    assert table.loc["cross-attention", list(SYSTEMS)].tolist() == [2, 0, 0]
    assert table.loc["self-attention", list(SYSTEMS)].tolist() == [4, 2, 2]
    assert table.loc["feed-forward", list(SYSTEMS)].tolist() == [4, 2, 2]
    assert table.loc["norm", list(SYSTEMS)].tolist() == [2, 1, 1]
    assert table.loc["embedding", "parameters of one"] == 32 * 8
    assert table.loc["all parameters", "decoder alone"] == parameter_count(SYSTEMS["decoder alone"])


def test_a_layer_that_writes_has_the_parameters_of_one_that_reads():
    table = layer_parameters(SYSTEMS)
    reading = table["encoder alone: encoder"]
    assert (table["decoder alone: decoder"] == reading).all()
    assert (table["both: encoder"] == reading).all()
    differs = table.index[table["both: decoder"] != reading]
    assert len(differs) == 6 and all(path.startswith("cross_attention") for path in differs)
    assert table.loc["self_attention/query/kernel", "both: decoder"] == "8 × 2 × 4"


def test_every_block_is_drawn_with_its_parameters():
    placed = {name: placed_blocks(config) for name, config in SYSTEMS.items()}
    figure = draw_stacks(placed)
    for axis, table in zip(figure.axes, placed.values(), strict=True):
        drawn = sorted(text.get_text() for text in axis.texts if "  " in text.get_text())
        rows = zip(table["block"], table["parameters"], strict=True)
        assert drawn == sorted(f"{block}  {parameters:,}" for block, parameters in rows)
    assert [len(axis.patches) for axis in figure.axes] == [1 + 4 + 6 + 2 + 2, 6, 6]
