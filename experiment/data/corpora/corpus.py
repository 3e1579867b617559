"""A corpus: named splits of sentence pairs, read at random from ArrayRecord files."""

import dataclasses
import functools
import itertools
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, overload

from experiment.config import NOTHING

# A split -> numbers, each of its own, and the sides of an example by their names.
Examples = Callable[[str], Iterator[tuple[int, dict[str, str]]]]

_PAIRS_AT_A_TIME = 10_000


class Derived(NamedTuple):
    """Sources that are not written down as they are read."""

    side: str  # that is written down
    read: Callable[[str], str]  # what is made of it


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A prepared corpus, in one direction.

    Opening one reads no sentence and does not import TFDS; `pairs` does.
    """

    identity: str  # hex digest: equal for equal content, in either direction
    splits: tuple[str, ...]
    source_language: str
    target_language: str
    folder: pathlib.Path  # where TFDS wrote it
    symbols: tuple[str, ...] = ()  # tokens of training text that are one piece, never spelled
    derived: Derived | None = None

    @property
    def direction(self) -> str:
        """Source and target, such as "en-de"."""
        return f"{self.source_language}-{self.target_language}"

    def pairs(self, split: str) -> "Pairs":
        """Returns the (source, target) sentences of a split, in the order of the corpus.

        Raises:
          ValueError: if there is no such split, or its files are damaged.
        """
        if split not in self.splits:
            raise ValueError(
                f"The corpus has no split {split!r}. It has: {', '.join(self.splits)}."
            )
        derived = self.derived or Derived(self.source_language, str)
        return Pairs(_data_source(self.folder, split), derived, self.target_language)


class Pairs(Sequence[tuple[str, str]]):
    """The sentence pairs of a split.

    Slices and iteration read many pairs at once, six times faster than one index after another.
    """

    def __init__(self, data_source: Any, source: Derived, target_language: str):
        self._data_source = data_source
        self._source = source
        self._target_language = target_language

    def __len__(self) -> int:
        return len(self._data_source)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, str]]: ...

    def __getitem__(self, index: int | slice) -> tuple[str, str] | list[tuple[str, str]]:
        if isinstance(index, slice):
            wanted = list(range(*index.indices(len(self))))
            return [self._pair(record) for record in self._data_source.__getitems__(wanted)]
        # TFDS takes a negative index for one past the end.
        return self._pair(self._data_source[range(len(self))[index]])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for begin in range(0, len(self), _PAIRS_AT_A_TIME):
            yield from self[begin : begin + _PAIRS_AT_A_TIME]

    def _pair(self, record: dict[str, bytes]) -> tuple[str, str]:
        source, target = (
            "" if side == NOTHING else record[side].decode("utf-8")
            for side in (self._source.side, self._target_language)
        )
        return self._source.read(source), target


def splits_in(folder: pathlib.Path) -> tuple[str, ...]:
    """Returns the splits that TFDS wrote to `folder`."""
    described = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    return tuple(split["name"] for split in described["splits"])


def symbols_in(folder: pathlib.Path, side: str) -> tuple[str, ...]:
    """Returns the symbols of a side of the corpus in `folder`.

    Raises:
      ValueError: if the file that names them is damaged.
    """
    try:
        described = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        return tuple(described["symbols"][side])
    except (OSError, ValueError, KeyError):
        raise ValueError(
            f"{folder / 'metadata.json'} cannot be read. Delete {folder} and it is prepared again."
        ) from None


def checked_data_source(builder: Any, split: str) -> Any:
    """Opens a split of a prepared TFDS builder.

    Raises:
      ValueError: if not every pair that TFDS counted when writing is there.
    """
    expected = builder.info.splits[split].num_examples
    try:
        data_source = builder.as_data_source(split=split)
        found = len(data_source)
        if found == expected:
            # The count is of the description alone: a record of each file shows that it is there.
            ends = itertools.accumulate(builder.info.splits[split].shard_lengths)
            data_source.__getitems__(sorted({end - 1 for end in ends if end}))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"The split {split!r} cannot be read ({reason}).") from error
    if found != expected:
        raise ValueError(f"The split {split!r} must have {expected:,} pairs, but has {found:,}.")
    return data_source


@functools.lru_cache(maxsize=16)
def _data_source(folder: pathlib.Path, split: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        return checked_data_source(tfds.builder_from_directory(folder), split)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{reason} Delete {folder} and it is prepared again.") from error
