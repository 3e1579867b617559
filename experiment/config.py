"""A run's settings: what a `configs/` file says, checked once, as frozen dataclasses.

Everything else in the project receives these dataclasses. A wrong setting is refused here, before
a device is touched or a file is written.
"""

import dataclasses
import math
from typing import Any

from experiment.config_mapping import from_mapping as from_mapping  # all others import it here
from experiment.config_mapping import require
from model.systems import SYSTEMS, SystemConfig

BATCHINGS = ("bucketed", "packed")
ON_ERROR = ("refuse", "skip")
TOKENIZERS = ("moses", "none")
NOTHING = "nothing"  # the source language of a language model: every source is empty
LABELLED = ("labelled_text", "word_order")  # corpora of sentences with one label each
LINE_BY_LINE = ("parallel_text", *LABELLED)  # corpora of files that have a sentence a line
SIDES_OF_TREEBANK = (
    *(("words", "tree"), ("words", "tags"), ("marked_words", "tags")),
    (NOTHING, "words"),
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
    # ... and of what it becomes; "tree" or "tags" of a treebank, "order" of word_order
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
    # Updates that are not finite are left out; more than so many one after another stop the run.
    max_skipped_in_a_row: int = 10


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
        _check_positive("decode", self, except_for=may_be_zero)
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


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """A whole run."""

    seed: int
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    decode: DecodeConfig
    evaluation: EvaluationConfig
    mesh: MeshConfig = MeshConfig()

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"seed={self.seed} must be at least 0.")
        _check_data(self.data)
        _check_source(self.model, self.data)
        _check_mesh(self.mesh)
        self.model.system_config(self.data.vocab_size)  # a model of these sizes must be possible
        may_be_zero = ("label_smoothing", "keep_every", "keep_best", "max_skipped_in_a_row")
        _check_positive("train", self.train, except_for=may_be_zero)
        _check_retention(self.train)
        for name in ("adam_b1", "adam_b2"):
            value = getattr(self.train, name)
            require(value < 1, f"train.{name}={value} must be less than 1.")
        require(
            0 <= self.train.label_smoothing < 1,
            f"train.label_smoothing={self.train.label_smoothing} must be in [0, 1).",
        )
        require(
            self.train.tokens_per_batch >= self.longest_row,
            f"train.tokens_per_batch={self.train.tokens_per_batch} must hold a row of "
            f"{self.longest_row} tokens. Raise it, or lower data.{self._longest_row_setting}.",
        )
        at_once = self.mesh.tokens_per_device
        require(
            at_once == 0 or at_once >= self.longest_row,
            f"mesh.tokens_per_device={at_once} must hold a row of {self.longest_row} tokens, or be "
            f"0 for all at once. Use at least {self.longest_row}.",
        )
        translated = self.evaluation.validation_sentences
        require(
            translated >= 0, f"evaluation.validation_sentences={translated} must be at least 0."
        )
        require(
            self.evaluation.tokenizer in TOKENIZERS,
            f"evaluation.tokenizer={self.evaluation.tokenizer!r} must be one of "
            f"{', '.join(TOKENIZERS)}.",
        )
        longest = max(self.longest_row, self.data.bucket_lengths[-1])
        learned = self.model.positions == "learned" or self.model.system == "convolutional"
        require(
            not learned or longest <= self.model.max_positions,
            f"model.max_positions={self.model.max_positions} must reach the longest row of "
            f"{longest} tokens (data.packed_length, data.bucket_lengths), as positions are "
            "learned. Raise it.",
        )
        kept, averaged = self.train.keep_checkpoints, self.evaluation.average_checkpoints
        require(
            1 <= averaged <= kept,
            f"evaluation.average_checkpoints={averaged} must be between 1 and "
            f"train.keep_checkpoints={kept}.",
        )

    @property
    def longest_row(self) -> int:
        """The width of the widest batch, in tokens."""
        packed = self._longest_row_setting == "packed_length"
        return self.data.packed_length if packed else self.data.bucket_lengths[-1]

    @property
    def _longest_row_setting(self) -> str:
        return "packed_length" if self.data.batching == "packed" else "bucket_lengths"

    def resolved(self) -> dict[str, Any]:
        """Returns every setting as plain values, as they are written beside a run."""
        return dataclasses.asdict(self)


def _check_data(data: DataConfig) -> None:
    require(
        data.batching in BATCHINGS,
        f"data.batching={data.batching!r} must be one of {', '.join(BATCHINGS)}.",
    )
    require(data.vocab_size > 0, f"data.vocab_size={data.vocab_size} must be greater than 0.")
    lengths = data.bucket_lengths
    require(
        bool(lengths) and list(lengths) == sorted(set(lengths)) and lengths[0] > 0,
        f"data.bucket_lengths={lengths} must be ascending lengths in tokens.",
    )
    require(data.packed_length > 0, f"data.packed_length={data.packed_length} must be positive.")
    require(
        0 <= data.bpe_dropout_rate < 1,
        f"data.bpe_dropout_rate={data.bpe_dropout_rate} must be in [0, 1).",
    )
    require(
        data.on_error in ON_ERROR,
        f"data.on_error={data.on_error!r} must be one of {', '.join(ON_ERROR)}.",
    )
    require(
        data.on_error == "refuse" or data.corpus in LINE_BY_LINE,
        f"data.on_error={data.on_error!r} must be 'refuse' where data.corpus is {data.corpus!r}: "
        f"only the files of {', '.join(LINE_BY_LINE)} are read line by line.",
    )
    samples = data.bpe_dropout_samples
    require(samples > 0, f"data.bpe_dropout_samples={samples} must be at least 1.")
    require(
        samples == 1 or data.bpe_dropout_rate > 0,
        f"data.bpe_dropout_samples={samples} must be 1 where data.bpe_dropout_rate is 0: without "
        "dropout there is one way to cut a text.",
    )
    for name in ("corpus", "source_language", "target_language"):
        require(bool(getattr(data, name)), f"data.{name} must not be empty.")
    require(
        data.source_language != data.target_language,
        f"data.source_language and data.target_language are both {data.source_language!r}; "
        "they must differ.",
    )
    require(
        data.target_language != NOTHING,
        f"data.target_language={NOTHING!r} must be a language: there is nothing to learn.",
    )
    require(
        data.corpus not in (*LINE_BY_LINE, "treebank") or bool(data.dir),
        f"data.dir is empty; a {data.corpus} corpus needs the folder that holds it: "
        "--config.data.dir=FOLDER.",
    )
    sides = (data.source_language, data.target_language)
    require(
        data.corpus != "treebank" or sides in SIDES_OF_TREEBANK,
        f"data.source_language={sides[0]!r} and data.target_language={sides[1]!r} must be "
        f"{', or '.join(f'{source!r} and {target!r}' for source, target in SIDES_OF_TREEBANK)}, "
        "as data.corpus is 'treebank'.",
    )
    require(
        data.corpus not in LABELLED or sides[0] != NOTHING,
        f"data.source_language={NOTHING!r} must be what is labelled, as data.corpus is "
        f"{data.corpus!r}.",
    )
    require(
        data.corpus != "word_order" or sides[1] == "order",
        f"data.target_language={sides[1]!r} must be 'order' as data.corpus is 'word_order': "
        "data.source_language is the suffix of its files.",
    )


def _check_source(model: ModelConfig, data: DataConfig) -> None:
    """Refuses a language model with a source, other systems without, an encoder without marks."""
    is_language_model, system = model.system == "decoder_only", f"model.system={model.system!r}"
    require(
        not is_language_model or data.source_language == NOTHING,
        f"data.source_language={data.source_language!r} must be {NOTHING!r} where {system}: a "
        f"language model has no source. Use --config.data.source_language={NOTHING}.",
    )
    require(
        is_language_model or data.source_language != NOTHING,
        f"data.source_language={NOTHING!r} is for a language model, and {system} reads a source. "
        "Use --config.model.system=decoder_only, or name the language that is read.",
    )
    require(
        model.system != "encoder_only" or data.marks,
        f"{system} must have sources with marks, and data.corpus={data.corpus!r} with "
        f"data.source_language={data.source_language!r} has none. Use 'labelled_text', "
        "'word_order', or a 'treebank' from 'marked_words' to 'tags'.",
    )


def _check_positive(section: str, config: Any, *, except_for: tuple[str, ...]) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        require(math.isfinite(value), f"{section}.{field.name}={value} must be finite.")
        if field.name in except_for:
            require(value >= 0, f"{section}.{field.name}={value} must be at least 0.")
        else:
            require(value > 0, f"{section}.{field.name}={value} must be greater than 0.")


def _check_retention(train: TrainConfig) -> None:
    """Refuses to keep steps that are not saved."""
    require(
        train.keep_every % train.save_every == 0,
        f"train.keep_every={train.keep_every} must be a multiple of train.save_every="
        f"{train.save_every}.",
    )
    require(
        not train.keep_best or train.evaluate_every % train.save_every == 0,
        f"train.evaluate_every={train.evaluate_every} must be a multiple of train.save_every="
        f"{train.save_every}, as train.keep_best={train.keep_best}: what is scored must be saved.",
    )


def _check_mesh(mesh: MeshConfig) -> None:
    require(
        mesh.data >= -1,
        f"mesh.data={mesh.data} must be a number of devices, -1 for all that are "
        "left, or 0 for pmap.",
    )
    for name in ("fsdp", "tensor"):
        value = getattr(mesh, name)
        require(value >= 1, f"mesh.{name}={value} must be at least 1.")
        require(
            value == 1 or mesh.data != 0,
            f"mesh.{name}={value} needs a mesh, and mesh.data=0 is pmap. Use "
            "--config.mesh.data=-1.",
        )
    require(
        mesh.tokens_per_device >= 0,
        f"mesh.tokens_per_device={mesh.tokens_per_device} must be at least 0.",
    )
