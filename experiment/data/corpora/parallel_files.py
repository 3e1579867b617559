"""Finding and checking a folder of parallel text: `train.en`, `train.de`, `validation.en`, ..."""

import hashlib
import itertools
import pathlib
import re
from collections.abc import Callable, Iterator

from experiment.data.corpora.text_lines import read_lines

READER_VERSION = 1  # raised with any change to which lines become which pairs
TRAIN = "train"
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*\Z")
_NAMED_LINES = 5

Files = dict[str, dict[str, pathlib.Path]]  # split -> language -> file


def find_files(folder: str, languages: tuple[str, str]) -> Files:
    """Returns the files of every split that `folder` has.

    Raises:
      ValueError: if there is none, or one lacks its counterpart.
    """
    root = _existing(folder, languages)
    names = sorted(path.name for path in root.iterdir())
    files: Files = {}
    for name, language in itertools.product(names, languages):
        if (split := name.removesuffix(f".{language}")) != name:
            files.setdefault(split, {})[language] = root / name
    if not files:
        suffixes = " and ".join(f"train.{language}" for language in languages)
        found = ", ".join(names[:8]) or "nothing"
        raise ValueError(
            f"{root} must have files such as {suffixes}; found: {found}. Rename the files, or set "
            "data.source_language and data.target_language to their suffixes."
        )
    for split, by_language in files.items():
        _check_split_name(split, by_language, languages)
    return files


def content_digest(files: Files) -> str:
    """Returns a digest of the names and bytes of all files, the same for either direction."""
    digest = hashlib.sha256(f"parallel text {READER_VERSION}".encode())
    for path in sorted(path for by_language in files.values() for path in by_language.values()):
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
        digest.update(f"\n{path.name} {content}".encode())
    return digest.hexdigest()


def check(files: Files, report: Callable[[str], None]) -> dict[str, int]:
    """Reads everything once, and returns the number of pairs of each split.

    Pairs of the train split with an empty side are not counted, and `report` is told of them.

    Raises:
      ValueError: if a file is malformed, two files differ in length, or a split has no pair.
    """
    counts = {}
    for split, by_language in files.items():
        empty: list[str] = []
        num_empty = num_lines = 0
        for number, pair in _lines(by_language):
            num_lines = number
            if split == TRAIN and (side := _empty_side(pair)):
                num_empty += 1
                empty += [f"{by_language[side]}:{number}"] * (num_empty <= _NAMED_LINES)
        counts[split] = num_lines - num_empty
        if not counts[split]:
            both = " and ".join(str(path) for path in by_language.values())
            raise ValueError(f"{both} must have at least one pair of sentences; they have none.")
        if num_empty:
            more = f" and {num_empty - len(empty):,} more" * (num_empty > len(empty))
            report(
                f"{num_empty:,} of {num_lines:,} training pairs have an empty side and are left "
                f"out: {', '.join(empty)}{more}."
            )
    return counts


def pairs(split: str, by_language: dict[str, pathlib.Path]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and sentences, without the empty pairs of the train split."""
    for number, pair in _lines(by_language):
        if split != TRAIN or not _empty_side(pair):
            yield number, pair


def read_pairs(source: pathlib.Path, target: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the sentences of two files, line by line.

    Raises:
      ValueError: if a file is malformed, the two differ in length, or there is no line.
    """
    both = {"source": source, "target": target}
    found = [(pair["source"], pair["target"]) for _, pair in _lines(both)]
    if not found:
        raise ValueError(f"{source} and {target} must have at least one line; they have none.")
    return found


def _existing(folder: str, languages: tuple[str, str]) -> pathlib.Path:
    example = " and ".join(f"train.{language}" for language in languages)
    if not folder:
        raise ValueError(
            f"data.dir must name the folder of a parallel_text corpus, with files such as "
            f"{example}; it is empty."
        )
    if len(set(languages)) == 1:
        raise ValueError(
            f"data.source_language and data.target_language must differ; both are {languages[0]!r}."
        )
    root = pathlib.Path(folder).expanduser()
    if not root.is_dir():
        raise ValueError(
            f"data.dir={folder} must be a folder with files such as {example}; it "
            f"{'is not one' if root.exists() else 'does not exist'}."
        )
    return root


def _check_split_name(
    split: str, by_language: dict[str, pathlib.Path], languages: tuple[str, str]
) -> None:
    present = next(iter(by_language.values()))
    for language in languages:
        if language not in by_language:
            missing = present.with_name(f"{split}.{language}")
            raise ValueError(
                f"{present} must have a counterpart, but {missing} is missing. Add it, or move "
                f"{present.name} elsewhere."
            )
    if not re.fullmatch(r"\w+(-\w+)*", split, re.ASCII):
        raise ValueError(
            f"A split's name must be letters, digits, '_' and '-'; {present} gives {split!r}. "
            "Rename its files."
        )


def _lines(by_language: dict[str, pathlib.Path]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields numbered lines of both files together, and refuses files of different lengths."""
    readers = {language: read_lines(path) for language, path in by_language.items()}
    number = 0
    for number, lines in enumerate(itertools.zip_longest(*readers.values()), 1):
        if None in lines:
            break
        yield number, dict(zip(readers, lines, strict=True))
    else:
        return
    counts = [
        number - (line is None) + sum(1 for _ in reader)
        for line, reader in zip(lines, readers.values(), strict=True)
    ]
    described = " and ".join(
        f"{path} has {count:,}" for path, count in zip(by_language.values(), counts, strict=True)
    )
    raise ValueError(f"Both languages must have as many lines: {described}. Align them again.")


def _empty_side(pair: dict[str, str]) -> str:
    """Returns a language in which there is nothing to read, or nothing."""
    return next((language for language, text in pair.items() if _INVISIBLE.match(text)), "")
