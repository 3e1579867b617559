"""What a model is to say of a sentence: which scores it has then, and how a person reads it."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from experiment.config import LABELLED, NOTHING, ExperimentConfig
from experiment.data import bracketed, marked_sentence, marked_words, unmarked, without_words
from experiment.evaluation.bleu import translation_scores
from experiment.evaluation.bracketing import parsing_scores, tagging_scores
from experiment.evaluation.labelling import classification_scores
from experiment.evaluation.parsing import aligned, delinearised, is_repaired

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


LANGUAGE_MODELLING = Task("language_modelling", _nothing_decoded, str, _as_it_is, continues=True)
# A run's own knows its tokenizer and the language of its targets.
TRANSLATION = Task(
    "translation",
    functools.partial(_translation_scores, tokenizer="none", language="en"),
    str,
    _as_it_is,
)


def task_of(config: ExperimentConfig) -> Task:
    """Returns the task of a run: its corpus decides, and which sides of it there are."""
    side = config.data.target_language
    if config.data.source_language == NOTHING:
        return LANGUAGE_MODELLING
    if config.data.corpus in LABELLED:
        return Task("classification", classification_scores, marked_sentence, _as_it_is)
    if config.data.corpus != "treebank":
        scores = functools.partial(
            _translation_scores, tokenizer=config.evaluation.tokenizer, language=side
        )
        return TRANSLATION._replace(scores=scores)
    if side in ("tree", "tagged_tree"):
        tagged = side == "tagged_tree"
        scores = functools.partial(parsing_scores, tagged=tagged)
        shown = functools.partial(_in_brackets, tagged=tagged)
        return Task("parsing", scores, _without_brackets, shown)
    if side == "worded_tree":
        return Task("parsing", _worded_parsing_scores, _without_brackets, _worded_in_brackets)
    if config.data.marks:
        return Task("tagging", _marked_tagging_scores, _marked, _as_it_is)
    return Task("tagging", tagging_scores, _without_brackets, _as_it_is)


def _worded_parsing_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    """As `parsing_scores`; `repaired` is of the outputs before their words are aligned."""
    golds = [" ".join(without_words(reference.split())) for reference in references]
    pairs = list(zip(sources, outputs, strict=True))
    scores = parsing_scores(sources, [_of_words(*pair) for pair in pairs], golds)
    plain = [(source.split(), without_words(output.split())) for source, output in pairs]
    repaired = sum(is_repaired(delinearised(tokens, words), tokens) for words, tokens in plain)
    signature = f"{scores['labelled_f1_signature']}|words:aligned"
    return {**scores, "repaired": repaired, "labelled_f1_signature": signature}


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
