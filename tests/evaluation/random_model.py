"""A Transformer that was never trained, and the vocabulary that it speaks at random."""

import dataclasses
import functools
from typing import Any

import jax

from experiment.config import DecodeConfig
from experiment.evaluation import Translator
from experiment.training import init_params
from model.transformer import Transformer
from tests.made_up import config, vocabulary

CONFIG = config()
MODEL = Transformer(CONFIG.model.system_config(vocabulary().size))


@functools.cache
def params() -> Any:
    """Parameters that are large enough for one translation to be unlike another."""
    init = jax.jit(functools.partial(init_params, MODEL))
    return jax.tree.map(lambda leaf: 3 * leaf, init(jax.random.key(0)))


def decode_config(**changes: Any) -> DecodeConfig:
    """The made-up run's way to decode, as `changes` say."""
    return dataclasses.replace(CONFIG.decode, **changes)


@functools.cache
def translator(**changes: Any) -> Translator:
    """A translator; the same for the same changes, so that it is compiled once."""
    return Translator(MODEL, vocabulary(), decode_config(**changes))
