"""Predictions to scores, defined once: for training, for the commands and for notebooks."""

from experiment.evaluation.bleu import translation_scores
from experiment.evaluation.bracketing import parsing_scores, tagging_scores, tree_scores
from experiment.evaluation.evaluator import Evaluator
from experiment.evaluation.labelling import classification_scores
from experiment.evaluation.parsing import delinearised, is_repaired, right_branching
from experiment.evaluation.perplexity import of_texts, perplexity
from experiment.evaluation.significance import SAMPLES, Estimate, compare, paired_bootstrap
from experiment.evaluation.stream import translate_stream
from experiment.evaluation.task import Task, task_of
from experiment.evaluation.translation import Translation, Translator, in_one_line, search

__all__ = [
    "SAMPLES",
    "Estimate",
    "Evaluator",
    "Task",
    "Translation",
    "Translator",
    "classification_scores",
    "compare",
    "delinearised",
    "in_one_line",
    "is_repaired",
    "of_texts",
    "paired_bootstrap",
    "parsing_scores",
    "perplexity",
    "right_branching",
    "search",
    "tagging_scores",
    "task_of",
    "translate_stream",
    "translation_scores",
    "tree_scores",
]
