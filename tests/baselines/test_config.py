import dataclasses
import json
import pathlib

import pytest

from experiment.config import ExperimentConfig, from_mapping
from experiment.config_files import load_config
from model.baselines import ConvolutionalConfig, RecurrentConfig
from model.systems import SYSTEMS, parameter_count, system_of
from model.transformer import Transformer
from tests.made_up import config, data_for

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
SIZES = dict(vocab_size=9, d_model=8, num_layers=1, dropout_rate=0.1)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (
            RecurrentConfig,
            {"d_model": 7},
            "model.d_model=7 must be even: the encoder's two directions share it. Use 8.",
        ),
        (RecurrentConfig, {"num_layers": 0}, "model.num_layers=0 must be at least 1."),
        (RecurrentConfig, {"dropout_rate": 1.0}, "model.dropout_rate=1.0 must be in [0, 1)."),
        (
            RecurrentConfig,
            {"attention": "dot"},
            "model.attention='dot' must be one of multiplicative, additive.",
        ),
        (
            RecurrentConfig,
            {"tied_embeddings": "both"},
            "model.tied_embeddings='both' must be one of all, target, none.",
        ),
        (
            ConvolutionalConfig,
            {"kernel_width": 4},
            "model.kernel_width=4 must be odd: the encoder reads as many tokens on either side. "
            "Use 5.",
        ),
        (ConvolutionalConfig, {"max_positions": 0}, "model.max_positions=0 must be at least 1."),
        (
            ConvolutionalConfig,
            {"dtype": "float16"},
            "model.dtype='float16' must be one of float32, bfloat16.",
        ),
    ],
)
def test_impossible_sizes_are_refused(kind, change, message):
    with pytest.raises(ValueError) as refused:
        kind(**{**SIZES, **change})
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"system": "rnn"},
            "model.system='rnn' must be one of transformer, decoder_only, "
            "encoder_only, recurrent, convolutional.",
        ),
        (
            {"system": "transformer", "kernel_width": 5},
            "model.kernel_width=5 must be 3 where model.system='transformer': only convolutional "
            "systems have it.",
        ),
        (
            {"system": "recurrent", "max_positions": 99},
            "model.max_positions=99 must be 1024 where model.system='recurrent': only "
            "transformer, decoder_only, encoder_only and convolutional systems have it.",
        ),
        (
            {"system": "recurrent", "d_k": 4},
            "model.d_k=4 must be None where model.system='recurrent': only transformer, "
            "decoder_only and encoder_only systems have it.",
        ),
        (
            {"system": "convolutional", "positions": "learned"},
            "model.positions='learned' must be 'sinusoidal' where model.system='convolutional': "
            "only transformer, decoder_only and encoder_only systems have it.",
        ),
        (
            {"system": "convolutional", "input_feeding": False},
            "model.input_feeding=False must be True where model.system='convolutional': only "
            "recurrent systems have it.",
        ),
        (
            {"system": "recurrent", "remat": True},
            "model.remat=True must be False where model.system='recurrent': only "
            "transformer, decoder_only and encoder_only systems have it.",
        ),
        (
            {"system": "convolutional", "max_positions": 15},
            "model.max_positions=15 must reach the longest row of 16 tokens (data.packed_length, "
            "data.bucket_lengths), as positions are learned. Raise it.",
        ),
    ],
)
def test_setting_of_another_system_is_refused(model, message):
    with pytest.raises(ValueError) as refused:
        config(model=model)
    assert str(refused.value) == message


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_setting_of_a_system_is_its_configs(system):
    """So that each can be given, and reaches the module."""
    chosen = config(model={"system": system}, data=data_for(system)).model
    its = chosen.system_config(99)
    settings = {field.name for field in dataclasses.fields(chosen)}
    assert {field.name for field in dataclasses.fields(its)} <= settings | {"vocab_size"}
    assert type(system_of(its)) is SYSTEMS[system].module
    assert its.vocab_size == 99


def test_run_from_before_there_were_systems_is_a_transformer():
    mapping = json.loads(json.dumps(config().resolved()))
    for name in ("system", "attention", "input_feeding", "kernel_width"):
        del mapping["model"][name]
    before = from_mapping(ExperimentConfig, mapping)
    assert before == config()
    assert isinstance(system_of(before.model.system_config(9)), Transformer)


def test_multi30k_systems_are_as_large_as_the_files_say():
    counts = {
        name: parameter_count(load_config(str(CONFIGS / f"{name}.py")).model.system_config(8_000))
        for name in ("multi30k", "multi30k_recurrent", "multi30k_convolutional")
    }
    assert max(counts.values()) < 1.1 * min(counts.values())
    for name in ("multi30k_recurrent", "multi30k_convolutional"):
        said = (CONFIGS / f"{name}.py").read_text()
        assert all(f"{count:,}" in said for count in counts.values())


@pytest.mark.parametrize("name", ["multi30k_recurrent", "multi30k_convolutional"])
def test_multi30k_systems_have_the_same_text_batches_and_steps(name):
    theirs, ours = (load_config(str(CONFIGS / f"{each}.py")) for each in ("multi30k", name))
    assert theirs.data == ours.data
    assert theirs.decode == ours.decode
    assert theirs.evaluation == ours.evaluation
    same = dataclasses.replace(ours.train, learning_rate_scale=theirs.train.learning_rate_scale)
    assert same == theirs.train


def test_parsers_are_of_one_size_and_differ_in_the_model_alone():
    rows = [
        load_config(f"{CONFIGS / 'treebank_parsing'}.py:{row}")
        for row in ("transformer", "sinusoidal", "recurrent")
    ]
    counts = [parameter_count(row.model.system_config(2_000)) for row in rows]
    assert max(counts) < 1.01 * min(counts)
    assert [row.model.system for row in rows] == ["transformer", "transformer", "recurrent"]
    assert [row.model.positions for row in rows[:2]] == ["rotary", "sinusoidal"]
    assert all(dataclasses.replace(row, model=rows[0].model) == rows[0] for row in rows)
