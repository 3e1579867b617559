"""What a model is to say of a sentence: which scores it has then, and how a person reads it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiment.config import LABELLED, NOTHING, ExperimentConfig
from experiment.data import bracketed, marked_sentence, marked_words, unmarked, without_words
from experiment.evaluation.bleu import translation_scores
from experiment.evaluation.bracketing import (
    Counts,
    bracket_counts,
    parsing_scores,
    right_tags,
    tagging_scores,
)
from experiment.evaluation.labelling import classification_scores, right_labels
from experiment.evaluation.parsing import aligned, delinearised, is_repaired
from experiment.evaluation.significance import SAMPLES, compare, compare_counts

# A bracket in a text, as treebanks write it: theirs are those of the tree.
_BRACKETS = {"(": "-LRB-", ")": "-RRB-", "{": "-LCB-", "}": "-RCB-"}


class Task(NamedTuple):
    """What is asked of a model."""

    # "translation", "parsing", "tagging", "classification" or "language_modelling"
    name: str
    # Of all sources, outputs and references; figures by name.
    scores: Callable[[Sequence[str], Sequence[str], Sequence[str]], dict[str, object]]
    read: Callable[[str], str]  # a line of a person -> a sentence like those trained on
    shown: Callable[[str, str], str]  # sentence, what the model says of it -> a line for a person
    # Of all sources, outputs, those of a baseline, and references: how the chief figure differs, or
    # both kinds of BLEU, and how likely by chance (`significance.compare`).
    compare: Callable[[Sequence[str], Sequence[str], Sequence[str], Sequence[str]], dict[str, Any]]
    # What a person writes is gone on with. So nothing is decoded to be scored: a score is how well
    # the model expects the references.
    continues: bool = False

    def check_references(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Refuses, before a model is asked, references that cannot be scored against.

        Raises:
          ValueError: naming the first.
        """
        if self.name not in ("translation", "language_modelling"):  # any text is one
            sources, references = ([pair[side] for pair in pairs] for side in (0, 1))
            self.scores(sources, references, references)


def _translation_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str], **tokens: str
) -> dict[str, object]:
    return translation_scores(outputs, references, **tokens)


def _as_it_is(source: str, output: str) -> str:
    return output


def _nothing_decoded(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    return {}


def _nothing_to_compare(*texts: Sequence[str]) -> dict[str, Any]:
    return {}


def _compared_translations(
    sources: Sequence[str],
    outputs: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    **tokens: str,
) -> dict[str, Any]:
    return compare(outputs, baseline, references, **tokens)


def _compared_counts(
    sources: Sequence[str],
    outputs: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    name: str,
    counts: Callable[..., Sequence[Sequence[int]]],
    figure: Callable[[Sequence[int]], float],
) -> dict[str, Any]:
    """Compares one of the scores, which is the `figure` of all sentences' `counts`."""
    ours, theirs = (np.array(counts(sources, each, references)) for each in (outputs, baseline))
    return {name: compare_counts(ours, theirs, figure), "samples": SAMPLES}


def _f1(sums: Sequence[int]) -> float:
    return Counts(*sums).figures()["labelled_f1"]


def _share(sums: Sequence[int]) -> float:
    right, all_of_them = sums
    return 100 * right / all_of_them


_COMPARED_TREES = functools.partial(_compared_counts, name="labelled_f1", figure=_f1)
_COMPARED_TAGS = functools.partial(
    _compared_counts, name="tag_accuracy", counts=right_tags, figure=_share
)
_COMPARED_LABELS = functools.partial(
    _compared_counts, name="accuracy", counts=right_labels, figure=_share
)

LANGUAGE_MODELLING = Task(
    "language_modelling", _nothing_decoded, str, _as_it_is, _nothing_to_compare, continues=True
)
# A run's own knows its tokenizer and the language of its targets.
TRANSLATION = Task(
    "translation",
    functools.partial(_translation_scores, tokenizer="none", language="en"),
    str,
    _as_it_is,
    functools.partial(_compared_translations, tokenizer="none", language="en"),
)


def task_of(config: ExperimentConfig) -> Task:
    """Returns the task of a run: its corpus decides, and which sides of it there are."""
    side = config.data.target_language
    if config.data.source_language == NOTHING:
        return LANGUAGE_MODELLING
    if config.data.corpus in LABELLED:
        return Task(
            "classification", classification_scores, marked_sentence, _as_it_is, _COMPARED_LABELS
        )
    if config.data.corpus != "treebank":
        tokens = {"tokenizer": config.evaluation.tokenizer, "language": side}
        return TRANSLATION._replace(
            scores=functools.partial(_translation_scores, **tokens),
            compare=functools.partial(_compared_translations, **tokens),
        )
    if side in ("tree", "tagged_tree"):
        tagged = side == "tagged_tree"
        scores = functools.partial(parsing_scores, tagged=tagged)
        shown = functools.partial(_in_brackets, tagged=tagged)
        counts = functools.partial(bracket_counts, tagged=tagged)
        compared = functools.partial(_COMPARED_TREES, counts=counts)
        return Task("parsing", scores, _without_brackets, shown, compared)
    if side == "worded_tree":
        compared = functools.partial(_COMPARED_TREES, counts=_worded_bracket_counts)
        return Task(
            "parsing", _worded_parsing_scores, _without_brackets, _worded_in_brackets, compared
        )
    if config.data.marks:
        return Task("tagging", _marked_tagging_scores, _marked, _as_it_is, _COMPARED_TAGS)
    return Task("tagging", tagging_scores, _without_brackets, _as_it_is, _COMPARED_TAGS)


def _worded_parsing_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    """As `parsing_scores`; `repaired` is of the outputs before their words are aligned."""
    scores = parsing_scores(sources, *_without_their_words(sources, outputs, references))
    pairs = zip(sources, outputs, strict=True)
    plain = [(source.split(), without_words(output.split())) for source, output in pairs]
    repaired = sum(is_repaired(delinearised(tokens, words), tokens) for words, tokens in plain)
    signature = f"{scores['labelled_f1_signature']}|words:aligned"
    return {**scores, "repaired": repaired, "labelled_f1_signature": signature}


def _worded_bracket_counts(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> list[Counts]:
    return bracket_counts(sources, *_without_their_words(sources, outputs, references))


def _without_their_words(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Returns the outputs, aligned with their sentences, and the references, both of XX."""
    return (
        [_of_words(*pair) for pair in zip(sources, outputs, strict=True)],
        [" ".join(without_words(reference.split())) for reference in references],
    )


def _worded_in_brackets(source: str, output: str) -> str:
    return _in_brackets(source, _of_words(source, output))


def _of_words(source: str, output: str) -> str:
    return " ".join(aligned(output.split(), source.split()))


def _marked_tagging_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    return tagging_scores([unmarked(source) for source in sources], outputs, references)


def _marked(line: str) -> str:
    return marked_words(_without_brackets(line))


def _without_brackets(line: str) -> str:
    return " ".join("".join(_BRACKETS.get(sign, sign) for sign in word) for word in line.split())


def _in_brackets(source: str, output: str, *, tagged: bool = False) -> str:
    """Returns the tree of a sentence on one line, a well-formed one whatever the output."""
    words = source.split()
    return bracketed(delinearised(output.split(), words, tagged=tagged)) if words else ""
