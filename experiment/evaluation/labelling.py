"""How good labels of sentences are: accuracy, macro F1, and what no model at all reaches."""

from collections import Counter
from collections.abc import Sequence


def classification_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> dict[str, object]:
    """Returns `accuracy`, `macro_f1` and `majority_accuracy`, all in %.

    `macro_f1` is the mean, over the labels that the references have, of each one's F1.
    `majority_accuracy` is the accuracy of saying the commonest of them each time. What is no label
    counts as wrong.

    Raises:
      ValueError: if there is no sentence, or a reference is not one word.

    Example:
      >>> classification_scores(["a", "b", "c", "d"], list("xxyz"), list("xxxy"))
      {'accuracy': 50.0, 'macro_f1': 40.0, 'majority_accuracy': 75.0}
    """
    if not sources:
        raise ValueError("There must be at least one sentence to score; there is none.")
    for number, reference in enumerate(references, 1):
        if len(reference.split()) != 1:
            raise ValueError(f"Reference {number} must be one label; it is {reference[:60]!r}.")
    right = Counter(
        gold for output, gold in zip(outputs, references, strict=True) if output == gold
    )
    said, there = Counter(outputs), Counter(references)
    f1 = [2 * right[label] / (said[label] + there[label]) for label in there]
    return {
        "accuracy": 100 * right.total() / len(sources),
        "macro_f1": 100 * sum(f1) / len(f1),
        "majority_accuracy": 100 * max(there.values()) / len(sources),
    }


def right_labels(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> list[tuple[int, int]]:
    """Returns of each sentence whether its label is right, and 1."""
    return [(int(ours == gold), 1) for ours, gold in zip(outputs, references, strict=True)]
