"""Searches for the most probable output (section 6.1), and samples, given what scores tokens.

They know nothing of models: `StepFn` in `hypotheses.py` is all they ask for.
"""

from model.decoding.beam import beam_search, length_penalty
from model.decoding.greedy import greedy_search
from model.decoding.hypotheses import IMPOSSIBLE, Hypotheses, StepFn
from model.decoding.sampling import kept, sample

__all__ = [
    "IMPOSSIBLE",
    "Hypotheses",
    "StepFn",
    "beam_search",
    "greedy_search",
    "kept",
    "length_penalty",
    "sample",
]
