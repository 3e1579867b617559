"""What the heads of a run attend to: maps of sentences, profiles of heads, alignment of words."""

from experiment.analysis.attention.alignment import (
    MEAN,
    aligned,
    alignment,
    alignment_measures,
    best_aligning,
    matrix,
)
from experiment.analysis.attention.figures import (
    LAW,
    MAKING,
    encoder_map,
    heads_towards,
    most_unlike,
)
from experiment.analysis.attention.maps import Map, maps_of, tidy, with_translations
from experiment.analysis.attention.profiles import entropy, profile, profiles
from experiment.analysis.attention.words import Word, between_words, words_of

__all__ = [
    # One sentence pair.
    "Map",
    "Word",
    "between_words",
    "maps_of",
    "tidy",
    "with_translations",
    "words_of",
    # Many of them.
    "entropy",
    "profile",
    "profiles",
    # From target to source.
    "MEAN",
    "aligned",
    "alignment",
    "alignment_measures",
    "best_aligning",
    "matrix",
    # Figures 3 to 5.
    "LAW",
    "MAKING",
    "encoder_map",
    "heads_towards",
    "most_unlike",
]
