"""What a person should know of a corpus before training on it: counts, and where to look."""

import array
import math
import pathlib
import re
import unicodedata
from collections.abc import Callable

import numpy as np

from experiment.data.corpora.parallel_files import TRAIN, Line, empty_side, judged
from experiment.data.corpora.swapped import swapped
from experiment.data.corpora.text_files import open_text
from experiment.data.corpora.text_folder import REFUSE, Files
from experiment.data.corpora.text_lines import BYTE_ORDER_MARK

NAMED_PLACES = 5
SAMPLED_PAIRS = 10_000
_FEWEST_SAMPLES = 100  # pairs; fewer do not show what their languages look like
_LONGEST_SAMPLE = 200  # characters

# What a pair may have, and the share of pairs from which on it is a warning.
Finding = tuple[str, float]
REPEATED = ("occur more than once (counted from the second on)", 0.1)
COPIED = ("have the same text on both sides", 0.05)
SWAPPED = ("seem to have their languages swapped", 0.01)
SEEN = ("are training pairs too, which makes scores too good", 0.01)
EMPTY_SIDE = ("have an empty side, and are kept: a score is of all lines", 0.01)
NOT_COMPOSED = ("have decomposed characters, which the vocabulary composes (NFKC)", math.inf)
CHARACTERS = {
    ("have control characters, or line breaks other than the end of the line", 0.01): re.compile(
        r"[\x01-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
    ),
    ("have a byte order mark inside", 0.01): re.compile("\ufeff"),
    ("have marks of the direction of writing", 0.5): re.compile(
        "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    ),
    ("have full-width forms, which the vocabulary makes plain (NFKC)", math.inf): re.compile(
        "[\uff01-\uff5e\uffe0-\uffe6]"
    ),
    ("have replacement characters (U+FFFD): text was lost before", 0.01): re.compile("\ufffd"),
}
_ANY_OF_THEM = re.compile("|".join(pattern.pattern for pattern in CHARACTERS.values()))


class Survey:
    """Counts what the lines of a split are; memory is 16 bytes a pair and a sample."""

    def __init__(
        self, split: str, by_language: dict[str, pathlib.Path], *, are_translations: bool = True
    ):
        """`are_translations` is whether both sides are text, each in a language of its own."""
        self._are_translations = are_translations and len(by_language) > 1
        self.split = split
        self._unit = "pair" if len(by_language) > 1 else "sentence"
        self.num_lines = self.num_kept = 0
        self._files = by_language
        self._left_out: dict[str, Places] = {}
        self._found: dict[Finding, Places] = {}
        self._hashes = array.array("q")  # of each pair that is kept
        self._numbers = array.array("q")  # ... and its line
        self._sample: list[tuple[str, str]] = []
        self._stride = 1  # every so many-th pair is sampled

    def add(self, line: Line) -> None:
        """Counts a line."""
        self.num_lines += 1
        if line.fault:
            self._left_out.setdefault(line.fault, Places()).add(line.at)
            return
        sides = tuple(line.pair.values())
        if self._are_translations and self.num_kept % self._stride == 0:
            first, second = sides
            self._sample.append((first[:_LONGEST_SAMPLE], second[:_LONGEST_SAMPLE]))
            if len(self._sample) == 2 * SAMPLED_PAIRS:
                self._sample, self._stride = self._sample[::2], 2 * self._stride
        self.num_kept += 1
        self._hashes.append(hash(sides))
        self._numbers.append(line.number)
        self._look_at(line)

    def _look_at(self, line: Line) -> None:
        if self.split != TRAIN and (side := empty_side(line.pair)):
            self._note(EMPTY_SIDE, side, line.number)
        elif self._are_translations and len(set(line.pair.values())) == 1:
            self._note(COPIED, next(iter(self._files)), line.number)
        for language, text in line.pair.items():
            if not text.isascii() and not unicodedata.is_normalized("NFC", text):
                self._note(NOT_COMPOSED, language, line.number)
            if _ANY_OF_THEM.search(text):
                for finding, pattern in CHARACTERS.items():
                    if pattern.search(text):
                        self._note(finding, language, line.number)

    def _note(self, finding: Finding, language: str, number: int) -> None:
        self._found.setdefault(finding, Places()).add(f"{self._files[language]}:{number}", number)

    def report(self, report: Callable[[str], None], train: "Survey | None" = None) -> None:
        """Says what was counted: lines, pairs left out and why, and what else is worth a look.

        `train` is the survey of the training text, when this is of another split.
        """
        left = self.num_lines - self.num_kept
        report(
            f"read {self.split}: {_count(self.num_lines, 'line')}, "
            f"{_count(self.num_kept, self._unit)} kept, {left:,} left out"
        )
        for fault, places in self._left_out.items():
            report(
                f"{places.count:,} of {self.num_lines:,} training {self._unit}s have {fault} and "
                f"are left out: {places}."
            )
        self._count_pairs(train)
        for finding, places in self._found.items():
            text, threshold = finding
            num_pairs = len(self._sample) if finding is SWAPPED else self.num_kept
            drawn = "drawn " if num_pairs < self.num_kept else ""
            warning = "warning: " if places.count >= threshold * num_pairs else ""
            report(
                f"{warning}{places.count:,} of {num_pairs:,} {self._unit}s {drawn}of {self.split} "
                f"{text}: {places}."
            )

    def _count_pairs(self, train: "Survey | None") -> None:
        """Finds what only all pairs together show."""
        hashes, numbers = np.array(self._hashes), np.array(self._numbers)
        again = np.ones(len(hashes), bool)
        again[np.unique(hashes, return_index=True)[1]] = False
        self._note_all(REPEATED, numbers[again])
        if train:
            self._note_all(SEEN, numbers[np.isin(hashes, np.array(train._hashes))])
        if len(self._sample) >= _FEWEST_SAMPLES:
            in_sample = np.array(swapped(self._sample), np.int64)
            self._note_all(SWAPPED, numbers[in_sample * self._stride])

    def _note_all(self, finding: Finding, numbers: np.ndarray) -> None:
        for number in numbers:
            self._note(finding, next(iter(self._files)), int(number))


def check(
    files: Files,
    report: Callable[[str], None],
    on_error: str = REFUSE,
    *,
    are_translations: bool = True,
) -> dict[str, int]:
    """Reads everything once, reports what is in it, and returns the number of pairs of each split.

    Of what are no translations it is not asked whether both sides have the same text, or which
    language. There may be one side alone.

    Raises:
      ValueError: if a file is malformed, two files differ in length, or a split has no pair.
    """
    surveys = {
        split: Survey(split, by_language, are_translations=are_translations)
        for split, by_language in files.items()
    }
    for split, by_language in files.items():
        for path in by_language.values():
            with open_text(path) as file:
                if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
                    report(f"{path} begins with a byte order mark, which is left out")
        for line in judged(split, by_language, on_error):
            surveys[split].add(line)
        if not surveys[split].num_kept:
            surveys[split].report(report)
            both = " and ".join(str(path) for path in by_language.values())
            raise ValueError(f"{both} must have at least one pair of sentences; they have none.")
    for split, survey in surveys.items():
        survey.report(report, surveys.get(TRAIN) if split != TRAIN else None)
    return {split: survey.num_kept for split, survey in surveys.items()}


class Places:
    """So many places, the first few of which are named."""

    def __init__(self) -> None:
        self.count = 0
        self._named: list[str] = []
        self._last = 0

    def add(self, place: str, number: int = 0) -> None:
        """Counts a place; both sides of the line `number` count as one."""
        if number and number == self._last:
            return
        self._last = number
        self.count += 1
        if len(self._named) < NAMED_PLACES:
            self._named.append(place)

    def __str__(self) -> str:
        more = self.count - len(self._named)
        return ", ".join(self._named) + (f" and {more:,} more" if more else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
