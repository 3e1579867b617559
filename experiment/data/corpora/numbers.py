"""The TFDS builder of the embedded corpus: numbers in words, English to German."""

from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from experiment.data.corpora import number_words


class NumberWords(tfds.core.GeneratorBasedBuilder):
    """Generated, the same everywhere; needs no network and no TensorFlow."""

    VERSION = tfds.core.Version(number_words.GENERATOR_VERSION)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Numbers in words, as num2words writes them.",
            features=tfds.features.Translation(number_words.LANGUAGES),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        splits = number_words.numbers_of_splits()
        return {split: self._generate_examples(numbers) for split, numbers in splits.items()}

    def _generate_examples(self, numbers: list[int]) -> Iterator[tuple[int, dict[str, str]]]:
        for place, number in enumerate(numbers):
            yield place, {"en": number_words.english(number), "de": number_words.german(number)}
