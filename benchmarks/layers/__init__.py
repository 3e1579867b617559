"""How long one layer of each kind of table 1 takes, against sentences and widths that double."""

from benchmarks.layers.command import main

__all__ = ["main"]
