import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import pytest

from experiment.config_files import load_config, published, rows_of
from model.systems import parameter_count
from model.transformer import (
    Transformer,
    TransformerConfig,
    one_sentence_a_row,
    parameter_counts,
)
from model.transformer.config import CHOICES

TABLE_3, SMALL = "configs/table3.py", "configs/table3_small.py"
VOCABULARY = 37_000  # section 5.1: "about 37000 tokens"
PAPER_MILLIONS = {
    row: figures["parameters"]
    for row, figures in published(TABLE_3).items()
    if "parameters" in figures
}
BASE_FAMILY = [row for row in PAPER_MILLIONS if row != "big"]
# Sizes that no two parts share, so that one cannot stand in for the other.
ODD = TransformerConfig(
    vocab_size=23,
    d_model=14,
    d_ff=19,
    num_heads=3,
    num_layers=2,
    dropout_rate=0.1,
    d_k=4,
    d_v=11,
    max_positions=31,
)
VARIED = ("norm", "norm_placement", "activation", "tied_embeddings")


def transformer(file, row, vocab_size):
    return load_config(f"{file}:{row}").model.system_config(vocab_size)


@functools.cache
def real_sizes(config):
    """Parameters by the first name of their path, in the model itself."""
    model, tokens = Transformer(config), one_sentence_a_row(jnp.ones((1, 1), jnp.int32))
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), tokens, tokens, deterministic=True)["params"]
    )
    return {name: sum(x.size for x in jax.tree.leaves(part)) for name, part in shapes.items()}


def real_count(config):
    return sum(real_sizes(dataclasses.replace(config, dropout_rate=0.0)).values())


@pytest.mark.parametrize(
    ("file", "row"), [(file, row) for file in (TABLE_3, SMALL) for row in rows_of(file)]
)
def test_count_is_the_models_in_every_row_of_table_3(file, row):
    config = transformer(file, row, VOCABULARY)
    assert parameter_count(config) == real_count(config)


@pytest.mark.parametrize("values", list(itertools.product(*(CHOICES[name] for name in VARIED))))
def test_every_part_is_the_models_in_every_variant(values):
    config = dataclasses.replace(ODD, **dict(zip(VARIED, values, strict=True)))
    real = real_sizes(config)
    assert parameter_counts(config) == {
        "embeddings": sum(size for name, size in real.items() if "embedding" in name),
        "positions": 0,
        "encoder": real["encoder"],
        "decoder": real["decoder"],
    }


@pytest.mark.parametrize("positions", CHOICES["positions"])
def test_count_is_the_models_with_every_kind_of_positions(positions):
    config = dataclasses.replace(ODD, positions=positions)
    assert parameter_count(config) == real_count(config)


@pytest.mark.parametrize("row", PAPER_MILLIONS)
def test_the_stated_vocabulary_is_near_the_papers_figures(row):
    millions = parameter_count(transformer(TABLE_3, row, VOCABULARY)) / 1e6
    paper = PAPER_MILLIONS[row]
    assert abs(millions - paper) < max(3, 0.03 * paper)


def test_big_is_within_one_percent_with_the_stated_vocabulary():
    millions = parameter_count(transformer(TABLE_3, "big", VOCABULARY)) / 1e6
    assert abs(millions / PAPER_MILLIONS["big"] - 1) < 0.01


def vocabularies_that_round_to_the_paper(rows):
    """The vocabularies with which every one of `rows` has the paper's figure, between two ends."""
    configs = {row: transformer(TABLE_3, row, VOCABULARY) for row in rows}

    def rounds(row, vocab_size):
        count = parameter_count(dataclasses.replace(configs[row], vocab_size=vocab_size))
        return round(count / 1e6) == PAPER_MILLIONS[row]

    return [v for v in range(35_000, 43_000) if all(rounds(row, v) for row in rows)]


def test_one_vocabulary_explains_every_row_of_the_base_family():
    explaining = vocabularies_that_round_to_the_paper(BASE_FAMILY)
    assert explaining == list(range(41_004, 41_209))


def test_big_needs_another_vocabulary_than_the_base_family():
    explaining = vocabularies_that_round_to_the_paper(["big"])
    assert max(explaining) < VOCABULARY < 41_004
