"""The TFDS builder of sentences with a label each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from experiment.data.corpora.labels import Examples
from experiment.data.progress import Progress


class LabelledText(tfds.core.GeneratorBasedBuilder):
    """Writes sentences and labels that were checked before."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        examples: Examples,
        splits: Sequence[str],
        sides: Sequence[str],
        symbols: Mapping[str, Sequence[str]],
        progress: Progress | None = None,
        **kwargs: Any,
    ):
        """Takes the labels of the training split as `symbols`; the others are those of TFDS."""
        self._examples = examples
        self._splits = splits
        self._sides = sides
        self._symbols = symbols
        self._progress = progress
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Sentences with a label each.",
            features=tfds.features.Translation(sorted(self._sides)),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(symbols=self._symbols),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, str]]]:
        for example in self._examples(split):
            if self._progress:
                self._progress.advance()
            yield example
