"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000).

A layer is one matrix and one bias: its columns are the four gates, its rows what the gates are
computed from, the layer's own last output at the end. What is known of all positions beforehand
is multiplied by its rows at once; a loop over time is left with the others.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.transformer.linear import flat_product, xavier_uniform

GATES = ("input", "forget", "candidate", "output")  # in the order in which a matrix has them


class LSTMParams(NamedTuple):
    """One layer's parameters; I counts all that the gates are computed from, the output too."""

    kernel: Float[Array, "I 4 C"]
    bias: Float[Array, "4 C"]


class LSTMState(NamedTuple):
    """What a layer carries from one position to the next."""

    hidden: Float[Array, "*N C"]  # its output, of the activations' dtype
    cell: Float[Array, "*N C"]  # float32, as it is a sum over all positions


def lstm_cell(gates: Float[Array, "*N 4 C"], cell: Float[Array, "*N C"], dtype: Any) -> LSTMState:
    """Returns the state after one position, from the sums that the four gates are squashed from.

    The cell keeps as much of itself as the forget gate says and takes as much of the candidate
    as the input gate says; tanh of it is shown as far as the output gate is open.
    """
    input_, forget, candidate, output = (gates[..., gate, :] for gate in range(len(GATES)))
    kept = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(input_) * jnp.tanh(candidate)
    return LSTMState((jax.nn.sigmoid(output) * jnp.tanh(kept)).astype(dtype), kept)


def project_inputs(params: LSTMParams, inputs: Float[Array, "*N I"]) -> Float[Array, "*N 4 C"]:
    """Returns the gates' share of `inputs`, which the first rows are for, and the bias."""
    kernel, bias = params.kernel[: inputs.shape[-1]], params.bias
    row = bias.reshape((1,) * (inputs.ndim - 1) + bias.shape)
    return flat_product(inputs, kernel, dtype=jnp.float32) + row


def lstm_step(
    params: LSTMParams,
    projected: Float[Array, "*N 4 C"],
    late: Sequence[Float[Array, "*N _"]],
    state: LSTMState,
) -> LSTMState:
    """Returns the state after one position.

    `projected` is the share of what was known before, by `project_inputs`; `late` is what was not,
    in the order of the matrix' rows. With the layer's last output it is multiplied in one product.
    """
    inputs = jnp.concatenate([*late, state.hidden], axis=-1)
    gates = flat_product(inputs, params.kernel[-inputs.shape[-1] :], dtype=jnp.float32)
    return lstm_cell(projected + gates, state.cell, state.hidden.dtype)


def run_lstm(
    params: LSTMParams,
    inputs: Float[Array, "B T I"],
    starts: Bool[Array, "B T"],
    initial: Float[Array, "B T C"] | None = None,
    *,
    reverse: bool = False,
) -> Float[Array, "B T C"]:
    """Returns the outputs at every position, from left to right or, `reverse`, back.

    Where `starts` is True a sentence begins in that direction: the state before it is forgotten.
    The output before it is then `initial` at that place, or zeros; the cell is zeros.
    """
    projected = _time_first(project_inputs(params, inputs))
    state = empty_state(inputs.shape[:1], params.bias.shape[-1], inputs.dtype)
    before = jnp.zeros((inputs.shape[1], 1, 1), inputs.dtype)
    before = before if initial is None else _time_first(initial)

    def step(state: LSTMState, now: tuple[Array, Array, Array]) -> tuple[LSTMState, Array]:
        gates, is_start, hidden = now
        state = lstm_step(params, gates, (), restart(state, is_start, hidden))
        return state, state.hidden

    sequence = projected, _time_first(starts), before
    return _time_first(jax.lax.scan(step, state, sequence, reverse=reverse)[1])


def restart(
    state: LSTMState, is_start: Bool[Array, "*N"], hidden: Float[Array, "*_ _"]
) -> LSTMState:
    """Returns the state, or where a sentence starts `hidden` with an empty cell."""
    chosen = is_start[..., None]
    return LSTMState(jnp.where(chosen, hidden, state.hidden), jnp.where(chosen, 0.0, state.cell))


def empty_state(rows: tuple[int, ...], width: int, dtype: Any) -> LSTMState:
    """Returns the state of before the first position: zeros."""
    return LSTMState(jnp.zeros((*rows, width), dtype), jnp.zeros((*rows, width), jnp.float32))


def _time_first(array: Array) -> Array:
    return jnp.swapaxes(array, 0, 1)


class LSTM(nn.Module):
    """Owns the parameters of one layer of `features` cells, one direction.

    Each gate's matrix starts uniform after Glorot and Bengio; biases start at 0, that of the
    forget gate at 1, so that a cell keeps what it has until it learns not to (Jozefowicz et al.
    2015).
    """

    inputs: int  # features a position, without the layer's own output
    features: int

    def setup(self) -> None:
        shape = self.inputs + self.features, len(GATES), self.features
        self.kernel = self.param("kernel", _each_gate_glorot, shape)
        self.bias = self.param("bias", _forget_nothing, shape[1:])

    @property
    def params(self) -> LSTMParams:
        """The parameters, as the functions of this file take them."""
        return LSTMParams(self.kernel, self.bias)


def _each_gate_glorot(rng: Array, shape: tuple[int, int, int], dtype: Any = jnp.float32) -> Array:
    rows, gates, width = shape
    each = jax.random.split(rng, gates)
    return jnp.stack([xavier_uniform(one, (rows, width), dtype) for one in each], axis=1)


def _forget_nothing(rng: Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> Array:
    return jnp.zeros(shape, dtype).at[GATES.index("forget")].set(1.0)
