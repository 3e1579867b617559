"""Runs notebooks from top to bottom, as a reader would.

    python -m notebooks.run                     all of them
    python -m notebooks.run 02 --keep           one, and its file keeps the new outputs

A notebook that fails ends with its error. Without --keep no file is changed.
"""

import hashlib
import json
import os
import pathlib
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from experiment import command
from experiment.data import write_file

FOLDER = pathlib.Path(__file__).parent
_SECONDS_A_CELL = 900


def main(argv: list[str]) -> None:
    """Runs what is named, one after another."""
    arguments = command.parser(__doc__)
    arguments.add_argument("names", nargs="*", help="numbers or names; default: all")
    arguments.add_argument("--keep", action="store_true", help="write the outputs into the files")
    flags = arguments.parse_args(argv)
    with command.user_errors():
        chosen = paths(flags.names)
    for path in chosen:
        print(f"{path.name} ...", flush=True)
        begun = time.monotonic()
        with command.user_errors():
            notebook = executed(path)
        if flags.keep:
            text = nbformat.writes(stripped(notebook)) + "\n"
            with command.machine_errors():
                write_file(path, text.encode())
        print(f"{path.name}: {time.monotonic() - begun:.0f} s")


def paths(names: list[str]) -> list[pathlib.Path]:
    """Returns the notebooks whose names begin as given, in reading order; all without a name.

    Raises:
      ValueError: if one names none.
    """
    there = sorted(FOLDER.glob("*.ipynb"))
    for name in names:
        if not any(path.name.startswith(name) for path in there):
            raise ValueError(
                f"{name} must be the beginning of a notebook's name: "
                f"{', '.join(path.stem for path in there)}."
            )
    return [path for path in there if not names or path.name.startswith(tuple(names))]


def executed(path: pathlib.Path) -> nbformat.NotebookNode:
    """Returns a notebook with the outputs that it has now.

    Raises:
      ValueError: with the error of the cell that failed, took too long or ended its kernel.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        coalesce_streams=True,  # a progress line that was printed over leaves its last state
    )
    try:
        client.execute(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise ValueError(f"{path.name} failed: {error}") from None
    return notebook


def digest(notebook: nbformat.NotebookNode) -> str:
    """Returns the SHA-256 of the sources of the code cells."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def stripped(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns the notebook without what only one execution on one machine is told by.

    It says which code its outputs are of, so that code which was changed since is noticed.
    """
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "outputs_of": digest(notebook),
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                output.pop("metadata", None)
                if "execution_count" in output:
                    output.execution_count = None
                if output.output_type in ("display_data", "execute_result"):
                    output.metadata = nbformat.from_dict({})
    return notebook


if __name__ == "__main__":
    command.run(main)
