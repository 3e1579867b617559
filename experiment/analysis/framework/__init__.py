"""From translation to a framework: one kit of blocks, and the systems that are stacked from it."""

from experiment.analysis.framework.blocks import blocks, layer_parameters, placed_blocks
from experiment.analysis.framework.digits import digits_of, write_digits
from experiment.analysis.framework.joint import MEMORIES, joint, of_one_length
from experiment.analysis.framework.masks import masks_of, swapped_masks
from experiment.analysis.framework.results import examples, results

__all__ = [
    # What systems are made of.
    "blocks",
    "layer_parameters",
    "placed_blocks",
    # Who sees whom, which is what tells the stacks apart.
    "masks_of",
    "swapped_masks",
    # What holds the halves together.
    "MEMORIES",
    "joint",
    "of_one_length",
    # What each is good for.
    "digits_of",
    "examples",
    "results",
    "write_digits",
]
