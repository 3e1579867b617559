"""Runs of models that nobody trained: their heads say something all the same."""

import functools
import pathlib

import jax

from experiment.analysis import Run
from experiment.data import MARK, train_vocabulary
from experiment.training import Workdir, init_params
from model.systems import system_of
from tests.made_up import config, data_for, vocabulary

TWO_LAYERS = {"num_layers": 2}


@functools.cache
def marked_vocabulary():
    return train_vocabulary(["the cat sat on the mat", "good bad"], 300, (MARK,))


@functools.cache
def tiny_run(system: str = "transformer", **model: object) -> Run:
    """A run of two layers of two heads, with the parameters that it would start from."""
    of = config(
        model={**TWO_LAYERS, "system": system, **model},
        data=data_for(system),
        decode={"beam_size": 1 if system == "encoder_only" else 2},
    )
    pieces = marked_vocabulary() if system == "encoder_only" else vocabulary()
    module = system_of(of.model.system_config(pieces.size))
    params = jax.tree.map(lambda leaf: leaf * 1.5, init_params(module, jax.random.key(1)))
    return Run(Workdir(pathlib.Path("runs/tiny")), of, pieces, module, params, (7,), {})
