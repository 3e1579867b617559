"""What the labels of sentences are, and which may be."""

import pathlib
import unicodedata
from collections import Counter
from collections.abc import Callable

from experiment.data.corpora.corpus import Examples
from experiment.data.corpora.marks import MARK
from experiment.data.corpora.parallel_files import TRAIN

_NAMED_LABELS = 8
_SPACE = "▁"  # as the vocabulary writes it


def check(
    examples: Examples,
    side: str,
    files: dict[str, pathlib.Path],
    report: Callable[[str], None],
) -> tuple[list[str], int]:
    """Reads every label, reports how many there are, and returns those of training and the total.

    `side` is what labels are called in an example, and `files` is where those of a split stand.

    Raises:
      ValueError: naming file and line, if a label is not one word that the vocabulary can hold, or
        one that is scored does not occur in training; or if a split has no example.
    """
    known: list[str] = []
    total = 0
    for split in sorted(files, key=lambda split: split != TRAIN):
        counted: Counter[str] = Counter()
        for number, example in examples(split):
            label = example[side]
            if label not in counted:
                _check_label(label, f"{files[split]}, line {number}", known, split)
            counted[label] += 1
        if not counted:
            raise ValueError(f"{files[split]} must have an example to label; it has none.")
        if split == TRAIN:
            known = sorted(counted)
        total += counted.total()
        report(f"labels of {split}: {_described(counted)}")
    return known, total


def _check_label(label: str, place: str, known: list[str], split: str) -> None:
    fault = ""
    if not label:
        fault = "is empty"
    elif any(sign.isspace() for sign in label):
        fault = f"has a space: {label[:40]!r}. Write it as {'_'.join(label[:40].split())!r}"
    elif not label.isprintable() or unicodedata.normalize("NFKC", label) != label:
        fault = f"has characters that the vocabulary would change (NFKC): {label[:40]!r}"
    elif {_SPACE, MARK} & set(label):
        fault = f"has a sign that the vocabulary needs, {_SPACE!r} or {MARK!r}: {label[:40]!r}"
    if fault:
        raise ValueError(f"{place}: a label must be one word; this {fault}.")
    if split != TRAIN and label not in known:
        raise ValueError(
            f"{place}: a label that is scored must occur in training; {label[:40]!r} does not. "
            f"Training has {_named(known)}. Correct it, or add such sentences to training."
        )


def _described(counted: Counter[str]) -> str:
    shares = [
        f"{label} {count:,} ({count / counted.total():.1%})"
        for label, count in counted.most_common(_NAMED_LABELS)
    ]
    return ", ".join(shares) + _more(len(counted))


def _named(labels: list[str]) -> str:
    return ", ".join(labels[:_NAMED_LABELS]) + _more(len(labels))


def _more(count: int) -> str:
    return f" and {count - _NAMED_LABELS:,} more" if count > _NAMED_LABELS else ""
