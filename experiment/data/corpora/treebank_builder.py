"""The TFDS builder of a folder of bracketed trees."""

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from experiment.data.corpora import treebank_folder, treebank_survey
from experiment.data.progress import Progress


class Treebank(tfds.core.GeneratorBasedBuilder):
    """Writes the sentences of files that `treebank_survey.check` has accepted."""

    VERSION = tfds.core.Version(f"{treebank_folder.READER_VERSION}.0.0")

    def __init__(
        self,
        *,
        files: treebank_folder.Files,
        symbols: dict[str, list[str]],
        progress: Progress | None = None,
        **kwargs: Any,
    ):
        """Takes the files of every split; the other arguments are those of TFDS."""
        self._files = files
        self._symbols = symbols
        self._progress = progress
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Sentences with their trees, as sequences, and their tags.",
            features=tfds.features.Translation(sorted(treebank_survey.SIDES)),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(symbols=self._symbols),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._files}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, str]]]:
        for number, sentence in enumerate(treebank_survey.sentences(self._files[split])):
            if sentence.sides:
                yield number, sentence.sides
                if self._progress:
                    self._progress.advance()
