"""Trees of arrays and JSON on disk, by Orbax. Nothing else in the project knows Orbax.

Orbax sees to it that a step's folder appears when all of it is written. It vouches for nothing in
it: that is what `manifest.py` is for.
"""

import contextlib
import pathlib
import shutil
from typing import Any

import orbax.checkpoint as ocp

Items = dict[str, Any]  # by name: trees of numpy arrays, and one dict that JSON can hold
RECORD = "run"  # the item that is JSON
_UNFINISHED = "*.orbax-checkpoint-tmp*"


class Storage:
    """The steps that lie in one folder."""

    def __init__(self, folder: pathlib.Path, *, read_only: bool) -> None:
        """Opens `folder`; it is made for writing, and what a killed process left is removed."""
        self._root = folder.resolve()
        self._read_only = read_only
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        if not self._read_only:
            # Orbax would do it in the background, and does not come to it in a short process.
            for left in self._root.glob(_UNFINISHED):
                shutil.rmtree(left)
        # Whoever saves in the background calls `save` there: then a failure is known at once, where
        # Orbax's own threads would wait for each other for minutes.
        options = ocp.CheckpointManagerOptions(
            read_only=self._read_only, enable_async_checkpointing=False
        )
        return ocp.CheckpointManager(self._root, options=options)

    def folders(self) -> dict[int, pathlib.Path]:
        """Returns where every step lies that Orbax finished, ascending."""
        names = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        steps = sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)
        return {step: self._root / str(step) for step in steps}

    def save(self, step: int, items: Items) -> None:
        """Writes a step that is new.

        Raises:
          RuntimeError: if Orbax declines.
        """
        arguments = {
            name: ocp.args.JsonSave(item) if name == RECORD else ocp.args.StandardSave(item)
            for name, item in items.items()
        }
        if not self._manager.save(step, args=ocp.args.Composite(**arguments), force=True):
            raise RuntimeError(f"{self._root}: Orbax declined to save step {step}.")

    def restore(self, step: int, names: list[str]) -> Items:
        """Returns items of a step as they were saved: arrays as numpy's, in dicts and lists."""
        arguments = {
            name: ocp.args.JsonRestore() if name == RECORD else ocp.args.StandardRestore()
            for name in names
        }
        restored = self._manager.restore(step, args=ocp.args.Composite(**arguments))
        return {name: restored[name] for name in names}

    def delete(self, step: int) -> None:
        """Removes a step."""
        self._manager.delete(step)

    def reopen(self) -> None:
        """Forgets what went wrong, and what was half written of it."""
        with contextlib.suppress(Exception):  # it is what went wrong
            self._manager.close()
        self._manager = self._open()

    def close(self) -> None:
        """Lets go of the folder."""
        self._manager.close()
