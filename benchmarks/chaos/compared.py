"""What two runs left that should be the same run."""

import json
import pathlib
from typing import Any

from experiment import training

_SAME_BYTES = ("translations.txt", "config.json", "vocabulary.model")


def differences(ours: pathlib.Path, theirs: pathlib.Path) -> list[str]:
    """Returns in what the workdir `ours` is not what `theirs` is, apart from times."""
    found = []
    for name in _SAME_BYTES:
        if (ours / name).read_bytes() != (theirs / name).read_bytes():
            found.append(f"{name} differs")
    results = [json.loads((folder / "results.json").read_text()) for folder in (ours, theirs)]
    found += _unequal("results.json", *map(_timeless, results))
    found += _unequal("metrics.jsonl", *map(_lines, (ours, theirs)))
    found += _unequal("checkpoints", *map(_checkpoints, (ours, theirs)))
    return found


def litter(ours: pathlib.Path, theirs: pathlib.Path) -> list[str]:
    """Returns what `ours` holds and `theirs` does not, beside and among the checkpoints."""
    names = [
        {
            str(path.relative_to(folder))
            for pattern in ("*", "checkpoints/*", "checkpoints/.unfinished/*")
            for path in folder.glob(pattern)
        }
        for folder in (ours, theirs)
    ]
    return sorted(names[0] - names[1])


def _timeless(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in training.TIMES}


def _lines(folder: pathlib.Path) -> dict[str, Any]:
    """Returns the lines of the metrics by number: one too many or too few moves all that follow."""
    lines = training.read_metrics(folder / "metrics.jsonl")
    return {f"line {number}": _timeless(line) for number, line in enumerate(lines, 1)}


def _checkpoints(folder: pathlib.Path) -> dict[str, Any]:
    """Returns the digest over all arrays of every step, and what is recorded with them."""
    checkpoints = training.Checkpoints(folder / "checkpoints")
    found: dict[str, Any] = {
        f"step {step}": (checkpoints.digest(step), _timeless(checkpoints.record(step)))
        for step in checkpoints.verify()
    }
    return {**found, "damaged": checkpoints.damaged}


def _unequal(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Returns a line for the first key that differs, and says how many do; floats bit for bit."""
    ours, theirs = ({key: json.dumps(each[key]) for key in each} for each in (ours, theirs))
    differ = [key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key)]
    if not differ:
        return []
    shown = [each.get(differ[0], "absent")[:200] for each in (ours, theirs)]
    return [
        f"{name}: {len(differ)} of {len(theirs)} differ, first {differ[0]}: {shown[0]} for "
        f"{shown[1]}"
    ]
