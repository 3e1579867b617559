"""A run that was never trained: one layer, two heads."""

import functools
import pathlib

import jax
import pytest

from experiment.analysis.runs import Run
from experiment.training import Workdir, init_params
from model.systems import system_of
from tests.made_up import config, vocabulary


@pytest.fixture(scope="module")
def run():
    settings = config()
    model = system_of(settings.model.system_config(vocabulary().size))
    params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
    workdir = Workdir(pathlib.Path("runs/made_up"))
    return Run(workdir, settings, vocabulary(), model, params, (0,), {})
