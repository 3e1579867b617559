"""The heads of a model, and models without some of them: other gates, or other parameters."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from flax.traverse_util import flatten_dict, unflatten_dict

from experiment.analysis.runs import Run
from experiment.analysis.sites import Site, at, ones, sites_of, with_gates
from experiment.training import Params

Gates = Mapping[str, Any]


class Head(NamedTuple):
    """One head of a model."""

    site: Site
    number: int  # within its site, from 0

    @property
    def name(self) -> str:
        """What people call it, layers and heads counted from 1, as the paper counts them."""
        return f"{self.site.name}, head {self.number + 1}"


def heads_of(gates: Gates) -> list[Head]:
    """Returns all heads that a tree of gates has a number for, site by site.

    Example:
      >>> gates = {"encoder": {"layer_0": {"self_attention": {"heads": np.ones(2)}}}}
      >>> [head.name for head in heads_of(gates)][1]
      'encoder self-attention, layer 1, head 2'
    """
    sizes = {site: len(at(gates, site)["heads"]) for site in sites_of(gates)}
    return [Head(site, index) for site, size in sizes.items() for index in range(size)]


def without(gates: Gates, heads: Iterable[Head]) -> dict[str, Any]:
    """Returns the gates with those of some heads at zero; the given tree stays as it was.

    Raises:
      ValueError: if there is no such head.
    """
    there = set(heads_of(gates))
    changed: dict[Site, Any] = {}
    for head in heads:
        if head not in there:
            raise ValueError(f"There is no {head.name}. The model has {len(there)} heads.")
        its = changed.setdefault(head.site, np.array(at(gates, head.site)["heads"]))
        its[head.number] = 0
    return with_gates(gates, changed)


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
