"""What the compiler says of a training step: what it needs on a chip, or that it does not fit."""

import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiment import training
from experiment.config import ExperimentConfig
from experiment.training.state import TrainState
from launch.collectives import Found, collectives_of
from launch.topology import MemoryRefused, Slice, memory_refused
from model.systems import system_of, training_flops


class Memory(NamedTuple):
    """Bytes of one chip; together they are what the program needs there."""

    parameters: int
    optimizer: int
    batch: int  # with the step's number and the random key
    padding: int  # of all these to the tiles of a chip; less than 0 if the step leaves one unused
    temporary: int  # activations, gradients and what the compiler keeps between operations
    results: int  # that do not take the place of the state that came in
    code: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


class Shape(NamedTuple):
    """The batch that was compiled for."""

    rows: int
    length: int  # padded tokens of a row, on either side
    shards: int  # that the rows are split over

    @property
    def padded_rows(self) -> int:
        """With the empty rows that make it even."""
        return -(-self.rows // self.shards) * self.shards

    @property
    def tokens(self) -> int:
        """Target tokens of a step, padding included, empty rows not."""
        return self.rows * self.length


class Step(NamedTuple):
    """A training step, as compiled for one chip of a slice."""

    shape: Shape
    memory: Memory
    flops: float  # of one chip as the compiler counts them, the body of each loop once
    model_flops: float  # of all chips together, by formula
    traffic: float  # bytes from and to memory, likewise; what stays on the chip is in it too
    network: Found
    seconds: float  # that it took to compile


class Refused(NamedTuple):
    """Why there is no program, in a sentence; with the memory it would need if that is why."""

    shape: Shape
    why: str
    state_bytes: int  # of one chip
    memory: MemoryRefused | None = None


def compile_step(
    config: ExperimentConfig, chips: Slice, progress: training.Progress
) -> Step | Refused:
    """Compiles one update of a run, for the batch with its longest rows.

    Raises:
      ValueError: if the config's mesh divides neither the slice nor the model.
    """
    placement = training.Meshed(chips.devices, config.mesh)
    placement.check_model(config.model)
    model = system_of(config.model.system_config(config.data.vocab_size))
    optimizer = training.adam(config)
    init = functools.partial(training.init_state, model, optimizer)
    state = placement.abstract_state(jax.eval_shape(init, jax.eval_shape(_some_key)))
    shape = batch_shape(config, placement.num_shards)
    parameters, held = _bytes(state.params), _bytes(state)
    if shape.rows < shape.shards:
        return Refused(shape, _too_few_rows(shape), held)
    batch = placement.abstract_batch(shape.rows, shape.length)
    rng = placement.abstract_rng()
    loss_fn = training.training_loss(model, config.train)
    step: Any = placement.compile_train_step(
        functools.partial(training.train_step, loss_fn=loss_fn, optimizer=optimizer)
    )
    started = time.monotonic()
    with progress.waiting(f"the compiler ({chips.name})"):
        lowered = step.lower(state, batch, rng)
        try:
            compiled = lowered.compile()
        except RuntimeError as error:
            memory = memory_refused(str(error))
            if memory is None:
                return Refused(shape, f"the compiler gives up: {_first_line(error)}", held)
            return Refused(shape, "it needs more memory than a chip has", held, memory)
    cost = compiled.cost_analysis() or {}
    return Step(
        shape=shape,
        memory=_memory(compiled, state, parameters, _bytes((batch, rng))),
        flops=float(cost.get("flops", 0.0)),
        model_flops=model_flops(config, shape.padded_rows, shape.length),
        traffic=float(cost.get("bytes accessed", 0.0)),
        network=collectives_of(compiled.as_text(), len(chips.devices)),
        seconds=time.monotonic() - started,
    )


def batch_shape(config: ExperimentConfig, shards: int) -> Shape:
    """Returns the shape of the batch with the longest rows; of all buckets it needs most memory."""
    length = config.longest_row
    return Shape(config.train.tokens_per_batch // length, length, shards)


def model_flops(config: ExperimentConfig, rows: int, length: int) -> float:
    """Returns the products of one update on rows filled with one sentence each, as they are run.

    Padding and the masked half of attention are computed too. What `model.remat` computes again is
    not counted.
    """
    tokens = np.full(1, length)
    sizes = config.model.system_config(config.data.vocab_size)
    return float(rows * config.train.passes * training_flops(sizes, tokens, tokens)[0])


def _some_key() -> jax.Array:
    return jax.random.key(0)


def _too_few_rows(shape: Shape) -> str:
    return f"{shape.rows} rows of {shape.length} tokens cannot be split over {shape.shards} chips"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300].rstrip(".") or type(error).__name__


def _bytes(tree: Any) -> int:
    """Returns the bytes that one chip holds of a tree of shapes with shardings."""
    total = 0
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        shape = leaf.sharding.shard_shape(leaf.shape) if leaf.sharding else leaf.shape
        size = leaf.dtype.itemsize
        for axis in shape:
            size *= axis
        total += size
    return total


def _memory(compiled: Any, state: TrainState, parameters: int, batch: int) -> Memory:
    said = compiled.memory_analysis()
    optimizer, step = _bytes(state.opt_state), _bytes(state.step)
    named = parameters + optimizer + step + batch
    return Memory(
        parameters=parameters,
        optimizer=optimizer,
        batch=step + batch,
        padding=said.argument_size_in_bytes - named,
        temporary=said.temp_size_in_bytes,
        results=said.output_size_in_bytes - said.alias_size_in_bytes,
        code=said.generated_code_size_in_bytes,
    )
