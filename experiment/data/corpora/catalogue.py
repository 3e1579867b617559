"""Translation sets of the TFDS catalogue by name, without TensorFlow."""

import difflib
import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

from experiment.config import LINE_BY_LINE, NOTHING, DataConfig
from experiment.data.corpora.corpus import Corpus, splits_in
from experiment.data.corpora.preparation import prepare

FILES = (*LINE_BY_LINE, "treebank")


def open_catalogue(
    config: DataConfig, cache_dir: pathlib.Path, report: Callable[[str], None]
) -> Corpus:
    """Returns the corpus that TFDS calls `config.corpus`, downloading it the first time.

    Raises:
      ValueError: if TFDS has no such set, it lacks a language, or it cannot be prepared.
    """
    builder = _builder(config.corpus, cache_dir)
    _check_languages(builder, config)
    name = builder.info.full_name  # with its version
    identity = hashlib.sha256(f"catalogue {name}".encode()).hexdigest()
    folder = cache_dir / "corpora" / f"{name.replace('/', '-')}-{identity[:16]}"
    if not folder.exists():
        report(f"preparing {name} under {cache_dir}; downloading may take long")
        try:
            prepare(
                lambda work: _builder(config.corpus, work), folder, cache_dir / "downloads", report
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise ValueError(
                f"{name} could not be prepared ({reason}). Prepare it on a machine with network "
                "access and give --cache_dir that machine's cache, or put the sentences in files "
                "and use data.corpus='parallel_text'."
            ) from error
    return Corpus(
        identity, splits_in(folder), config.source_language, config.target_language, folder
    )


def _builder(name: str, data_dir: pathlib.Path) -> Any:
    import tensorflow_datasets as tfds

    # TFDS imports its older builders in order and stops at the first that needs TensorFlow, which
    # comes before the translation sets.
    import tensorflow_datasets.translate

    try:
        return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except (AssertionError, ImportError, TypeError, ValueError) as error:
        first = name.split("/")[0].split(":")[0]
        known = tfds.list_builders(with_community_datasets=False)
        if first in known:
            reason = " ".join(str(error).split())[:500]
            raise ValueError(
                f"data.corpus={name!r} is not in the TFDS catalogue: {reason}"
            ) from None
        near = difflib.get_close_matches(first, ["numbers", *FILES, *known], n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"data.corpus={name!r} must be 'numbers', {', '.join(map(repr, FILES))} or a TFDS "
            f"translation set such as 'wmt14_translate/de-en'.{guess}"
        ) from None


def _check_languages(builder: Any, config: DataConfig) -> None:
    features = list(builder.info.features.keys())
    for field in ("source_language", "target_language"):
        language = getattr(config, field)
        if language not in (*features, NOTHING):
            raise ValueError(
                f"data.{field}={language!r} must be a language of {config.corpus}. "
                f"It has: {', '.join(features)}."
            )
    if config.source_language == config.target_language:
        raise ValueError(
            "data.source_language and data.target_language must differ; both are "
            f"{config.source_language!r}."
        )
