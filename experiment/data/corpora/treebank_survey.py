"""What a person should know of a treebank, and what its targets consist of."""

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from experiment.data.corpora.linearised import linearised, worded
from experiment.data.corpora.plain_trees import plain
from experiment.data.corpora.survey import Places
from experiment.data.corpora.treebank_folder import Files, described
from experiment.data.corpora.trees import HOLDS, OPENS, Tree, read_placed_trees, walked

TRAIN = "train"
SIDES = WORDS, TREE, WORDED_TREE, TAGGED_TREE, TAGS = (
    "words",
    "tree",
    "worded_tree",
    "tagged_tree",
    "tags",
)
_SAID = TREE, TAGGED_TREE, TAGS
_LABEL = re.compile(r"[!-~]+")  # what the vocabulary's normalisation leaves as it is
_SPACE = re.compile(r"\s")


class Sentence(NamedTuple):
    """A tree of a treebank, as text."""

    place: str  # where its tree begins: file, line, column
    sides: dict[str, str]  # one of SIDES -> tokens with spaces between them


class Found(NamedTuple):
    """What a treebank consists of."""

    num_sentences: int  # of all splits
    symbols: dict[str, list[str]]  # every token of what training is to say, by side; sorted


def sentences(paths: list[pathlib.Path]) -> Iterator[Sentence]:
    """Yields the sentences of a split; `sides` is empty where a tree holds no word.

    Raises:
      ValueError: naming file, line and column, if a file is no text of well-formed trees, or a
        label or a word is not one that can be told again from a sequence.
    """
    for path in paths:
        for place, whole in read_placed_trees(path):
            tree = plain(whole)
            if tree is None:
                yield Sentence(place, {})
                continue
            _check(tree, place)
            sides = {
                WORDS: tree.words(),
                TREE: linearised(tree),
                WORDED_TREE: worded(tree),
                TAGGED_TREE: linearised(tree, tagged=True),
                TAGS: [tag.label for tag in tree.tags()],
            }
            yield Sentence(place, {side: " ".join(tokens) for side, tokens in sides.items()})


def examples(paths: list[pathlib.Path]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields numbers and sides of those sentences of a split that have a word."""
    for number, sentence in enumerate(sentences(paths)):
        if sentence.sides:
            yield number, sentence.sides


def check(files: Files, report: Callable[[str], None]) -> Found:
    """Reads everything once, and reports what is in it.

    Raises:
      ValueError: if a file is malformed, or a split has no sentence.
    """
    total, symbols = 0, {side: set[str]() for side in _SAID}
    seen: set[str] = set()  # sentences to train on
    for split, paths in files.items():
        survey = _Survey()
        for sentence in sentences(paths):
            survey.add(sentence, seen if split != TRAIN else set())
            if split == TRAIN and sentence.sides:
                seen.add(sentence.sides[WORDS])
        if not survey.num_sentences:
            raise ValueError(
                f"{paths[0]} and the rest of {split} must have a word; they have none."
            )
        unseen = {symbol for side in symbols for symbol in survey.tokens[side] - symbols[side]}
        if split == TRAIN:
            symbols = {side: set(survey.tokens[side]) for side in symbols}
            unseen = set()
        survey.report(report, split, described(paths), unseen)
        total += survey.num_sentences
    return Found(total, {side: sorted(tokens) for side, tokens in symbols.items()})


class _Survey:
    """Counts the sentences of a split."""

    def __init__(self) -> None:
        self.num_sentences = self.num_words = 0
        self.tokens: dict[str, set[str]] = {side: set() for side in _SAID}
        self._without_words, self._seen = Places(), Places()

    def add(self, sentence: Sentence, seen: set[str]) -> None:
        """Counts a sentence; `seen` are those that are trained on."""
        if not sentence.sides:
            self._without_words.add(sentence.place)
            return
        self.num_sentences += 1
        for side, tokens in self.tokens.items():
            tokens.update(sentence.sides[side].split(" "))
        self.num_words += 1 + sentence.sides[WORDS].count(" ")
        if sentence.sides[WORDS] in seen:
            self._seen.add(sentence.place)

    def report(
        self, report: Callable[[str], None], split: str, where: str, unseen: set[str]
    ) -> None:
        """Says what was counted; `unseen` are tokens of targets that training does not have."""
        labels = sum(token.startswith("(") for token in self.tokens[TREE])
        report(
            f"read {split} ({where}): {self.num_sentences:,} sentences of {self.num_words:,} words,"
            f" {labels} labels, {len(self.tokens[TAGS])} tags"
        )
        if self._without_words.count:
            report(
                f"{self._without_words.count:,} trees of {split} hold no word and are left out: "
                f"{self._without_words}."
            )
        if self._seen.count:
            report(
                f"{self._seen.count:,} of {self.num_sentences:,} sentences of {split} are training "
                f"sentences too: {self._seen}."
            )
        if unseen:
            report(f"{split} has what training has not: {', '.join(sorted(unseen))}.")


def _check(tree: Tree, place: str) -> None:
    for event, part in walked(tree):
        if event in (OPENS, HOLDS) and not _LABEL.fullmatch(part.label):
            raise ValueError(
                f"{place}: the tree that begins here has the label {part.label[:40]!r}. A label "
                "must be of printable ASCII characters."
            )
        if event == HOLDS and _SPACE.search(part.word):
            raise ValueError(
                f"{place}: the tree that begins here has the word {part.word[:40]!r}. A word must "
                "not hold a space of any kind: it would become two."
            )
