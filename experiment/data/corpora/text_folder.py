"""A folder of parallel text: `train.en`, `train.de`, `validation.en.gz`, ..., and what it holds."""

import hashlib
import itertools
import pathlib
import re

from experiment.config import ON_ERROR
from experiment.data.corpora.text_files import PACKINGS, check_is_file, open_text

READER_VERSION = 1  # raised with any change to which lines become which pairs
REFUSE, SKIP = ON_ERROR  # what data.on_error may be

Files = dict[str, dict[str, pathlib.Path]]  # split -> language -> file


def find_files(folder: str, languages: tuple[str, ...]) -> Files:
    """Returns the files of every split that `folder` has.

    Raises:
      ValueError: if there is none, one lacks its counterpart, is there twice or is no file.
    """
    root = _existing(folder, languages)
    try:
        names = sorted(path.name for path in root.iterdir())
    except OSError as error:
        raise ValueError(f"data.dir={folder} cannot be read: {error.strerror}.") from None
    files: Files = {}
    for name, language in itertools.product(names, languages):
        text = _without_packing(name)
        if (split := text.removesuffix(f".{language}")) != text:
            by_language = files.setdefault(split, {})
            if language in by_language:
                raise ValueError(
                    f"{root / name} and {by_language[language]} must not both be there: which of "
                    "them is meant? Move one elsewhere."
                )
            by_language[language] = root / name
    if not files:
        suffixes = " and ".join(f"train.{language}" for language in languages)
        found = ", ".join(names[:8]) or "nothing"
        raise ValueError(
            f"{root} must have files such as {suffixes}; found: {found}. Rename the files, or set "
            "data.source_language and data.target_language to their suffixes."
        )
    for split, by_language in files.items():
        _check_split(split, by_language, languages)
    return files


def content_digest(files: Files, on_error: str = REFUSE) -> str:
    """Returns a digest of the names and the text of all files, the same for either direction.

    Packing a file changes nothing; reading by another rule does.

    Raises:
      ValueError: if a file cannot be read to its end.
    """
    rule = ", pairs that cannot be read left out" if on_error == SKIP else ""
    digest = hashlib.sha256(f"parallel text {READER_VERSION}{rule}".encode())
    paths = [path for by_language in files.values() for path in by_language.values()]
    for path in sorted(paths, key=lambda path: _without_packing(str(path))):
        content = hashlib.sha256()
        with open_text(path) as file:
            while chunk := file.read(2**18):
                content.update(chunk)
        digest.update(f"\n{_without_packing(path.name)} {content.hexdigest()}".encode())
    return digest.hexdigest()


def _without_packing(name: str) -> str:
    return re.sub(rf"({'|'.join(map(re.escape, PACKINGS))})\Z", "", name)


def _existing(folder: str, languages: tuple[str, ...]) -> pathlib.Path:
    example = " and ".join(f"train.{language}" for language in languages)
    if not folder:
        raise ValueError(
            f"data.dir must name the folder of a parallel_text corpus, with files such as "
            f"{example}; it is empty."
        )
    if len(set(languages)) < len(languages):
        raise ValueError(
            f"data.source_language and data.target_language must differ; both are {languages[0]!r}."
        )
    root = pathlib.Path(folder).expanduser()
    try:
        is_folder, exists = root.is_dir(), root.exists()
    except OSError as error:
        raise ValueError(f"data.dir={folder} cannot be read: {error.strerror}.") from None
    if not is_folder:
        raise ValueError(
            f"data.dir={folder} must be a folder with files such as {example}; it "
            f"{'is not one' if exists else 'does not exist'}."
        )
    return root


def _check_split(
    split: str, by_language: dict[str, pathlib.Path], languages: tuple[str, ...]
) -> None:
    present = next(iter(by_language.values()))
    for language in languages:
        if language not in by_language:
            missing = present.with_name(f"{split}.{language}")
            raise ValueError(
                f"{present} must have a counterpart, but {missing} is missing. Add it, or move "
                f"{present.name} elsewhere."
            )
        check_is_file(by_language[language])
    if not re.fullmatch(r"\w+(-\w+)*", split, re.ASCII):
        raise ValueError(
            f"A split's name must be letters, digits, '_' and '-'; {present} gives {split!r}. "
            "Rename its files."
        )
