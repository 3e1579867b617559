"""A run in memory, of random parameters: what is asked of it needs no training."""

import functools
import pathlib

import jax

from experiment.analysis.runs import Run
from experiment.training import Workdir, init_params
from model.systems import system_of
from tests import made_up

PAIRS = [("the cat sat", "die Katze saß"), ("the mat", "auf der Matte"), ("on the cat", "Katze")]


def run_of(positions: str) -> Run:
    """A run of a scheme; all schemes start from the same random numbers."""
    config = made_up.config(
        model={"positions": positions, "max_positions": 32}, data={"vocab_size": 300}
    )
    vocabulary = made_up.vocabulary()
    model = system_of(config.model.system_config(vocabulary.size))
    params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
    return Run(Workdir(pathlib.Path("nowhere")), config, vocabulary, model, params, (0,), {})
