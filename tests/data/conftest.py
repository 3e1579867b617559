import dataclasses
import pathlib
from collections.abc import Callable

import pytest

from experiment.config import DataConfig
from experiment.data import Corpus, open_corpus

_CONFIG = DataConfig(
    corpus="numbers",
    dir="",
    source_language="en",
    target_language="de",
    vocab_size=512,
    batching="bucketed",
    bucket_lengths=(8, 16),
    packed_length=16,
)


@pytest.fixture(scope="session")
def data_config() -> Callable[..., DataConfig]:
    return lambda **changes: dataclasses.replace(_CONFIG, **changes)


@pytest.fixture(scope="session")
def numbers_cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("numbers")


@pytest.fixture(scope="session")
def numbers(numbers_cache: pathlib.Path, data_config) -> Corpus:
    return open_corpus(data_config(), numbers_cache, lambda line: None)


@pytest.fixture
def write_text(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Writes {file name: bytes} into a folder and returns it."""

    def write(files: dict[str, bytes]) -> pathlib.Path:
        folder = tmp_path / "text"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return write


@pytest.fixture
def lines() -> list[str]:
    """What was reported; `lines.append` reports."""
    return []
