"""The rooms of docs/architecture.md as a dict, held against every import in the tree."""

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
NOT_SOURCE = {"runs", "build", "dist"}


class Room(NamedTuple):
    """What files of a room may import besides each other and the standard library."""

    rooms: frozenset[str] = frozenset()
    packages: frozenset[str] | None = None  # None: any that `never` and ONLY_IN leave
    never: frozenset[str] = frozenset()


def of(names: str) -> frozenset[str]:
    return frozenset(names.split())


CONFIG, CONFIG_FILES = "experiment/config.py", "experiment/config_files.py"
CONFIG_MAPPING = "experiment/config_mapping.py"
CONFIG_SECTIONS = "experiment/config_sections.py"
STORAGE = "experiment/training/checkpoint/storage.py"
ERRORS = "experiment/errors.py"
CHECKPOINT_COMMAND = "experiment/training/checkpoint/__main__.py"
PRACTICE = "experiment/analysis/practice.py"
SYSTEMS_TABLE = "model/systems.py"
MEASURING_COMMANDS = tuple(
    f"experiment/analysis/{what}/__main__.py"
    for what in ("depth", "heads", "influence", "long_range", "paths", "positions", "viewer")
)
SYSTEMS = f"model/transformer model/baselines model/decoding {SYSTEMS_TABLE}"
INNER = f"configs {SYSTEMS} {CONFIG} {ERRORS}"
INNER += " experiment/data experiment/training experiment/evaluation"
ALL = f"{INNER} {CONFIG_FILES} model experiment experiment/command.py launch"
ALL += f" experiment/analysis {PRACTICE} experiment/sweep"

WORLD = of("asyncio datetime io logging multiprocessing os pathlib random shutil signal socket")
WORLD |= of("subprocess tempfile threading time urllib")
ARRAYS = of("flax jax jaxtyping numpy")

ROOMS: Mapping[str, Room] = {
    "configs": Room(packages=of("ml_collections")),
    "model": Room(packages=of(""), never=WORLD),
    "model/transformer": Room(packages=ARRAYS, never=WORLD),
    "model/baselines": Room(of("model/transformer"), packages=ARRAYS, never=WORLD),
    "model/decoding": Room(packages=of("jax jaxtyping"), never=WORLD),
    "experiment": Room(packages=of("")),
    SYSTEMS_TABLE: Room(of("model/transformer model/baselines"), packages=ARRAYS, never=WORLD),
    CONFIG: Room(of(f"{CONFIG_MAPPING} {CONFIG_SECTIONS}"), packages=of("")),
    CONFIG_SECTIONS: Room(
        of(f"{CONFIG_MAPPING} {SYSTEMS_TABLE} model/transformer model/baselines"), packages=of("")
    ),
    CONFIG_MAPPING: Room(packages=of("")),
    CONFIG_FILES: Room(of(CONFIG), packages=of("absl ml_collections")),
    "experiment/data": Room(of(CONFIG), never=of("flax jax jaxlib optax orbax")),
    "experiment/training": Room(of(f"{CONFIG} {ERRORS} experiment/data {SYSTEMS}")),
    CHECKPOINT_COMMAND: Room(
        of(f"experiment/command.py {ERRORS} experiment/training"), packages=of("")
    ),
    "experiment/evaluation": Room(of(f"{CONFIG} experiment/data {SYSTEMS}")),
    "experiment/analysis": Room(of(INNER)),
    PRACTICE: Room(of(f"{INNER} {CONFIG_FILES} experiment/analysis"), packages=of("")),
    **dict.fromkeys(
        MEASURING_COMMANDS,
        Room(
            of("experiment/command.py experiment/analysis experiment/data experiment/training"),
            packages=of("jax"),
        ),
    ),
    "experiment/sweep": Room(of(f"{INNER} {CONFIG_FILES}")),
    "experiment/command.py": Room(of(f"{CONFIG} {ERRORS}")),
    ERRORS: Room(packages=of("")),
    "launch": Room(of(f"{INNER} {CONFIG_FILES} experiment/command.py")),
    "benchmarks": Room(of(f"{ALL} scripts")),
    "scripts": Room(of(ALL)),
    "tests": Room(
        of(f"{ALL} {CHECKPOINT_COMMAND} {' '.join(MEASURING_COMMANDS)}")
        | of("scripts benchmarks notebooks")
    ),
    "notebooks": Room(of(ALL)),
}
SCRIPTS = ("train.py", "translate.py", "evaluate.py", "sweep.py")

# Names that appear in these places, in tests and in benchmarks, and nowhere else.
ONLY_IN = {
    "ml_collections": of(f"configs {CONFIG_FILES}"),
    "orbax": of(STORAGE),
    "pmap": of("experiment/training/parallel/pmapped.py"),
}


class Import(NamedTuple):
    """One imported name, as a dotted path from the top, and the line it stands on."""

    name: str
    line: int


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str | None:
    """The innermost room that holds a dotted name, or None where there is none of ours."""
    if f"{module.split('.')[0]}.py" in SCRIPTS:
        return "scripts"
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        folder = "/".join(parts[:end])
        for room in (folder, f"{folder}.py"):
            if room in ROOMS:
                return room
    return None


def imports(path: str, tree: ast.AST) -> Iterator[Import]:
    """Every import of a file, wherever in it, relative ones resolved."""
    package = module_of(path).split(".")
    if not path.endswith("/__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)


def home(path: str) -> str | None:
    """The room of a file. Beside the rooms of a package there is only its `__init__.py`."""
    if "/" not in path and path not in SCRIPTS:
        return None
    room = room_of(module_of(path))
    return None if room in ("model", "experiment") and path != f"{room}/__init__.py" else room


def is_in(path: str, places: frozenset[str]) -> bool:
    return home(path) in ("tests", "benchmarks") or path in places or home(path) in places


def objection(path: str, name: str, imported: str) -> str | None:
    """Why a file of the room `name` must not import this, or None."""
    room, top, target = ROOMS[name], imported.split(".")[0], room_of(imported)
    if target is not None:
        allowed = target == name or target in room.rooms
        return None if allowed else f"{name} may not import {target} ({imported})"
    unlisted = room.packages is not None and top not in {*room.packages, *sys.stdlib_module_names}
    if unlisted or top in room.never:
        return f"{name} may not import {top}"
    if top in ONLY_IN and not is_in(path, ONLY_IN[top]):
        return f"{top} belongs in {', '.join(sorted(ONLY_IN[top]))}"
    return None


def forbidden_imports(path: str, source: str) -> Iterator[str]:
    """One sentence, with file and line, for each import the table does not allow."""
    name = home(path)
    if name is None:
        yield f"{path}: belongs to no room; give it one in docs/architecture.md and in ROOMS"
        return
    for imported, line in imports(path, ast.parse(source)):
        reason = objection(path, name, imported)
        if reason is not None:
            yield f"{path}:{line}: {reason}"


def stray_pmap(path: str, source: str) -> Iterator[str]:
    """`jax.pmap`, in whatever way it is written, outside its one file."""
    if is_in(path, ONLY_IN["pmap"]):
        return
    for node in ast.walk(ast.parse(source)):
        names = {
            ast.Attribute: lambda n: [n.attr],
            ast.Name: lambda n: [n.id],
            ast.ImportFrom: lambda n: [alias.name for alias in n.names],
        }.get(type(node), lambda n: [])
        if "pmap" in names(node):
            yield f"{path}:{node.lineno}: pmap belongs in {', '.join(ONLY_IN['pmap'])}"


def circle(sources: Mapping[str, str]) -> list[str]:
    """Files that import each other in a circle, or nothing."""
    files = {module_of(path): path for path in sources}
    edges: dict[str, set[str]] = {path: set() for path in sources}
    for path, source in sources.items():
        for name, _ in imports(path, ast.parse(source)):
            target = files.get(name) or files.get(name.rpartition(".")[0])
            if target is not None and target != path:
                edges[path].add(target)
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def tree() -> dict[str, str]:
    """Path from the top -> source, of every Python file that is ours."""
    tops = [p for p in ROOT.iterdir() if not p.name.startswith(".") and p.name not in NOT_SOURCE]
    tops = [p for p in tops if not (p / "pyvenv.cfg").exists()]
    files = [f for top in tops for f in ([top] if top.suffix == ".py" else top.rglob("*.py"))]
    return {f.relative_to(ROOT).as_posix(): f.read_text() for f in sorted(files)}


def test_every_import_is_one_the_table_allows():
    assert [line for file in tree().items() for line in forbidden_imports(*file)] == []


def test_pmap_is_written_in_one_file():
    assert [line for file in tree().items() for line in stray_pmap(*file)] == []


def test_no_file_imports_itself_through_others():
    assert circle(tree()) == []


def test_table_names_only_its_own_rooms_and_has_no_circle():
    order = TopologicalSorter({name: room.rooms for name, room in ROOMS.items()})
    assert set(order.static_order()) == set(ROOMS)


def test_no_file_is_called_utils():
    assert [path for path in tree() if Path(path).stem == "utils"] == []


def test_model_keeps_its_annotations():
    model = {path: source for path, source in tree().items() if path.startswith("model/")}
    assert [
        p for p, source in model.items() if "from __future__ import annotations" in source
    ] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_short(script):
    assert len((ROOT / script).read_text().splitlines()) < 120


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        (
            "experiment/data/pipeline.py",
            "import numpy\n\ndef read():\n    import jax.numpy as jnp\n",
            "experiment/data/pipeline.py:4: experiment/data may not import jax",
        ),
        (
            "experiment/training/loop.py",
            "from experiment import config, evaluation\n",
            "experiment/training/loop.py:1: experiment/training may not import "
            "experiment/evaluation (experiment.evaluation)",
        ),
        (
            "model/decoding/beam.py",
            "from ..transformer.masks import causal_mask\n",
            "model/decoding/beam.py:1: model/decoding may not import "
            "model/transformer (model.transformer.masks.causal_mask)",
        ),
        (
            "model/transformer/__init__.py",
            "from ..baselines import recurrent\n",
            "model/transformer/__init__.py:1: model/transformer may not import "
            "model/baselines (model.baselines.recurrent)",
        ),
        (
            "model/transformer/masks.py",
            "import pathlib\n",
            "model/transformer/masks.py:1: model/transformer may not import pathlib",
        ),
        (
            "model/transformer/masks.py",
            "import optax\n",
            "model/transformer/masks.py:1: model/transformer may not import optax",
        ),
        (
            "experiment/training/loop.py",
            "from orbax import checkpoint\n",
            f"experiment/training/loop.py:1: orbax belongs in {STORAGE}",
        ),
        (
            "experiment/training/averaging.py",
            "from experiment import command",
            "experiment/training/averaging.py:1: experiment/training may not import "
            "experiment/command.py (experiment.command)",
        ),
        (
            "train.py",
            "from ml_collections import config_flags\n",
            "train.py:1: ml_collections belongs in configs, experiment/config_files.py",
        ),
        (
            "experiment/analysis/heads.py",
            "import train\n",
            "experiment/analysis/heads.py:1: experiment/analysis may not import scripts (train)",
        ),
        (
            "helpers/text.py",
            "",
            "helpers/text.py: belongs to no room; give it one in docs/architecture.md and in ROOMS",
        ),
        (
            "tricks.py",
            "",
            "tricks.py: belongs to no room; give it one in docs/architecture.md and in ROOMS",
        ),
        (
            "experiment/tricks.py",
            "",
            "experiment/tricks.py: belongs to no room; "
            "give it one in docs/architecture.md and in ROOMS",
        ),
        (
            "model/__init__.py",
            "import jax",
            "model/__init__.py:1: model may not import jax",
        ),
    ],
)
def test_checker_reports_a_forbidden_import(path, source, found):
    assert list(forbidden_imports(path, source)) == [found]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (STORAGE, "import orbax.checkpoint as ocp"),
        ("experiment/training/step.py", "from . import loss\nfrom ..data import Batch"),
        ("experiment/config_sections.py", "from model.transformer import TransformerConfig"),
        ("configs/big.py", "from configs import base\nfrom ml_collections import ConfigDict"),
        ("model/transformer/decoder.py", "import functools\nfrom flax import linen as nn"),
        ("train.py", "from experiment import config\nfrom experiment.evaluation import bleu"),
        (CHECKPOINT_COMMAND, "from experiment import command, training"),
        ("tests/training/test_checkpoint.py", "import orbax.checkpoint\nimport train"),
    ],
)
def test_checker_lets_an_allowed_import_pass(path, source):
    assert list(forbidden_imports(path, source)) == []


@pytest.mark.parametrize("source", ["import jax\njax.pmap(f)", "\nfrom jax import pmap"])
def test_checker_reports_pmap_outside_its_file(source):
    found = "experiment/training/loop.py:2: pmap belongs in experiment/training/parallel/pmapped.py"
    assert list(stray_pmap("experiment/training/loop.py", source)) == [found]
    assert list(stray_pmap("experiment/training/parallel/pmapped.py", source)) == []


def test_checker_reports_a_circle():
    sources = {
        "model/transformer/encoder.py": "from model.transformer.decoder import Decoder",
        "model/transformer/decoder.py": "def late():\n    from . import encoder",
        "model/transformer/masks.py": "",
    }
    assert set(circle(sources)) == {"model/transformer/encoder.py", "model/transformer/decoder.py"}
    assert circle({**sources, "model/transformer/decoder.py": ""}) == []
