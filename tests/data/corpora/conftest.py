import pathlib
from collections.abc import Callable

import pytest

from experiment.data import open_corpus


@pytest.fixture
def open_text(data_config, tmp_path, lines) -> Callable:
    """Opens a folder of text as a corpus; `lines` are what is reported."""

    def open_text(folder, source="en", target="de", report=lines.append, **settings):
        config = data_config(
            corpus="parallel_text",
            dir=str(folder),
            source_language=source,
            target_language=target,
            **settings,
        )
        return open_corpus(config, tmp_path / "cache", report)

    return open_text


@pytest.fixture
def refused(open_text, tmp_path) -> Callable[..., str]:
    """Why a folder of text is refused, in one line; nothing is written then."""

    def refused(folder: pathlib.Path | str, **settings) -> str:
        with pytest.raises(ValueError) as caught:
            open_text(folder, **settings)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        assert not (tmp_path / "cache").exists()
        return message

    return refused
