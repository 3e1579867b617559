"""What a checkpoint must be when it is read again: a digest of each of its arrays and files.

Orbax protects the structure of what it writes, not the bytes: a flipped bit of a float is read as
another float. So each step gets a file of digests, written when everything else of it is on disk.
Those of the files are checked before Orbax reads them: what is damaged never gets that far. Those
of the arrays are checked after it: they are of the numbers, hence the same however an array was
sharded or is laid out in files, and tell two states of a run apart.
"""

import hashlib
import json
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from experiment.data import sync, write_file
from experiment.training.checkpoint.storage import RECORD, Items

NAME = "manifest.json"
VERSION = 1  # raised with any change to what is below


class Manifest(NamedTuple):
    """What is known of one step."""

    step: int
    digests: dict[str, str]  # by item and path, such as "params/encoder/layer_0/..."
    files: dict[str, dict[str, Any]]  # "bytes" and "sha256", by path within the step's folder

    @property
    def digest(self) -> str:
        """Tells these arrays from any others, in twelve characters; equal runs have equal ones."""
        arrays = {name: digest for name, digest in self.digests.items() if name != RECORD}
        return _sha256(json.dumps(arrays, sort_keys=True).encode())[:12]


def digests_of(items: Items) -> dict[str, str]:
    """Returns a digest of every array, with its shape and type, and of the record."""
    digests = {}
    for name, item in sorted(items.items()):
        if name == RECORD:
            digests[name] = _sha256(json.dumps(item, sort_keys=True).encode())
            continue
        for path, leaf in jax.tree_util.tree_leaves_with_path(item):
            key = jax.tree_util.keystr(path, simple=True, separator="/")
            digests[f"{name}/{key}"] = array_digest(np.asarray(leaf))
    return digests


def array_digest(array: np.ndarray) -> str:
    """Returns the SHA-256 of an array's shape, type and numbers, in the order of its indices."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def commit(folder: pathlib.Path, items: Items) -> None:
    """Makes a checkpoint of a step's folder that holds `items`, whatever befalls the machine."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in [*folder.rglob("*"), folder, folder.parent]:
        sync(path)
    written = {str(path.relative_to(folder)): _of_file(path) for path in files}
    manifest = Manifest(int(folder.name), digests_of(items), written)
    content = {"version": VERSION, **manifest._asdict()}
    sealed = {**content, "sha256": _sha256(json.dumps(content, sort_keys=True).encode())}
    write_file(folder / NAME, json.dumps(sealed, indent=1).encode())


def read(folder: pathlib.Path) -> Manifest:
    """Returns what the manifest of a step's folder says, once it fits the folder.

    Only names and sizes of the files are looked at: this is for listing, not for trusting.

    Raises:
      ValueError: saying what is wrong: the manifest itself, or a file that is not as it was.
    """
    try:
        content: dict[str, Any] = json.loads((folder / NAME).read_bytes())
        seal = content.pop("sha256")
    except FileNotFoundError:
        raise ValueError(f"{NAME} is missing") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{NAME} cannot be read") from None
    if seal != _sha256(json.dumps(content, sort_keys=True).encode()):
        raise ValueError(f"{NAME} was changed")
    if content.pop("version") != VERSION:
        raise ValueError(f"{NAME} was written by another version of this program")
    manifest = Manifest(**content)
    if str(manifest.step) != folder.name:
        raise ValueError(f"{NAME} is that of step {manifest.step}")
    for name, file in manifest.files.items():
        try:
            size = (folder / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(f"{name} is missing") from None
        if size != file["bytes"]:
            raise ValueError(f"{name} has {size:,} of {file['bytes']:,} bytes")
    return manifest


def check_files(manifest: Manifest, folder: pathlib.Path, items: list[str]) -> None:
    """Compares the files of `items` with what was written.

    Raises:
      ValueError: naming the first that differs.
    """
    for name, file in manifest.files.items():
        if (item_of(name) in items or "/" not in name) and _of_file(folder / name) != file:
            raise ValueError(f"the digest of {name} does not match")


def check_arrays(manifest: Manifest, items: Items) -> None:
    """Compares what was read with what was written.

    Raises:
      ValueError: naming the first array that differs.
    """
    found = digests_of(items)
    for name in sorted(found.keys() | {key for key in manifest.digests if item_of(key) in items}):
        if found.get(name) != manifest.digests.get(name):
            raise ValueError(f"the digest of {name} does not match")


def _of_file(path: pathlib.Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def item_of(key: str) -> str:
    """Returns which item an array or a file is of."""
    return key.split("/")[0]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
