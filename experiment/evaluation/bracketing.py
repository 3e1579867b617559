"""How good trees and tags are: labelled precision and recall as evalb counts them, and accuracy.

evalb (Sekine and Collins 1997) with its COLLINS.prm is what published figures are of. Its rules:
the bracket around the sentence does not count; words tagged , : `` '' or . are taken out first, and
with them brackets that hold nothing else; PRT and ADVP are the same label; a bracket counts as
often as it is there; precision, recall and F1 are of all brackets of all sentences together.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from experiment.data import HOLDS, OPENS, PUNCTUATION, ROOTS, Tree, walked
from experiment.evaluation.parsing import delinearised, is_repaired

_SAME = {"PRT": "ADVP"}
SIGNATURE = f"labelled|roots:not-counted|without:{' '.join(PUNCTUATION)}|ADVP=PRT|unary:counted"

Bracket = tuple[str, int, int]  # label, and the words from one up to another


class Counts(NamedTuple):
    """Brackets of a sentence, or of many together."""

    matched: int
    output: int
    gold: int

    def figures(self) -> dict[str, float]:
        """Returns precision, recall and F1, 0 to 100."""
        precision, recall = (
            100 * self.matched / of if of else 0.0 for of in (self.output, self.gold)
        )
        both = self.output + self.gold
        return {
            "labelled_f1": 200 * self.matched / both if both else 0.0,
            "labelled_precision": precision,
            "labelled_recall": recall,
        }


def brackets(tree: Tree, counted: Sequence[bool]) -> Counter[Bracket]:
    """Returns the brackets of a tree, over those of its words alone that are `counted`."""
    found: Counter[Bracket] = Counter()
    begins: list[int] = []
    index = position = 0
    for event, part in walked(tree):
        if event == HOLDS:
            position += counted[index]
            index += 1
        elif event == OPENS:
            begins.append(position)
        elif (begin := begins.pop()) < position and part.label not in ROOTS:
            found[_SAME.get(part.label, part.label), begin, position] += 1
    return found


def compared(output: Tree, gold: Tree) -> Counts:
    """Counts the brackets of two trees over the same words; the tags of `gold` say what counts."""
    counted = [tag.label not in PUNCTUATION for tag in gold.tags()]
    ours, theirs = brackets(output, counted), brackets(gold, counted)
    return Counts((ours & theirs).total(), ours.total(), theirs.total())


def tree_scores(outputs: Sequence[Tree], golds: Sequence[Tree]) -> dict[str, float]:
    """Returns labelled F1, precision, recall, and the share of trees that are all right, in %."""
    counts = [compared(*trees) for trees in zip(outputs, golds, strict=True)]
    complete = sum(matched == output == gold for matched, output, gold in counts)
    total = Counts(*(sum(column) for column in zip(*counts, strict=True)))
    return {**total.figures(), "complete_match": 100 * complete / len(counts)}


def parsing_scores(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[str],
    *,
    tagged: bool = False,
) -> dict[str, object]:
    """Returns `tree_scores` of linearised trees, and how many of the outputs were `repaired`.

    If they are `tagged`, `tag_accuracy` is the share of words with the right tag, in %.

    Raises:
      ValueError: if there is no sentence, or a reference is no tree over the words of its sentence.
    """
    _check_some(sources)
    golds, trees, repaired = [], [], 0
    example = "(S (NP DT NN )NP (VP VBZ )VP . )S" if tagged else "(S (NP XX XX )NP (VP XX )VP . )S"
    triples = zip(sources, outputs, references, strict=True)
    for number, (source, output, reference) in enumerate(triples, 1):
        words, tokens = source.split(), output.split()
        gold = delinearised(reference.split(), words, tagged=tagged)
        if is_repaired(gold, reference.split(), tagged=tagged):
            raise ValueError(
                f"Reference {number} must be a tree over the {len(words)} words of its sentence, "
                f"such as {example!r}; it is {reference[:60]!r}."
            )
        golds.append(gold)
        trees.append(delinearised(tokens, words, tagged=tagged))
        repaired += is_repaired(trees[-1], tokens, tagged=tagged)
    return {
        **tree_scores(trees, golds),
        **({"tag_accuracy": _tag_accuracy(trees, golds)} if tagged else {}),
        "repaired": repaired,
        "labelled_f1_signature": SIGNATURE,
    }


def bracket_counts(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[str],
    *,
    tagged: bool = False,
) -> list[Counts]:
    """Returns the brackets of each linearised tree; the F1 of their sum is `parsing_scores`'."""
    return [
        compared(
            delinearised(output.split(), source.split(), tagged=tagged),
            delinearised(reference.split(), source.split(), tagged=tagged),
        )
        for source, output, reference in zip(sources, outputs, references, strict=True)
    ]


def _tag_accuracy(outputs: Sequence[Tree], golds: Sequence[Tree]) -> float:
    right = [
        ours.label == theirs.label
        for output, gold in zip(outputs, golds, strict=True)
        for ours, theirs in zip(output.tags(), gold.tags(), strict=True)
    ]
    return 100 * sum(right) / len(right)


def tagging_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    """Returns `tag_accuracy`, the share of words whose tag is right, punctuation included, in %.

    The first tag is of the first word, and so on: a word for which there is none counts as wrong,
    and tags beyond the last word are not looked at. `misaligned` is the number of outputs that have
    not one tag a word, `complete_match` the share of those that are the reference.

    Raises:
      ValueError: if there is no sentence, or a reference has not one tag a word.
    """
    _check_some(sources)
    misaligned = complete = 0
    triples = zip(sources, outputs, references, strict=True)
    for number, (source, output, reference) in enumerate(triples, 1):
        gold, tags, num_words = reference.split(), output.split(), len(source.split())
        if len(gold) != num_words or not gold:
            raise ValueError(
                f"Reference {number} must have one tag a word: {len(gold)} tags, {num_words} words."
            )
        misaligned += len(tags) != num_words
        complete += tags == gold
    right, total = map(sum, zip(*right_tags(sources, outputs, references), strict=True))
    return {
        "tag_accuracy": 100 * right / total,
        "complete_match": 100 * complete / len(sources),
        "misaligned": misaligned,
    }


def right_tags(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> list[tuple[int, int]]:
    """Returns of each sentence how many of its words have the right tag, and how many there are."""
    return [
        (
            sum(ours == theirs for ours, theirs in zip(output.split(), gold, strict=False)),
            len(gold),
        )
        for output, gold in zip(outputs, map(str.split, references), strict=True)
    ]


def _check_some(sources: Sequence[str]) -> None:
    if not sources:
        raise ValueError("There must be at least one sentence to score; there is none.")
