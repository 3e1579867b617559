"""Numbers in words, each labelled by how many digits it has: a task for an encoder alone."""

import pathlib

from experiment.data import write_file
from experiment.data.corpora.number_words import english, numbers_of_splits

_BELOW = 10**6  # above it there are only whole millions to train on
_SIZES = {"train": 8_000, "validation": 200, "test": 1_000}


def digits_of(number: int) -> str:
    """Returns a number's label.

    Example:
      >>> [digits_of(number) for number in (0, 5_200, 200_005)]
      ['1', '4', '6']
    """
    return str(len(str(number)))


def write_digits(folder: pathlib.Path) -> pathlib.Path:
    """Returns `folder` with a text and a label file for each split; it is made if it is not there.

    "five thousand, two hundred" has 4 digits, "two hundred thousand and five" 6: words alone do not
    tell. Splits share no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers_of = numbers_of_splits()
    for split, size in _SIZES.items():
        numbers = [number for number in numbers_of[split] if number < _BELOW][:size]
        for side, of in (("text", english), ("label", digits_of)):
            lines = "".join(f"{of(number)}\n" for number in numbers)
            write_file(folder / f"{split}.{side}", lines.encode())
    return folder
