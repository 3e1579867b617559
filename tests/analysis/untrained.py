"""A run that has its first parameters, for analyses that need one and no training."""

import pathlib

import jax

from experiment.analysis import Run
from experiment.training import Workdir, init_params
from model.systems import system_of
from tests.made_up import config, data_for, vocabulary


def untrained(folder=pathlib.Path("nowhere"), **model):
    """A run of the made-up config, with other settings of the model, such as `num_layers=2`."""
    its = config(model=model, data=data_for(model.get("system", "transformer")))
    module = system_of(its.model.system_config(vocabulary().size))
    params = init_params(module, jax.random.key(0))
    return Run(Workdir(folder), its, vocabulary(), module, params, (0,), {})
