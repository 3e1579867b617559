"""What passes through a stack: the signal going up, the gradient coming down, layer by layer."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from experiment.analysis.depth.removals import VARIANTS, Flag, Variant, with_removals
from experiment.data import BOS_ID, UNK_ID, Batch
from experiment.training import Params, batch_loss, init_params
from model.systems import system_of
from model.transformer import Decoder, Encoder, TransformerConfig
from model.transformer.decoder import DecoderLayer
from model.transformer.encoder import EncoderLayer

# A program that runs once is compiled for longer than it runs.
QUICKLY = {"xla_backend_optimization_level": 0}
Place = tuple[str, int]  # a stack, and a layer of it from 1; 0 is what the stack is given


def layer_signals(apply_fn: Callable[..., Any], params: Params, batch: Batch) -> pd.DataFrame:
    """Returns a row for each layer of each stack, and one, layer 0, for what the stack is given.

    `apply_fn` is that of a Transformer or of half of one, such as `model.apply`. Columns:

    - `activation_rms`: root mean square of the outputs' features, over all tokens;
    - `distinctness`: how far positions are from the mean of their row, as a share of the same: 0
      where all positions hold the same vector, and nothing can tell them apart;
    - `output_gradient`: length of the gradient of the mean loss at the layer's outputs;
    - `parameter_gradient`: ... at all of its parameters; `matrix_gradient`: at the last matrix of
      its feed-forward network, of which Xiong et al. 2020 speak. Layer 0 has neither.

    Raises:
      ValueError: if there are no layers to be found, or they are in a loop (`scan_layers`).
    """
    gradients, outputs = _differentiated(apply_fn)(params, batch)
    return _table(gradients, outputs, batch)


def signals_at_start(
    config: TransformerConfig,
    batch: Batch,
    *,
    depths: Sequence[int],
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Returns `layer_signals` of fresh models of each depth and variant, for each of the seeds.

    Columns before those: `num_layers`, `variant`, `seed`. `config` says all else; of a variant's
    name it is told where norms stand.
    """
    tables = []
    for num_layers in depths:
        compiled: dict[str, Callable[..., Any]] = {}
        fresh: dict[str, list[Params]] = {}
        for name in variants:
            say(f"signals of {num_layers} layers, {name}")
            placement, *kept = VARIANTS[name]
            if placement not in compiled:
                its: dict[str, Any] = {"num_layers": num_layers, "norm_placement": placement}
                model = system_of(dataclasses.replace(config, **its, scan_layers=False))
                compiled[placement] = _differentiated(model.apply, placement)
                fresh[placement] = [init_params(model, jax.random.key(n)) for n in range(seeds)]
            for seed, params in enumerate(fresh[placement]):
                gradients, outputs = compiled[placement](params, batch, *kept)
                table = _table(gradients, outputs, batch)
                tables.append(table.assign(num_layers=num_layers, variant=name, seed=seed))
    found = pd.concat(tables, ignore_index=True)
    first = ["num_layers", "variant", "seed"]
    return found[[*first, *(name for name in found.columns if name not in first)]]


def random_batch(*, vocab_size: int, length: int, sentences: int = 16, seed: int = 0) -> Batch:
    """Returns sentences of `length` random words on either side: nothing can be learnt of them.

    Each target word is a label that the model does not expect, as any is before training.
    """
    words = np.random.default_rng(seed).integers(UNK_ID + 1, vocab_size, (2, sentences, length))
    source, labels = words.astype(np.int32)
    begin = np.full((sentences, 1), BOS_ID, np.int32)
    inputs = np.concatenate([begin, labels[:, :-1]], axis=1)
    segments = np.ones_like(source)
    positions = np.broadcast_to(np.arange(length, dtype=np.int32), source.shape)
    return Batch(source, segments, positions, inputs, labels, segments, positions)


def _differentiated(apply_fn: Callable[..., Any], placement: str = "post") -> Callable[..., Any]:
    """Returns a function that gives gradients, by parameters and by place, and the outputs.

    It is told of residuals and norms whether they stay; left alone they do.
    """

    def differentiated(
        params: Params, batch: Batch, residuals: Flag = True, norms: Flag = True
    ) -> Any:
        apply = with_removals(apply_fn, Variant(placement, residuals, norms))
        loss = functools.partial(_loss, apply, batch)
        shapes = jax.eval_shape(loss, params, {})[1]
        if not any(layer for _, layer in shapes):
            raise ValueError(
                "apply_fn must run the layers of an Encoder or a Decoder one by one, and none was "
                "met: take a Transformer, or half of one, with model.scan_layers=False."
            )
        nowhere = {place: jnp.zeros(shape.shape, shape.dtype) for place, shape in shapes.items()}
        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, nowhere)

    return jax.jit(differentiated, compiler_options=QUICKLY)


def _table(
    gradients: tuple[Params, dict[Place, Array]], outputs: dict[Place, Array], batch: Batch
) -> pd.DataFrame:
    of_params, of_outputs = jax.device_get(gradients)
    places = sorted(outputs, key=lambda place: (place[0] != "encoder", place[1]))
    return pd.DataFrame(
        [_row(place, outputs[place], of_params, of_outputs, batch) for place in places]
    )


def _loss(
    apply_fn: Callable[..., Any], batch: Batch, params: Params, moved: dict[Place, Array]
) -> tuple[Float[Array, ""], dict[Place, Array]]:
    """Returns the mean loss, with every layer's outputs moved, and what they were before."""
    seen: dict[Place, Array] = {}

    def change(place: Place, outputs: Array) -> Array:
        seen[place] = outputs
        return outputs + moved[place] if place in moved else outputs

    with _at_layers(change):
        total, sums = batch_loss(params, batch, None, apply_fn=apply_fn, label_smoothing=0.0)
    return total / sums.tokens, seen


def _at_layers(
    change: Callable[[Place, Array], Array],
) -> contextlib.AbstractContextManager[Any]:
    """Inside, what a stack is given, and what its layers put out, goes through `change`."""

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        module, is_call = context.module, context.method_name == "__call__"
        if is_call and isinstance(module, Encoder | Decoder):
            embedded, *rest = arguments
            arguments = (change((module.path[-1], 0), embedded), *rest)
        outputs = call(*arguments, **options)
        if is_call and isinstance(module, EncoderLayer | DecoderLayer) and len(module.path) > 1:
            stack, name = module.path[-2:]
            return change((stack, int(name.removeprefix("layer_")) + 1), outputs)
        return outputs

    return nn.intercept_methods(intercept)


def _row(
    place: Place,
    outputs: Float[Array, "B T D"],
    of_params: Params,
    of_outputs: dict[Place, np.ndarray],
    batch: Batch,
) -> dict[str, Any]:
    stack, layer = place
    row = {
        "stack": stack,
        "layer": layer,
        **_sizes(outputs, batch.source_segments if stack == "encoder" else batch.target_segments),
        "output_gradient": _length(of_outputs[place]),
        "parameter_gradient": np.nan,
        "matrix_gradient": np.nan,
    }
    if layer:
        own = of_params[stack][f"layer_{layer - 1}"]
        row["parameter_gradient"] = _length(*jax.tree.leaves(own))
        row["matrix_gradient"] = _length(own["feed_forward"]["out"]["kernel"])
    return row


def _sizes(outputs: Float[Array, "B T D"], segments: Int[np.ndarray, "B T"]) -> dict[str, float]:
    """Returns root mean square and distinctness, over what is no padding, in float64."""
    real = (segments > 0)[..., None]
    vectors = np.where(real, np.asarray(outputs, np.float64), 0)
    means = vectors.sum(axis=1, keepdims=True) / real.sum(axis=1, keepdims=True)
    square, spread = (vectors**2).sum(), (np.where(real, vectors - means, 0) ** 2).sum()
    return {
        "activation_rms": float(np.sqrt(square / (real.sum() * vectors.shape[-1]))),
        "distinctness": float(np.sqrt(spread / square)) if square else np.nan,
    }


def _length(*gradients: Float[np.ndarray, "..."]) -> float:
    """Returns the length of all together, in float64: of vanishing ones float32 squares to 0."""
    return float(np.sqrt(sum((np.asarray(each, np.float64) ** 2).sum() for each in gradients)))
