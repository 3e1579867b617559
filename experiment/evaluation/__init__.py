"""Predictions to scores, defined once: for training, for the commands and for notebooks."""

from experiment.evaluation.bleu import translation_scores
from experiment.evaluation.evaluator import Evaluator
from experiment.evaluation.perplexity import perplexity
from experiment.evaluation.translation import Translation, Translator, search

__all__ = ["Evaluator", "Translation", "Translator", "perplexity", "search", "translation_scores"]
