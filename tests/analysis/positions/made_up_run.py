"""A run in memory, of random parameters: what is asked of it needs no training."""

import pathlib

from experiment.analysis.positions.equivariance import drawn_params
from experiment.analysis.runs import Run
from experiment.training import Workdir
from model.systems import system_of
from tests import made_up

PAIRS = [("the cat sat", "die Katze saß"), ("the mat", "auf der Matte"), ("on the cat", "Katze")]


def run_of(positions: str) -> Run:
    """A run of a scheme."""
    config = made_up.config(
        model={"positions": positions, "max_positions": 32}, data={"vocab_size": 300}
    )
    vocabulary = made_up.vocabulary()
    model = system_of(config.model.system_config(vocabulary.size))
    workdir, params = Workdir(pathlib.Path("nowhere")), drawn_params(model, 0)
    return Run(workdir, config, vocabulary, model, params, (0,), {})
