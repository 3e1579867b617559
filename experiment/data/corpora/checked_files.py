"""The TFDS builder of a user's own files, whatever is in them, once they have been checked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from experiment.data.corpora.corpus import Examples
from experiment.data.progress import Progress


class CheckedFiles(tfds.core.GeneratorBasedBuilder):
    """Writes examples that were accepted before, in their order."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        examples: Examples,
        splits: Sequence[str],
        sides: Sequence[str],
        symbols: Mapping[str, Sequence[str]] | None = None,
        progress: Progress | None = None,
        **kwargs: Any,
    ):
        """Takes the symbols of each side that has some; the other arguments are those of TFDS."""
        self._examples = examples
        self._splits = splits
        self._sides = sides
        self._symbols = symbols
        self._progress = progress
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        symbols = self._symbols
        return tfds.core.DatasetInfo(
            builder=self,
            description="Sentences, and what is to be said of each.",
            features=tfds.features.Translation(sorted(self._sides)),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(symbols=symbols) if symbols else None,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, str]]]:
        for example in self._examples(split):
            if self._progress:
                self._progress.advance()
            yield example
