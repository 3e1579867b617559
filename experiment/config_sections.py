"""The sections of a run's settings, as frozen dataclasses, and what their values may be called.

Rules that one section has for itself stand with it; `config.py`, which hands all of this on, has
those that go over several.
"""

import dataclasses
import math
from typing import Any

from experiment.config_mapping import require
from model.systems import SYSTEMS, SystemConfig

BATCHINGS = ("bucketed", "packed")
ON_ERROR = ("refuse", "skip")
TOKENIZERS = ("moses", "none")
NOTHING = "nothing"  # the source language of a language model: every source is empty
LABELLED = ("labelled_text", "word_order")  # corpora of sentences with one label each
LINE_BY_LINE = ("parallel_text", *LABELLED)  # corpora of files that have a sentence a line
SIDES_OF_TREEBANK = (
    *(("words", "tree"), ("words", "worded_tree"), ("words", "tagged_tree")),
    *(("words", "tags"), ("marked_words", "tags"), (NOTHING, "words")),
)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Section 3 and table 3 of the paper; the vocabulary's size comes from the vocabulary.

    A setting that the chosen `system` does not have must be left at its default. `d_ff` and
    `num_heads` have none, so they stand in every config: a system without them passes them over.
    """

    d_model: int
    d_ff: int
    num_heads: int
    num_layers: int
    dropout_rate: float  # of sub-layers' outputs and of embedded tokens (5.4)
    d_k: int | None = None  # width of a head's keys; None: d_model / num_heads
    d_v: int | None = None  # width of a head's values; None: d_model / num_heads
    # What the paper does not have, or has one of; their values are in model/transformer/config.py.
    attention_dropout_rate: float = 0.0  # of attention weights
    activation_dropout_rate: float = 0.0  # inside the feed-forward network
    positions: str = "sinusoidal"
    max_positions: int = 1024  # of learned positions
    norm: str = "layer"
    norm_placement: str = "post"
    activation: str = "relu"
    tied_embeddings: str = "all"
    attention_window: int = 0  # positions that self-attention sees; 0: all of them
    # How it is computed; the parameters are the same, and of float32.
    dtype: str = "float32"  # or "bfloat16": of activations and products; softmax, norms, loss stay
    remat: bool = False  # a layer's activations are computed again rather than kept
    scan_layers: bool = False  # one program for all layers of a stack: compiles faster

    # What the Transformer is compared with; values in model/baselines/config.py.
    system: str = "transformer"  # or "decoder_only", "encoder_only", "recurrent", "convolutional"
    attention: str = "multiplicative"  # of the recurrent system
    input_feeding: bool = True  # of the recurrent system
    kernel_width: int = 3  # of the convolutional system, in tokens

    def system_config(self, vocab_size: int) -> SystemConfig:
        """Returns the chosen system's own configuration for a vocabulary of `vocab_size` pieces.

        Raises:
          ValueError: if there is no such system, it cannot be of these sizes, or a setting is
            changed that it does not have.
        """
        require(
            self.system in SYSTEMS,
            f"model.system={self.system!r} must be one of {', '.join(SYSTEMS)}.",
        )
        kind = SYSTEMS[self.system].config
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own = {name for name in settings if name in _names(kind)}
        for field in dataclasses.fields(self):
            value = settings[field.name]
            is_set = field.default not in (dataclasses.MISSING, value)
            if field.name not in {*own, "system"} and is_set:
                raise ValueError(_not_of(self.system, field.name, value, field.default))
        return kind(vocab_size=vocab_size, **{name: settings[name] for name in own})

    def has(self, name: str) -> bool:
        """Returns whether the chosen system has a setting, or passes it over."""
        return name in _names(SYSTEMS[self.system].config)


def _names(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _not_of(system: str, name: str, value: Any, default: Any) -> str:
    *others, last = [other for other, its in SYSTEMS.items() if name in _names(its.config)]
    having = f"{', '.join(others)} and {last}" if others else last
    return (
        f"model.{name}={value!r} must be {default!r} where model.system={system!r}: only "
        f"{having} systems have it."
    )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which text, cut into which pieces, in which batches."""

    # "numbers", "parallel_text", "labelled_text", "word_order", "treebank" or a TFDS name such as
    # "wmt14_translate/de-en"
    corpus: str
    dir: str  # the folder of a corpus of files; empty otherwise
    # The suffix of the files, or the TFDS feature, that is read; of a treebank "words", or
    # "marked_words" with a mark before each; "nothing" for a language model
    source_language: str
    # ... and of what it becomes; "tree", "worded_tree", "tagged_tree" or "tags" of a treebank,
    # "order" of word_order
    target_language: str
    vocab_size: int  # subword pieces, shared by both languages (5.1)
    batching: str  # "bucketed" by length or "packed" into rows
    # Lengths in subword tokens, the ends of sentences included; longer pairs are dropped.
    bucket_lengths: tuple[int, ...]  # rows when bucketed, and in evaluation; ascending
    packed_length: int  # rows when packed
    # Training text is cut anew in so many ways, each merge left out with this probability
    # (BPE-dropout, Provilkov et al. 2020).
    bpe_dropout_rate: float = 0.0
    bpe_dropout_samples: int = 1
    # A line of training text that cannot be read: "refuse" the corpus or "skip" the pair.
    on_error: str = "refuse"

    @property
    def languages(self) -> tuple[str, ...]:
        """The sides of the corpus that are read."""
        sides = (self.source_language, self.target_language)
        return tuple(side for side in sides if side != NOTHING)

    @property
    def marks(self) -> bool:
        """Whether sources mark what is to be labelled."""
        return self.corpus in LABELLED or self.source_language == "marked_words"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Sections 5.1 to 5.4 of the paper."""

    num_steps: int
    tokens_per_batch: int  # padded tokens a side (source; target), over all devices (5.1)
    warmup_steps: int  # equation 3
    learning_rate_scale: float  # factor on equation 3; 1 is the paper
    adam_b1: float
    adam_b2: float
    adam_epsilon: float
    label_smoothing: float  # probability mass spread over the vocabulary (5.4)
    log_every: int  # steps
    evaluate_every: int  # steps
    save_every: int  # steps
    keep_checkpoints: int  # the newest are kept, at least two
    keep_every: int = 0  # steps; checkpoints at multiples of it are kept for good; 0: none
    keep_best: int = 0  # so many of the lowest validation loss are kept
    # Over the last so many steps the learning rate falls to 0; 0 is the paper.
    cooldown_steps: int = 0
    # Alpha of R-Drop (Liang et al. 2021); above 0 each batch goes through the model twice.
    r_drop: float = 0.0
    # Updates that are not finite are left out; more than so many one after another stop the run.
    max_skipped_in_a_row: int = 10

    @property
    def passes(self) -> int:
        """How often a batch goes through the model in each update."""
        return 2 if self.r_drop else 1


@dataclasses.dataclass(frozen=True)
class DecodeConfig:
    """Section 6.1 of the paper; or samples, if there is a temperature."""

    beam_size: int  # or how many samples
    length_penalty: float  # alpha of Wu et al. 2016, equation 14
    max_extra_tokens: int  # an output is at most its input plus this many tokens
    sentences_per_batch: int
    temperature: float = 0.0  # of samples, by which logits are divided; 0: a search
    top_k: int = 0  # tokens that a sample's next one is drawn from; 0: all
    top_p: float = 1.0  # ... that have this probability together (Holtzman et al. 2020)
    seed: int = 0  # of samples

    def __post_init__(self) -> None:
        may_be_zero = ("length_penalty", "max_extra_tokens", "temperature", "top_k", "seed")
        check_positive("decode", self, except_for=may_be_zero)
        require(self.top_p <= 1, f"decode.top_p={self.top_p} must be at most 1.")
        for name, all_of_them in (("top_k", 0), ("top_p", 1)):
            value = getattr(self, name)
            require(
                self.temperature > 0 or value == all_of_them,
                f"decode.{name}={value} is of samples, and decode.temperature=0 searches. Set a "
                f"temperature, such as 1.0, or leave {name} at {all_of_them}.",
            )


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """What is scored while a run goes on, and at its end."""

    validation_sentences: int  # translated at each evaluation; 0: the whole split
    test_split: str  # scored once, when the run is finished
    average_checkpoints: int  # the newest so many are averaged for the final scores (6.1)
    # Of the BLEU on tokens: "moses", with compounds split, as in the paper; or "none" where the
    # text is tokenised already.
    tokenizer: str = "moses"


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How the devices share a step: the same batches, whatever stands here; other dropout masks."""

    data: int = 0  # 0: pmap over all devices; else a mesh, -1: of as many as the others leave
    fsdp: int = 1  # devices over which parameters and optimizer are spread, beside the rows
    tensor: int = 1  # devices over which heads, hidden features and the vocabulary are spread
    # More padded tokens a side than so many go through a device one part after another, and
    # their gradients are added up; 0: all at once.
    tokens_per_device: int = 0


def check_positive(section: str, config: Any, *, except_for: tuple[str, ...]) -> None:
    """Refuses numbers of a section that are not finite or not positive; some may be 0.

    Raises:
      ValueError: naming the first.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        require(math.isfinite(value), f"{section}.{field.name}={value} must be finite.")
        if field.name in except_for:
            require(value >= 0, f"{section}.{field.name}={value} must be at least 0.")
        else:
            require(value > 0, f"{section}.{field.name}={value} must be greater than 0.")
