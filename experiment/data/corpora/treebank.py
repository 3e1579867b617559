"""The corpus `treebank`: sentences, and what is to be said of them, their trees or their tags."""

import dataclasses
import pathlib
from collections.abc import Callable

from experiment.config import DataConfig
from experiment.data.corpora import treebank_folder, treebank_survey
from experiment.data.corpora.corpus import Corpus, Derived, symbols_in
from experiment.data.corpora.marks import MARK, marked_words
from experiment.data.corpora.preparation import prepare_files


def open_treebank(
    config: DataConfig, cache_dir: pathlib.Path, report: Callable[[str], None]
) -> Corpus:
    """Returns the treebank in the folder `config.dir`, prepared if it is not yet.

    Raises:
      ValueError: if the folder has no trees, one is malformed, or they change meanwhile.
    """
    files = treebank_folder.find_files(config.dir)
    identity = treebank_folder.content_digest(files)
    folder = cache_dir / "corpora" / f"treebank-{len(treebank_survey.SIDES)}-{identity[:16]}"
    if not folder.exists():
        report(f"checking the trees in {config.dir}")
        _prepare(config.dir, files, identity, folder, cache_dir, report)
    side = config.target_language
    if side == treebank_survey.WORDED_TREE:
        side = treebank_survey.TREE  # its brackets; words are spelled
    symbols = () if side == treebank_survey.WORDS else symbols_in(folder, side)
    languages = (config.source_language, config.target_language)
    corpus = Corpus(identity, tuple(files), *languages, folder, symbols)
    if config.marks:
        derived = Derived(treebank_survey.WORDS, marked_words)
        return dataclasses.replace(corpus, symbols=(MARK, *symbols), derived=derived)
    return corpus


def _prepare(
    where: str,
    files: treebank_folder.Files,
    identity: str,
    folder: pathlib.Path,
    cache_dir: pathlib.Path,
    report: Callable[[str], None],
) -> None:
    found = treebank_survey.check(files, report)
    prepare_files(
        lambda split: treebank_survey.examples(files[split]),
        folder,
        cache_dir,
        where=where,
        splits=tuple(files),
        sides=treebank_survey.SIDES,
        total=found.num_sentences,
        unchanged=lambda: treebank_folder.content_digest(files) == identity,
        report=report,
        symbols=found.symbols,
    )
