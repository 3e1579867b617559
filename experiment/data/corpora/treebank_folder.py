"""A folder of bracketed trees: which of its files are train, validation and test."""

import hashlib
import pathlib
import re
from collections.abc import Sequence

from experiment.data.corpora.text_files import PACKINGS, check_is_file, open_text

READER_VERSION = 1  # raised with any change to which trees become which pairs
SPLITS = ("train", "validation", "test")

Files = dict[str, list[pathlib.Path]]  # split -> files, in order

_SUFFIXES = (".mrg", *(f".mrg{packing}" for packing in PACKINGS))
_WSJ = re.compile(r"wsj_(\d{4})\.mrg")
# The Wall Street Journal by the numbers of its files, ends included: of the whole treebank the
# sections that parsers are compared on, 02 to 21, 22 and 23; else of the sample that is free.
WHOLE = {"train": (200, 2199), "validation": (2200, 2299), "test": (2300, 2399)}
SAMPLE = {"train": (1, 159), "validation": (160, 179), "test": (180, 199)}


def find_files(folder: str) -> Files:
    """Returns the files of every split that `folder` has.

    Either the split is named, as a file `train.mrg` or a folder `train/` with all `*.mrg` in it; or
    the files are `wsj_0001.mrg`, ... anywhere below, and go by number: WHOLE if there is one from
    0200 on, else SAMPLE.

    Raises:
      ValueError: if there is none, a split is there twice, or what is there is no file.
    """
    root = _existing(folder)
    try:
        files = _named(root) or _numbered(root)
        found = sorted(path.name for path in root.iterdir())
    except OSError as error:
        raise ValueError(f"data.dir={folder} cannot be read: {error.strerror}.") from None
    if not files:
        raise ValueError(
            f"{root} must have trees: train.mrg, validation.mrg and test.mrg, or folders train, "
            "validation and test with *.mrg in them, or wsj_0001.mrg, ... to be told by number; "
            f"found: {', '.join(found[:8]) or 'nothing'}."
        )
    for paths in files.values():
        for path in paths:
            check_is_file(path)
    return files


def content_digest(files: Files) -> str:
    """Returns a digest of the text of each split's files, whatever they are called and packed in.

    Raises:
      ValueError: if a file cannot be read to its end.
    """
    digest = hashlib.sha256(f"treebank {READER_VERSION}".encode())
    for split, paths in files.items():
        digest.update(f"\n{split}".encode())
        for path in paths:
            content = hashlib.sha256()
            with open_text(path) as file:
                while chunk := file.read(2**18):
                    content.update(chunk)
            digest.update(f" {content.hexdigest()}".encode())
    return digest.hexdigest()


def described(paths: Sequence[pathlib.Path]) -> str:
    """Returns which files a split has, shortly.

    Example:
      >>> described([pathlib.Path("a/wsj_0001.mrg"), pathlib.Path("a/wsj_0002.mrg")])
      '2 files, wsj_0001.mrg to wsj_0002.mrg'
    """
    if len(paths) == 1:
        return paths[0].name
    return f"{len(paths):,} files, {paths[0].name} to {paths[-1].name}"


def _existing(folder: str) -> pathlib.Path:
    root = pathlib.Path(folder).expanduser()
    try:
        is_folder, exists = root.is_dir(), root.exists()
    except OSError as error:
        raise ValueError(f"data.dir={folder} cannot be read: {error.strerror}.") from None
    if not is_folder:
        raise ValueError(
            f"data.dir={folder} must be a folder of trees, such as train.mrg, validation.mrg and "
            f"test.mrg; it {'is not one' if exists else 'does not exist'}."
        )
    return root


def _named(root: pathlib.Path) -> Files:
    files: Files = {}
    for split in SPLITS:
        ways = [path for suffix in _SUFFIXES if (path := root / f"{split}{suffix}").exists()]
        if (below := root / split).is_dir():
            ways.append(below)
        if len(ways) > 1:
            raise ValueError(
                f"{ways[0]} and {ways[1]} must not both be there: which of them is meant? Move "
                "one elsewhere."
            )
        if ways:
            files[split] = _trees_in(below) if ways[0] == below else ways
    return files


def _trees_in(folder: pathlib.Path) -> list[pathlib.Path]:
    paths = sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))
    if not paths:
        raise ValueError(f"{folder} must have files *.mrg in it; it has none.")
    return paths


def _numbered(root: pathlib.Path) -> Files:
    paths = sorted(root.rglob("wsj_*.mrg"), key=lambda path: (path.name, path))
    by_number: dict[int, pathlib.Path] = {}
    for path in paths:
        if match := _WSJ.fullmatch(path.name):
            other = by_number.setdefault(int(match[1]), path)
            if other != path:
                raise ValueError(
                    f"{other} and {path} must not both be there: which of them is meant? Move one "
                    "elsewhere."
                )
    rule = WHOLE if max(by_number, default=0) >= WHOLE["train"][0] else SAMPLE
    files = {
        split: [path for number, path in by_number.items() if first <= number <= last]
        for split, (first, last) in rule.items()
    }
    return {split: paths for split, paths in files.items() if paths}
