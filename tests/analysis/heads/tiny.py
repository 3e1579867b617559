"""A Transformer of two layers that was never trained, as a run, and pairs for it to be asked of."""

import functools
import pathlib

import jax

from experiment.analysis import Run
from experiment.training import Workdir, init_params
from model.transformer import Transformer
from tests.made_up import config, vocabulary

PAIRS = [
    ("the cat", "die Katze"),
    ("on the mat", "auf der Matte"),
    ("mat", "Matte"),
    ("the cat sat on", "die Katze saß"),
    ("", "der"),
]


@functools.cache
def run() -> Run:
    """Its parameters are large enough for each head to make a difference."""
    its = config(model={"num_layers": 2, "d_model": 8, "d_ff": 8}, data={"packed_length": 40})
    model = Transformer(its.model.system_config(vocabulary().size))
    params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
    params = jax.tree.map(lambda leaf: 3 * leaf, params)
    return Run(Workdir(pathlib.Path("nowhere")), its, vocabulary(), model, params, (1,), {})
