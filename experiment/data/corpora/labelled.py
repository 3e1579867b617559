"""Corpora of sentences with a label each: a user's own, and sentences whose order is asked for."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Iterator

from experiment.config import DataConfig
from experiment.data.corpora import labels, parallel_files, survey, text_folder, word_order
from experiment.data.corpora.corpus import Corpus, Derived, symbols_in
from experiment.data.corpora.marks import MARK, marked_sentence
from experiment.data.corpora.preparation import prepare_files

# What is in the name of a corpus; its number is raised with any change to what is made of a file.
_NAMES = {"labelled_text": "labelled text 1", "word_order": f"word order {word_order.VERSION}"}


def find_files(config: DataConfig) -> text_folder.Files:
    """Returns the files of every split: sentences and labels, or of word_order sentences alone.

    Raises:
      ValueError: if there is none, one lacks its counterpart, is there twice or is no file.
    """
    sides = (config.source_language, config.target_language)
    return text_folder.find_files(config.dir, sides[:1] if _asks_for_order(config) else sides)


def open_labelled(
    config: DataConfig, cache_dir: pathlib.Path, report: Callable[[str], None]
) -> Corpus:
    """Returns the corpus in the folder `config.dir`, prepared if it is not yet.

    Raises:
      ValueError: if a file is malformed, a label may not be or is unknown, or files change
        meanwhile.
    """
    files = find_files(config)
    identity = _identity(config, files)
    folder = cache_dir / "corpora" / f"{config.corpus}-{identity[:16]}"
    if not folder.exists():
        report(f"checking the text in {config.dir}")
        _prepare(config, files, identity, folder, cache_dir, report)
    symbols = (MARK, *symbols_in(folder, config.target_language))
    sides = (config.source_language, config.target_language)
    derived = Derived(config.source_language, marked_sentence)
    return Corpus(identity, tuple(files), *sides, folder, symbols, derived)


def _asks_for_order(config: DataConfig) -> bool:
    return config.corpus == "word_order"


def _identity(config: DataConfig, files: text_folder.Files) -> str:
    digest = text_folder.content_digest(files, config.on_error)
    return hashlib.sha256(f"{_NAMES[config.corpus]} {digest}".encode()).hexdigest()


def _examples(
    split: str, *, files: text_folder.Files, config: DataConfig
) -> Iterator[tuple[int, dict[str, str]]]:
    read = word_order.examples if _asks_for_order(config) else parallel_files.pairs
    return read(split, files[split], config.on_error)


def _prepare(
    config: DataConfig,
    files: text_folder.Files,
    identity: str,
    folder: pathlib.Path,
    cache_dir: pathlib.Path,
    report: Callable[[str], None],
) -> None:
    source, target = config.source_language, config.target_language
    survey.check(files, report, config.on_error, are_translations=False)
    examples = functools.partial(_examples, files=files, config=config)
    of_labels = source if _asks_for_order(config) else target
    where = {split: by_language[of_labels] for split, by_language in files.items()}
    known, total = labels.check(examples, target, where, report)
    prepare_files(
        examples,
        folder,
        cache_dir,
        where=config.dir,
        splits=tuple(files),
        sides=(source, target),
        total=total,
        unchanged=lambda: _identity(config, files) == identity,
        report=report,
        symbols={target: known},
    )
