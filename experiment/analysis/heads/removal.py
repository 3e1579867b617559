"""Models without some of their heads: other gates, or other parameters."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from flax.traverse_util import flatten_dict, unflatten_dict

from experiment.analysis.runs import Run
from experiment.analysis.sites import (
    Gates,
    Head,
    Site,
    at,
    heads_of,
    ones,
    sites_of,
    without,
)
from experiment.training import Params


def without_sites(gates: Gates, sites: Iterable[Site]) -> dict[str, Any]:
    """Returns the gates without any head of some sites: their residuals pass what they are given.

    Raises:
      ValueError: if there is no such site.
    """
    wanted = set(sites)
    there = set(sites_of(gates))
    for site in sorted(wanted - there):
        raise ValueError(f"There is no {site.name}. The model attends at {len(there)} sites.")
    return without(gates, [head for head in heads_of(gates) if head.site in wanted])


def alone(gates: Gates, head: Head) -> dict[str, Any]:
    """Returns the gates with all others of a head's site at zero; other sites stay as they are."""
    others = [each for each in heads_of(gates) if each.site == head.site and each != head]
    return without(gates, others)


def folded(params: Params, gates: Gates) -> dict[str, Any]:
    """Returns parameters of a model that, with all its gates open, is the given one gated.

    A gate multiplies what its head hands to the output projection (section 3.2.2), so it may as
    well multiply that head's rows. Everything that takes parameters takes a pruned model so.
    """
    flat = dict(flatten_dict(dict(params)))
    for site in sites_of(gates):
        rows = (*site.path, "out", "kernel")
        flat[rows] = flat[rows] * np.asarray(at(gates, site)["heads"])[:, None, None]
    return unflatten_dict(flat)


def table_of_heads(run: Run) -> pd.DataFrame:
    """Returns a row a head: kind, layer and head from 1, widths d_k and d_v, own parameters.

    Raises:
      ValueError: if the run's model has no heads.
    """
    rows = []
    for head in heads_of(ones(run.model)):
        (_, _, key_width), (_, value_width, _) = (
            at(run.params, head.site)[name]["kernel"].shape for name in ("key", "out")
        )
        parameters = 2 * run.config.model.d_model * (key_width + value_width)
        rows.append((*columns(head), key_width, value_width, parameters))
    return pd.DataFrame(rows, columns=[*HEAD_COLUMNS, "d_k", "d_v", "parameters"])


HEAD_COLUMNS = ("kind", "layer", "head")


def columns(head: Head) -> tuple[str, int, int]:
    """Returns how a head is told in tables, by `HEAD_COLUMNS`: layer and head from 1."""
    return head.site.kind, head.site.layer + 1, head.number + 1
