"""Predictions to scores, defined once: for training, for the commands and for notebooks."""

from experiment.evaluation.bleu import translation_scores
from experiment.evaluation.evaluator import Evaluator
from experiment.evaluation.perplexity import perplexity
from experiment.evaluation.significance import SAMPLES, Estimate, compare, paired_bootstrap
from experiment.evaluation.stream import translate_stream
from experiment.evaluation.translation import Translation, Translator, search

__all__ = [
    "SAMPLES",
    "Estimate",
    "Evaluator",
    "Translation",
    "Translator",
    "compare",
    "paired_bootstrap",
    "perplexity",
    "search",
    "translate_stream",
    "translation_scores",
]
