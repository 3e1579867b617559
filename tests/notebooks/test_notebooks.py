"""Every notebook runs from top to bottom; all share what they train."""

import re

import nbformat
import pytest

from experiment.analysis.practice import RUNS_VARIABLE
from notebooks.run import digest, executed, paths, stripped

ALL = paths([])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def pictures(notebook):
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return sum("image/png" in out.get("data", {}) for out in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_what_it_kept(path, runs, monkeypatch):
    monkeypatch.setenv(RUNS_VARIABLE, str(runs))
    monkeypatch.delenv("XLA_FLAGS")  # they compile fast what runs slowly, and this trains
    kept = pictures(nbformat.read(path, as_version=4))
    assert pictures(executed(path)) == kept > 0


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_notebook_begins_with_its_question_in_two_languages(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \d\. ", first.source)
    assert re.search(r"[\u4e00-\u9fff]", first.source)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_cells_are_short(path):
    assert max(len(cell.source.splitlines()) for cell in cells(path, "code")) <= 15


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_only_what_a_reader_sees_is_kept(path):
    text = path.read_text(encoding="utf-8")
    assert nbformat.writes(stripped(nbformat.reads(text, as_version=4))) + "\n" == text


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_outputs_are_of_the_code_that_stands_there(path):
    """If it fails, `python -m notebooks.run NN --keep` makes them so."""
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.get("outputs_of") == digest(notebook)


def test_other_code_has_another_digest():
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell

    def of(*cells):
        return digest(nbformat.v4.new_notebook(cells=list(cells)))

    assert of(code("a = 1"), text("why")) == of(code("a = 1"), text("because"))
    assert len({of(code("a = 1")), of(code("a = 2")), of(code("a"), code(" = 1"))}) == 3


def test_a_notebook_whose_kernel_ends_is_refused(tmp_path):
    cell = nbformat.v4.new_code_cell("import os; os._exit(1)")
    path = tmp_path / "ends.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    with pytest.raises(ValueError, match=r"^ends\.ipynb failed: "):
        executed(path)
