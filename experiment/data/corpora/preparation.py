"""Running a TFDS builder once, quietly, into a folder that appears when it is complete."""

import contextlib
import logging
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from experiment.data.atomic import new_folder
from experiment.data.corpora.corpus import Examples, checked_data_source
from experiment.data.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


def prepare(
    builder_in: Callable[[pathlib.Path], Any],
    folder: pathlib.Path,
    downloads: pathlib.Path,
    report: Callable[[str], None] | None = None,
    *,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Writes a corpus to `folder`; a preparation that was interrupted leaves no `folder`.

    Args:
      builder_in: makes a TFDS builder that writes below the folder it is given.
      folder: must not exist.
      downloads: where TFDS keeps what it downloads, so that it does so once.
      report: told every few seconds how many bytes there are, if given.
      check: called at the end, or after a failure, to raise if what was read is not to be trusted.
    """
    import tensorflow_datasets as tfds

    settings = tfds.download.DownloadConfig(try_download_gcs=False)
    with (
        new_folder(folder) as result,
        _growth([result, downloads], report) if report else contextlib.nullcontext(),
        _quiet(),
    ):
        work = result / "work"
        builder = builder_in(work)
        builder._log_download_bytes = builder._log_download_done = lambda: None
        try:
            builder.download_and_prepare(download_dir=downloads, download_config=settings)
        except Exception:
            check()  # its reason, where it has one, is why this failed
            raise
        check()
        for split in builder.info.splits:
            checked_data_source(builder, split)
        for path in builder.data_path.iterdir():
            shutil.move(path, result)
        shutil.rmtree(work)


def prepare_files(
    examples: Examples,
    folder: pathlib.Path,
    cache_dir: pathlib.Path,
    *,
    where: str,
    splits: Sequence[str],
    sides: Sequence[str],
    total: int,
    unchanged: Callable[[], bool],
    report: Callable[[str], None],
    symbols: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes the `total` examples of a user's files in `where`, checked before, to `folder`.

    `report` is told how far it is.

    Raises:
      ValueError: if the files are not `unchanged` in the end.
    """
    from experiment.data.corpora.checked_files import CheckedFiles

    def check() -> None:
        if not unchanged():
            raise ValueError(
                f"The text in {where} must stay as it is while it is prepared, but it changed. "
                "Wait until it is complete, then start again."
            )

    progress = Progress(report, f"preparing {where}", total)
    prepare(
        lambda work: CheckedFiles(
            examples=examples,
            splits=splits,
            sides=sides,
            symbols=symbols,
            progress=progress,
            data_dir=work,
            file_format="array_record",
        ),
        folder,
        cache_dir / "downloads",
        check=check,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the progress bars and the logs of TFDS and its downloads from the terminal."""
    import absl.logging
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    absl_verbosity = absl.logging.get_verbosity()
    downloads = logging.getLogger("urllib3")
    downloads_level = downloads.level
    absl.logging.set_verbosity(absl.logging.ERROR)
    downloads.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(absl_verbosity)
        downloads.setLevel(downloads_level)


@contextlib.contextmanager
def _growth(folders: list[pathlib.Path], report: Callable[[str], None]) -> Iterator[None]:
    """Reports every few seconds how many bytes the folders hold."""
    finished = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not finished.wait(SECONDS_BETWEEN_LINES):
            size = sum(_size(folder) for folder in folders)
            report(f"... {size / 2**20:,.0f} MiB after {time.monotonic() - began:,.0f} s")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _size(folder: pathlib.Path) -> int:
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # TFDS renames and removes files meanwhile
                size += os.path.getsize(os.path.join(root, name))
    return size
