"""The embedding tables of a system, as many as `tied_embeddings` says."""

from typing import NamedTuple

from model.baselines.config import Config
from model.transformer.embedding import TIED_EMBEDDINGS, Embedding, named_tables


class Tables(NamedTuple):
    """The table of each use; two of them may be one."""

    source: Embedding
    target: Embedding
    output: Embedding


def tables_of(config: Config) -> Tables:
    """Returns the tables, named as the Transformer's; to be called in a module's `setup`."""
    uses = TIED_EMBEDDINGS[config.tied_embeddings]
    return Tables(*named_tables(uses, config.vocab_size, config.d_model))
