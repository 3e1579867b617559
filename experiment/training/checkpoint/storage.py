"""Trees of arrays and JSON in a folder, by Orbax. Nothing else in the project knows Orbax.

Orbax vouches for nothing that it reads: that is what `manifest.py` is for.
"""

import pathlib
import threading
from typing import Any

import jax
import orbax.checkpoint as ocp

Items = dict[str, Any]  # by name: trees of numpy arrays, and one dict that JSON can hold
RECORD = "run"  # the item that is JSON

# Orbax numbers what it does for the whole process: two threads at once wait for each other's files.
_ORBAX = threading.Lock()


def write(folder: pathlib.Path, items: Items) -> None:
    """Writes `items` to a folder that is new, and returns when they are there.

    In the thread that calls it, so that a failure is known at once: threads of Orbax's own wait for
    each other for minutes when one of them fails.
    """
    arguments = {
        name: ocp.args.JsonSave(item) if name == RECORD else ocp.args.StandardSave(item)
        for name, item in items.items()
    }
    with _ORBAX, _checkpointer() as orbax:
        orbax.save(folder, args=ocp.args.Composite(**arguments))


def read(folder: pathlib.Path, names: list[str]) -> Items:
    """Returns items as they were written: arrays as numpy's, in dicts and lists."""
    arguments = {
        name: ocp.args.JsonRestore() if name == RECORD else ocp.args.StandardRestore()
        for name in names
    }
    with _ORBAX, _checkpointer() as orbax:
        restored = orbax.restore(folder, args=ocp.args.Composite(**arguments))
    return {name: restored[name] for name in names}


def _checkpointer() -> ocp.Checkpointer:
    """Returns one that waits for no other process of the run: this one reads and writes alone."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(), active_processes={jax.process_index()}
    )
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
