"""Where steps run: the only room that knows how many devices there are.

By `pmap` over all devices, or by `jit` over a mesh of them. Both take the same step of the same
batch; without dropout the numbers are the same, up to the order of additions.
"""

from collections.abc import Sequence

import jax

from experiment.config import ExperimentConfig
from experiment.training.parallel.meshed import Meshed
from experiment.training.parallel.placement import Placement, on_host
from experiment.training.parallel.pmapped import Pmapped

__all__ = ["Meshed", "Placement", "Pmapped", "on_host", "place"]


def place(config: ExperimentConfig, devices: Sequence[jax.Device]) -> Placement:
    """Returns how `config.mesh` shares the steps of its model among `devices`.

    Raises:
      ValueError: if a batch or the model cannot be split so.
    """
    mesh = config.mesh
    placement: Placement
    if mesh.data == 0:
        placement = Pmapped(devices, mesh.tokens_per_device)
    else:
        placement = Meshed(devices, mesh)
        placement.check_model(config.model)
    placement.check_rows(config.train.tokens_per_batch // config.longest_row)
    return placement
