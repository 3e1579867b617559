"""Pages that commands measure anew."""

import argparse
import dataclasses
import importlib

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiment.analysis import depth, long_range, paths, positions
from experiment.analysis.documents import measured
from experiment.analysis.page import Page, add_page, add_settings, settings_of


@dataclasses.dataclass
class Settings:
    sizes: tuple[int, ...] = (2, 4)
    rate: float = 0.5
    steps: int = 10


HELP = {"sizes": "some sizes", "rate": "a rate"}


def parsed(*flags):
    arguments = argparse.ArgumentParser()
    add_page(arguments)
    add_settings(arguments, Settings(), HELP)
    return arguments, arguments.parse_args(["--out=.", *flags])


def test_what_is_not_given_is_the_settings_own():
    arguments, flags = parsed()
    assert settings_of(flags, HELP) == {"sizes": (2, 4), "rate": 0.5}
    assert "some sizes (default: 2 4)" in " ".join(arguments.format_help().split())


def test_numbers_are_of_the_kind_that_the_default_is():
    _, flags = parsed("--sizes", "8", "16", "32", "--rate=2")
    assert settings_of(flags, HELP) == {"sizes": (8, 16, 32), "rate": 2.0}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("depth", depth.Settings),
        ("long_range", long_range.Settings),
        ("paths", paths.Sizes),
        ("positions", positions.Settings),
    ],
)
def test_every_setting_has_a_flag(name, settings):
    command = importlib.import_module(f"experiment.analysis.{name}.__main__")
    described = vars(command).get("_HELP") or vars(command)["_SIZES"]
    assert set(described) == {field.name for field in dataclasses.fields(settings)}


def test_a_new_page_has_its_title_and_what_was_measured(tmp_path):
    page = Page.opened(tmp_path, "made_up", "Made up")
    said = page.write(measured(["1 nat"]), Figure())
    assert said == f"{tmp_path / 'made_up.md'}, {tmp_path / 'made_up.png'}"
    assert (tmp_path / "made_up.md").read_text() == f"# Made up\n\n{measured(['1 nat'])}"
    assert imread(tmp_path / "made_up.png").size


def test_a_page_that_is_there_keeps_its_text(tmp_path):
    (tmp_path / "made_up.md").write_text(f"Before.\n{measured(['old'])}After.\n")
    Page.opened(tmp_path, "made_up", "Made up").write(measured(["new"]), Figure())
    assert (tmp_path / "made_up.md").read_text() == f"Before.\n{measured(['new'])}After.\n"


def test_a_page_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "made_up.md").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"made_up\.md 'utf-8' codec can't decode byte 0xff"):
        Page.opened(tmp_path, "made_up", "Made up")


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ValueError, match=r"^--out=.* cannot be written to\. Name another\.$"):
        Page.opened(tmp_path, "made_up", "Made up")
