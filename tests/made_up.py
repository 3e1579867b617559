"""A run small enough for tests: a made-up corpus of token ids, and a Transformer of one layer."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np

from experiment.config import (
    DataConfig,
    DecodeConfig,
    EvaluationConfig,
    ExperimentConfig,
    ModelConfig,
    TrainConfig,
)
from experiment.data import (
    EOS_ID,
    Corpus,
    TokenIds,
    TrainingData,
    Vocabulary,
    batch_plan,
    fingerprint,
    train_vocabulary,
)
from model.transformer import Tokens

V = 13

_CONFIG = ExperimentConfig(
    seed=0,
    model=ModelConfig(
        d_model=16, d_ff=32, num_heads=2, num_layers=1, d_k=None, d_v=None, dropout_rate=0.1
    ),
    data=DataConfig(
        corpus="made_up",
        dir="",
        source_language="en",
        target_language="de",
        vocab_size=V,
        batching="packed",
        bucket_lengths=(8,),
        packed_length=16,
    ),
    train=TrainConfig(
        num_steps=10,
        tokens_per_batch=64,
        warmup_steps=5,
        learning_rate_scale=1.0,
        adam_b1=0.9,
        adam_b2=0.98,
        adam_epsilon=1e-9,
        label_smoothing=0.1,
        log_every=3,
        evaluate_every=5,
        save_every=4,
        keep_checkpoints=2,
    ),
    decode=DecodeConfig(beam_size=2, length_penalty=0.6, max_extra_tokens=3, sentences_per_batch=4),
    evaluation=EvaluationConfig(validation_sentences=0, test_split="test", average_checkpoints=2),
)


def config(**sections: Any) -> ExperimentConfig:
    """The made-up run's config, as `config(seed=1, train={"num_steps": 4})` changes it."""
    changes = {
        name: dataclasses.replace(getattr(_CONFIG, name), **change)
        if isinstance(change, dict)
        else change
        for name, change in sections.items()
    }
    return dataclasses.replace(_CONFIG, **changes)


def data_for(system: str) -> dict[str, Any]:
    """What the `data` section must say for a system."""
    its = {
        "encoder_only": {"corpus": "labelled_text", "dir": "text"},
        "decoder_only": {"source_language": "nothing"},
    }
    return its.get(system, {})


def token_ids(*, pairs: int = 60, longest: int = 8, seed: int = 0) -> TokenIds:
    """Sentences of made-up tokens; the target is the source, backwards."""
    random = np.random.default_rng(seed)
    words = [random.integers(4, V, random.integers(1, longest)).tolist() for _ in range(pairs)]
    return TokenIds.from_lists(
        [[*sentence, EOS_ID] for sentence in words],
        [[*sentence[::-1], EOS_ID] for sentence in words],
    )


def bigram(
    variables: Any, source: Tokens, target: Tokens, *, deterministic: bool, rngs: Any
) -> jax.Array:
    """A model whose logits are the row of its `table` that the token before chooses."""
    assert deterministic == (rngs is None)
    return variables["params"]["table"][target.ids]


@functools.cache
def vocabulary() -> Vocabulary:
    """A vocabulary of real text, with every single byte in it."""
    return train_vocabulary(["the cat sat on the mat", "die Katze saß auf der Matte"], 300)


def training_data(config: ExperimentConfig, *, seed: int = 0) -> TrainingData:
    """What a run on the made-up corpus trains on."""
    ids = token_ids(seed=seed)
    corpus = Corpus(f"made up {seed}", ("train",), "en", "de", pathlib.Path("nowhere"))
    plan = batch_plan(
        ids.lengths, config.data, tokens_per_batch=config.train.tokens_per_batch, seed=config.seed
    )
    return TrainingData(corpus, vocabulary(), ids, plan, fingerprint(corpus, vocabulary(), plan))
