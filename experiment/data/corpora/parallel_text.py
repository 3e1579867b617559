"""The TFDS builder of a folder of parallel text files."""

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from experiment.data.corpora import parallel_files, text_folder
from experiment.data.progress import Progress


class ParallelText(tfds.core.GeneratorBasedBuilder):
    """Copies files that `survey.check` has accepted, line by line."""

    VERSION = tfds.core.Version(f"{text_folder.READER_VERSION}.0.0")

    def __init__(
        self,
        *,
        files: text_folder.Files,
        on_error: str = text_folder.REFUSE,
        progress: Progress | None = None,
        **kwargs: Any,
    ):
        """Takes the files of every split; the other arguments are those of TFDS."""
        self._files = files
        self._on_error = on_error
        self._progress = progress
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        languages = next(iter(self._files.values()))
        return tfds.core.DatasetInfo(
            builder=self,
            description="Parallel text, one sentence a line.",
            features=tfds.features.Translation(sorted(languages)),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._files}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, str]]]:
        for example in parallel_files.pairs(split, self._files[split], self._on_error):
            if self._progress:
                self._progress.advance()
            yield example
