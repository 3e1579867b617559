"""What to change in a config that does not fit, so that it does: tried, not guessed.

The cheapest change that is enough comes first. Products in bfloat16 cost nothing but digits; a
batch in several parts costs little; computing activations again costs a third more products;
spreading the parameters costs traffic between chips. Each includes the ones before it.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from experiment.config import ExperimentConfig
from launch.program import Refused

Compiled = TypeVar("Compiled")
Changes = Mapping[str, Any]  # "model.dtype" -> "bfloat16"

MOST_TRIES = 8  # a compilation takes a minute
# No more than so much less memory for activations, of what is seen with large models.
_OF_BFLOAT16, _OF_REMAT = 0.4, 0.1


class Suggestion(NamedTuple):
    """Changes that make a config fit, and what was compiled with them."""

    changes: Changes
    config: ExperimentConfig
    step: Any

    @property
    def flags(self) -> str:
        """As they are given to a command."""
        return " ".join(f"--config.{name}={value}" for name, value in self.changes.items())


def changed(config: ExperimentConfig, changes: Changes) -> ExperimentConfig:
    """Returns a config with other values for settings such as `model.dtype`.

    Raises:
      ValueError: if they contradict the rest.
    """
    sections: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        section, _, field = name.rpartition(".")
        sections.setdefault(section, {})[field] = value
    parts = {
        section: dataclasses.replace(getattr(config, section), **fields)
        for section, fields in sections.items()
    }
    return dataclasses.replace(config, **parts)


def first_that_fits(
    config: ExperimentConfig,
    refused: Refused,
    devices: int,
    compile_step: Callable[[ExperimentConfig, str], Compiled | Refused],
) -> Suggestion | None:
    """Returns the first of the `candidates` that compiles, or None if none of MOST_TRIES does.

    `compile_step` is given the changed config and its flags.
    """
    enough_rows: dict[str, Any] = {}
    if refused.shape.rows < refused.shape.shards:
        enough_rows = {"train.tokens_per_batch": refused.shape.shards * refused.shape.length}
        config = changed(config, enough_rows)
        found = compile_step(config, Suggestion(enough_rows, config, None).flags)
        if not isinstance(found, Refused):
            return Suggestion(enough_rows, config, found)
        refused = found
    for changes in list(candidates(config, refused, devices))[:MOST_TRIES]:
        candidate = Suggestion({**enough_rows, **changes}, changed(config, changes), None)
        found = compile_step(candidate.config, candidate.flags)
        if not isinstance(found, Refused):
            return candidate._replace(step=found)
    return None


def candidates(config: ExperimentConfig, refused: Refused, devices: int) -> Iterator[Changes]:
    """Yields changes, the cheapest first, without those that cannot be enough."""
    available = refused.memory.available if refused.memory else math.inf
    for changes in _ladder(config, refused, devices):
        if _at_least(config, refused, changes) <= available:
            yield changes


def _ladder(config: ExperimentConfig, refused: Refused, devices: int) -> Iterator[dict[str, Any]]:
    bfloat16: dict[str, Any] = {}
    if config.model.dtype != "bfloat16":
        bfloat16 = {"model.dtype": "bfloat16"}
        yield bfloat16
    can_remat = config.model.has("remat") and not config.model.remat
    remat = {"model.remat": True} if can_remat else {}
    at_once = [{"mesh.tokens_per_device": tokens} for tokens in _fewer_tokens(config, refused)]
    yield from ({**bfloat16, **tokens} for tokens in at_once)
    if remat:
        yield from ({**bfloat16, **tokens, **remat} for tokens in [{}, *at_once])
    for spread in _spreads(config, devices):
        yield from ({**bfloat16, **tokens, **spread} for tokens in [{}, *at_once[-1:]])
        yield {**bfloat16, **(at_once[-1] if at_once else {}), **remat, **spread}


def _fewer_tokens(config: ExperimentConfig, refused: Refused) -> list[int]:
    """Returns tokens that go through a device at once: half, a quarter, ... down to one row."""
    shape = refused.shape
    rows = shape.padded_rows // shape.shards
    if config.mesh.tokens_per_device:
        rows = min(rows, max(1, config.mesh.tokens_per_device // shape.length))
    fewer = []
    while rows > 1:
        rows = -(-rows // 2)
        fewer.append(rows * shape.length)
    return fewer


def _spreads(config: ExperimentConfig, devices: int) -> Iterator[dict[str, Any]]:
    fsdp = config.mesh.fsdp * 2
    while fsdp * config.mesh.tensor <= devices:
        if devices % (fsdp * config.mesh.tensor) == 0 and config.model.d_model % fsdp == 0:
            yield {"mesh.data": -1, "mesh.fsdp": fsdp}
        fsdp *= 2


def _at_least(config: ExperimentConfig, refused: Refused, changes: Changes) -> float:
    """Returns the bytes that a change needs if it helps as much as it possibly can."""
    state = refused.state_bytes
    needed = refused.memory.needed if refused.memory else 0
    activations = max(0.0, needed - state)
    per_device = refused.shape.padded_rows * refused.shape.length / refused.shape.shards
    tokens = min(per_device, config.mesh.tokens_per_device or per_device)
    at_once = changes.get("mesh.tokens_per_device")
    if "model.dtype" in changes:
        activations *= _OF_BFLOAT16
    if at_once:
        activations *= at_once / tokens
    if "model.remat" in changes:
        activations *= _OF_REMAT
    return state * config.mesh.fsdp / changes.get("mesh.fsdp", config.mesh.fsdp) + activations
