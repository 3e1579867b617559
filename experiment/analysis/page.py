"""A page of docs/ that a command measures anew: its tables between markers, beside it a figure."""

import argparse
import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from matplotlib.figure import Figure

from experiment.analysis.documents import measured, put_between_markers
from experiment.analysis.plots import save
from experiment.data import write_file
from experiment.training import commit


@dataclasses.dataclass(frozen=True)
class Page:
    """FOLDER/NAME.md, with the text that it has, and the files beside it."""

    folder: pathlib.Path
    name: str
    text: str

    @classmethod
    def opened(cls, folder: pathlib.Path, name: str, title: str) -> "Page":
        """Returns the page that is there, or one with nothing but a title and the markers.

        Raises:
          ValueError: if there is no such folder, or the page lacks its markers; before anything is
            measured in vain.
        """
        if not folder.is_dir():
            raise ValueError(f"--out={folder} must be a folder that is there.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(f"--out={folder} cannot be written to. Name another.")
        page = cls(folder, name, f"# {title}\n\n{measured(())}")
        try:
            if page.path("md").exists():
                page = dataclasses.replace(page, text=page.path("md").read_text(encoding="utf-8"))
            put_between_markers(page.text, "")
        except ValueError as error:
            raise ValueError(f"{page.path('md')} {error}") from None
        return page

    def path(self, ending: str) -> pathlib.Path:
        """Returns where the page, or its figure or table, stands."""
        return self.folder / f"{self.name}.{ending}"

    def write(self, tables: str, figure: Figure) -> str:
        """Replaces what was measured, and the figure; returns what a command says of it."""
        write_file(self.path("md"), put_between_markers(self.text, tables).encode())
        save(figure, self.path("png"))
        return f"{self.path('md')}, {self.path('png')}"


def add_page(arguments: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds `--out`, the folder of a page."""
    arguments.add_argument("--out", type=pathlib.Path, required=required, help="a folder")


def add_settings(
    arguments: argparse.ArgumentParser, settings: Any, descriptions: Mapping[str, str]
) -> None:
    """Adds a flag for each field of the dataclass `settings` that has a description.

    A field that is a tuple takes several numbers.
    """
    for name, text in descriptions.items():
        default = getattr(settings, name)
        options: dict[str, Any] = {"type": type(default)}
        shown = str(default)
        if isinstance(default, tuple):
            options = {"type": type(default[0]), "nargs": "+", "metavar": "NUMBER"}
            shown = " ".join(map(str, default))
        description = f"{text} (default: {shown})"
        arguments.add_argument(f"--{name}", default=default, help=description, **options)


def settings_of(flags: argparse.Namespace, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Returns what was given for the flags of `add_settings`, by name of the field."""
    given = {name: getattr(flags, name) for name in descriptions}
    return {name: tuple(of) if isinstance(of, list) else of for name, of in given.items()}


def measured_by() -> str:
    """Returns what measured, such as `jax 0.12.0 on cpu, commit 1234567`."""
    return f"jax {jax.__version__} on {jax.default_backend()}, commit {commit()}"
