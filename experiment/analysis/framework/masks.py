"""Masks: all that tells a stack that reads from one that writes (paper, section 3.2.3)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float

from model.transformer import (
    Decoder,
    DecoderOnlyConfig,
    Encoder,
    Tokens,
    one_sentence_a_row,
    own_mask,
    segment_mask,
)
from model.transformer.decoder_only import CausalStack


def masks_of(source: Tokens, target: Tokens) -> dict[str, Bool[np.ndarray, "T S"]]:
    """Returns who sees whom in the first row, query by key: of an encoder, a decoder, the joint."""
    masks = {
        "reading: the whole sentence": segment_mask(source.segments, source.segments),
        "writing: the past": own_mask(target, 0),
        "the joint: all of the source": segment_mask(target.segments, source.segments),
    }
    return {name: np.asarray(mask[0, 0]) for name, mask in masks.items()}


def swapped_masks(config: DecoderOnlyConfig, *, length: int = 12, seed: int = 0) -> pd.DataFrame:
    """Returns how far other stacks are from a language model's, given its parameters and inputs.

    The figure is the largest difference of their outputs, which are of unit size. The decoder of a
    translator has, beside these parameters, a cross-attention of its own, closed by gates of 0.

    Raises:
      ValueError: unless norms stand before their sub-layers: one behind a closed one would act.
    """
    if config.norm_placement != "pre":
        raise ValueError(
            f"model.norm_placement={config.norm_placement!r} must be 'pre', so that nothing is "
            "left of a sub-layer that is closed."
        )
    first, second, third = jax.random.split(jax.random.key(seed), 3)
    inputs = jax.random.normal(first, (1, length, config.d_model))
    tokens = one_sentence_a_row(jnp.ones((1, length), jnp.int32))
    past, whole = own_mask(tokens, 0), segment_mask(tokens.segments, tokens.segments)
    writing, reading = CausalStack(config), Encoder(config, bidirectional=False)
    given = inputs, tokens.positions
    params = jax.jit(writing.init, static_argnames="deterministic")(
        second, *given, past, deterministic=True
    )["params"]

    def run(stack: Any, variables: Any, *rest: Array) -> Float[Array, "1 T D"]:
        return jax.jit(stack.apply, static_argnames="deterministic")(
            variables, *given, *rest, deterministic=True
        )

    expected = run(writing, {"params": params}, past)
    outputs = {
        "encoder layers, the whole sentence": run(reading, {"params": params}, whole),
        "encoder layers, the past": run(reading, {"params": params}, past),
        "a translator's decoder, cross-attention closed": run(
            Decoder(config), _with_a_joint(config, params, third, length), inputs, past, whole
        ),
    }
    differences = {name: float(jnp.abs(out - expected).max()) for name, out in outputs.items()}
    return pd.DataFrame({"largest difference": differences}).rename_axis("stack")


def _with_a_joint(config: DecoderOnlyConfig, params: Any, rng: Array, length: int) -> Any:
    """Returns a decoder's variables: `params`, a cross-attention at random, and its gates at 0."""
    inputs = jnp.zeros((1, length, config.d_model))
    tokens = one_sentence_a_row(jnp.ones((1, length), jnp.int32))
    mask = own_mask(tokens, 0)
    arguments = inputs, tokens.positions, inputs, mask, mask
    fresh = jax.jit(Decoder(config).init, static_argnames="deterministic")(
        rng, *arguments, deterministic=True
    )
    joined = {
        name: {**part, **params[name]} if name.startswith("layer_") else params[name]
        for name, part in fresh["params"].items()
    }
    closed = {
        name: {"cross_attention": {"heads": jnp.zeros(config.num_heads)}} for name in fresh["gates"]
    }
    return {"params": joined, "gates": closed}
