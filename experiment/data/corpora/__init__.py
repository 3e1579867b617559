"""Corpora: TFDS builders, written to ArrayRecord and read at random, without TensorFlow."""

import pathlib
from collections.abc import Callable

from experiment.config import LABELLED, DataConfig
from experiment.data.corpora import (
    labelled,
    number_words,
    parallel_files,
    survey,
    text_folder,
    treebank_folder,
)
from experiment.data.corpora.catalogue import open_catalogue
from experiment.data.corpora.corpus import Corpus, Pairs
from experiment.data.corpora.linearised import (
    PUNCTUATION,
    WORD,
    linearised,
    without_words,
)
from experiment.data.corpora.marks import MARK, marked_sentence, marked_words, unmarked
from experiment.data.corpora.parallel_files import read_pairs
from experiment.data.corpora.plain_trees import ROOTS, TOP, plain
from experiment.data.corpora.preparation import prepare, prepare_files
from experiment.data.corpora.text_lines import Unreadable, lines_of, read_lines
from experiment.data.corpora.treebank import open_treebank
from experiment.data.corpora.trees import (
    CLOSES,
    HOLDS,
    OPENS,
    Tree,
    bracketed,
    read_trees,
    walked,
)

__all__ = [
    "CLOSES",
    "HOLDS",
    "MARK",
    "OPENS",
    "PUNCTUATION",
    "ROOTS",
    "TOP",
    "WORD",
    "Tree",
    "bracketed",
    "linearised",
    "marked_sentence",
    "marked_words",
    "plain",
    "read_trees",
    "walked",
    "without_words",
    "Corpus",
    "Pairs",
    "Unreadable",
    "lines_of",
    "open_corpus",
    "read_lines",
    "read_pairs",
    "unmarked",
]

Report = Callable[[str], None]


def open_corpus(
    config: DataConfig,
    cache_dir: pathlib.Path,
    report: Report,
    *,
    needed: tuple[str, ...] = (),
) -> Corpus:
    """Returns the corpus that `config` names, prepared under `cache_dir` if it is not yet.

    `report` is called with sentences for a person: what is prepared, how far, what was left out.

    Raises:
      ValueError: if there is no such corpus, it cannot be read, or it lacks a split of `needed`.
    """
    if config.corpus == "parallel_text":  # so that nothing is written for a folder that lacks one
        files = text_folder.find_files(config.dir, config.languages)
        _check_splits(needed, tuple(files), config.dir)
    if config.corpus in LABELLED:
        _check_splits(needed, tuple(labelled.find_files(config)), config.dir)
    if config.corpus == "treebank":
        _check_splits(needed, tuple(treebank_folder.find_files(config.dir)), config.dir)
    open_it = _OPENERS.get(config.corpus, open_catalogue)
    corpus = open_it(config, pathlib.Path(cache_dir), report)
    _check_splits(needed, corpus.splits, f"The corpus {config.corpus}")
    return corpus


def _check_splits(needed: tuple[str, ...], there: tuple[str, ...], where: str) -> None:
    for split in needed:
        if split not in there:
            message = f"{where} has no split {split!r}; it has {', '.join(there)}. Add it"
            if split not in ("train", "validation"):
                message += ", or name another with --config.evaluation.test_split"
            raise ValueError(f"{message}.")


def _open_numbers(config: DataConfig, cache_dir: pathlib.Path, report: Report) -> Corpus:
    languages = (config.source_language, config.target_language)
    known = set(config.languages) <= set(number_words.LANGUAGES)
    if not known or len(set(languages)) < len(languages):
        raise ValueError(
            "The numbers corpus must go from 'en' to 'de' or back, or from 'nothing' to either; "
            f"data.source_language={languages[0]!r} and data.target_language={languages[1]!r}."
        )
    identity = number_words.identity()
    folder = cache_dir / "corpora" / f"numbers-{identity[:16]}"
    if not folder.exists():
        from experiment.data.corpora.numbers import NumberWords

        report(f"preparing numbers in words under {cache_dir}")
        prepare(
            lambda work: NumberWords(data_dir=work, file_format="array_record"),
            folder,
            cache_dir / "downloads",
        )
    return Corpus(identity, number_words.SPLITS, *languages, folder)


def _open_parallel_text(config: DataConfig, cache_dir: pathlib.Path, report: Report) -> Corpus:
    languages = (config.source_language, config.target_language)
    files = text_folder.find_files(config.dir, config.languages)
    identity = text_folder.content_digest(files, config.on_error)
    folder = cache_dir / "corpora" / f"parallel_text-{identity[:16]}"
    if not folder.exists():
        report(f"checking the text in {config.dir}")
        counts = survey.check(files, report, config.on_error)
        prepare_files(
            lambda split: parallel_files.pairs(split, files[split], config.on_error),
            folder,
            cache_dir,
            where=config.dir,
            splits=tuple(files),
            sides=config.languages,
            total=sum(counts.values()),
            unchanged=lambda: text_folder.content_digest(files, config.on_error) == identity,
            report=report,
        )
    return Corpus(identity, tuple(files), *languages, folder)


_OPENERS: dict[str, Callable[[DataConfig, pathlib.Path, Report], Corpus]] = {
    "numbers": _open_numbers,
    "parallel_text": _open_parallel_text,
    "treebank": open_treebank,
    **dict.fromkeys(LABELLED, labelled.open_labelled),
}
