"""Table 1 of the paper (section 4), measured: what a layer costs, and how far its paths are."""

from experiment.analysis.paths.depth import sequential_products
from experiment.analysis.paths.horizon import (
    hops_table,
    horizon,
    operation_table,
    path_table,
)
from experiment.analysis.paths.layers import (
    Layer,
    convolutional,
    recurrent,
    restricted,
    self_attention,
)
from experiment.analysis.paths.measurements import Kind, Published, Row, Sizes, kinds, measure
from experiment.analysis.paths.operations import exponent, operations
from experiment.analysis.paths.reach import hops_to_reach, max_path_length
from experiment.analysis.paths.table import markdown

__all__ = [
    # Layers.
    "Layer",
    "convolutional",
    "recurrent",
    "restricted",
    "self_attention",
    # What is measured of one.
    "exponent",
    "hops_table",
    "hops_to_reach",
    "horizon",
    "max_path_length",
    "operations",
    "sequential_products",
    # The table.
    "Kind",
    "Published",
    "Row",
    "Sizes",
    "kinds",
    "markdown",
    "measure",
    "operation_table",
    "path_table",
]
