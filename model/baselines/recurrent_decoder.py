"""A stack of LSTM layers that writes the target, with a look at the source at every position."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.baselines.config import RecurrentConfig
from model.baselines.lstm import (
    LSTM,
    LSTMParams,
    LSTMState,
    empty_state,
    lstm_step,
    project_inputs,
    restart,
    run_lstm,
)
from model.baselines.recurrent_attention import (
    AttentionParams,
    RecurrentAttention,
    attend,
    project_source,
)
from model.baselines.recurrent_encoder import FIRST_RESIDUAL
from model.baselines.source_memory import SourceMemory
from model.transformer.dropout import Dropout, dropout
from model.transformer.linear import projection

# (outputs of a layer, its number) -> the same, some of them dropped
Drop = Callable[[Float[Array, "B M D"], int], Float[Array, "B M D"]]


class DecoderState(NamedTuple):
    """What M decoders of a sentence carry from one position to the next."""

    layers: tuple[LSTMState, ...]  # [B, M, D] each
    fed: Float[Array, "B M D"]  # the attentional state of the position before


class DecoderParams(NamedTuple):
    """The parameters that are used at every position."""

    layers: tuple[LSTMParams, ...]
    attention: AttentionParams


def decoder_step(
    params: DecoderParams,
    projected: Float[Array, "B M 4 D"],
    state: DecoderState,
    source: SourceMemory,
    mask: Bool[Array, "B 1 1 S"],
    *,
    input_feeding: bool,
    drop: Drop,
) -> tuple[DecoderState, Float[Array, "B 1 M S"]]:
    """Returns the state after one position, whose last part is its output; and attention weights.

    `projected` is the embedded token's share of the lowest layer's gates. The other layers have
    nothing that is known before, so all of theirs is one product.
    """
    hidden, layers = state.fed, []
    for number, (of_layer, before) in enumerate(zip(params.layers, state.layers, strict=True)):
        is_lowest = number == 0
        known = projected if is_lowest else of_layer.bias[None, None]
        late = () if is_lowest and not input_feeding else (hidden,)
        after = lstm_step(of_layer, jnp.broadcast_to(known, projected.shape), late, before)
        outputs = drop(after.hidden, number)
        hidden = outputs if number < FIRST_RESIDUAL else hidden + outputs
        layers.append(after)
    attentional, weights = attend(params.attention, hidden, source, mask)
    return DecoderState(tuple(layers), attentional), weights


class RecurrentDecoder(nn.Module):
    """Maps what has been written of the target, and the encoded source, to the next positions."""

    config: RecurrentConfig

    def setup(self) -> None:
        config, width = self.config, self.config.d_model
        lowest = 2 * width if config.input_feeding else width
        self.layers = [
            LSTM(width if number else lowest, width, name=f"layer_{number}_lstm")
            for number in range(config.num_layers)
        ]
        self.attention = RecurrentAttention(config.attention, width)
        self.initial = projection((config.num_layers, width), use_bias=False)
        self.dropout = Dropout(config.dropout_rate)

    def __call__(
        self,
        embedded: Float[Array, "B T D"],
        starts: Bool[Array, "B T"],
        first: Float[Array, "B T D"],
        memory: Float[Array, "B S D"],
        source_mask: Bool[Array, "B 1 T S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns the attentional state of every position.

        `first` is, at the places in `starts`, the memory of the first token of that sentence's
        source.
        """
        initial = self.initial_hidden(first)
        run = self._one_by_one if self.config.input_feeding else self._layer_by_layer
        outputs, weights = run(
            embedded, starts, initial, memory, source_mask, deterministic=deterministic
        )
        self.attention.sow_weights(weights)
        return outputs

    def initial_hidden(self, first: Float[Array, "B T D"]) -> Float[Array, "B T layers D"]:
        """Returns every layer's output before the first position (Bahdanau et al., A.2.2).

        Of the first token's memory it is the half that was read from the end.
        """
        return jnp.tanh(self.initial(first[..., self.config.d_model // 2 :]))

    def init_state(self, first: Float[Array, "B 1 D"], beam_size: int) -> DecoderState:
        """Returns the state of `beam_size` hypotheses that have written nothing."""
        initial = self.initial_hidden(first)
        state = _empty_state(self.config, (first.shape[0], beam_size), first.dtype)
        layers = tuple(
            layer._replace(hidden=jnp.broadcast_to(initial[:, :, number], layer.hidden.shape))
            for number, layer in enumerate(state.layers)
        )
        return state._replace(layers=layers)

    def project_source(self, memory: Float[Array, "B S D"]) -> SourceMemory:
        """Returns what attention keeps of the encoder's outputs."""
        return project_source(self.attention.params, memory)

    def step(
        self,
        embedded: Float[Array, "B M D"],
        state: DecoderState,
        source: SourceMemory,
        mask: Bool[Array, "B 1 1 S"],
    ) -> DecoderState:
        """Returns the state of M hypotheses after the token that each has written last."""
        return decoder_step(
            self._params,
            project_inputs(self._params.layers[0], embedded),
            state,
            source,
            mask,
            input_feeding=self.config.input_feeding,
            drop=lambda outputs, _: outputs,
        )[0]

    @property
    def _params(self) -> DecoderParams:
        return DecoderParams(tuple(layer.params for layer in self.layers), self.attention.params)

    def _layer_by_layer(
        self,
        embedded: Float[Array, "B T D"],
        starts: Bool[Array, "B T"],
        initial: Float[Array, "B T layers D"],
        memory: Float[Array, "B S D"],
        source_mask: Bool[Array, "B 1 T S"],
        *,
        deterministic: bool,
    ) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 T S"]]:
        """Returns attentional states and weights: no layer needs what is above it."""
        hidden = embedded
        for number, layer in enumerate(self.layers):
            outputs = run_lstm(layer.params, hidden, starts, initial[:, :, number])
            outputs = self.dropout(outputs, deterministic=deterministic)
            hidden = outputs if number < FIRST_RESIDUAL else hidden + outputs
        source = self.project_source(memory)
        return attend(self.attention.params, hidden, source, source_mask)

    def _one_by_one(
        self,
        embedded: Float[Array, "B T D"],
        starts: Bool[Array, "B T"],
        initial: Float[Array, "B T layers D"],
        memory: Float[Array, "B S D"],
        source_mask: Bool[Array, "B 1 T S"],
        *,
        deterministic: bool,
    ) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 T S"]]:
        """Returns attentional states and weights: the lowest layer waits for attention."""
        rate, length = self.config.dropout_rate, embedded.shape[1]
        source, params = self.project_source(memory), self._params
        drops = not deterministic and rate > 0
        rngs = jax.random.split(self.make_rng("dropout"), length) if drops else None

        def step(state: DecoderState, now: Any) -> tuple[DecoderState, Any]:
            projected, is_start, hidden, mask, rng = now

            def drop(outputs: Float[Array, "B M D"], number: int) -> Float[Array, "B M D"]:
                if rng is None:
                    return outputs
                return dropout(jax.random.fold_in(rng, number), outputs, rate)

            state = restart_all(state, is_start[:, None], hidden[:, None])
            inputs = projected[:, None], state, source, mask[:, :, None]
            state, weights = decoder_step(params, *inputs, input_feeding=True, drop=drop)
            return state, (state.fed[:, 0], weights[:, :, 0])

        projected = project_inputs(params.layers[0], embedded)
        sequence = (jnp.swapaxes(each, 0, 1) for each in (projected, starts, initial))
        masks = jnp.moveaxis(source_mask, 2, 0)
        state = _empty_state(self.config, (len(embedded), 1), embedded.dtype)
        _, (fed, weights) = jax.lax.scan(step, state, (*sequence, masks, rngs))
        return jnp.swapaxes(fed, 0, 1), jnp.moveaxis(weights, 0, 2)


def _empty_state(config: RecurrentConfig, rows: tuple[int, int], dtype: Any) -> DecoderState:
    layer = empty_state(rows, config.d_model, dtype)
    return DecoderState((layer,) * config.num_layers, jnp.zeros((*rows, config.d_model), dtype))


def restart_all(
    state: DecoderState, is_start: Bool[Array, "B M"], hidden: Float[Array, "B M layers D"]
) -> DecoderState:
    """Returns the state, or, where a sentence starts, that of before it: nothing is fed there."""
    layers = tuple(
        restart(layer, is_start, hidden[..., number, :])
        for number, layer in enumerate(state.layers)
    )
    return DecoderState(layers, jnp.where(is_start[..., None], 0, state.fed))
