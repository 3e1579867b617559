"""A run's settings: what a `configs/` file says, checked once, as frozen dataclasses.

Everything else in the project receives these dataclasses. A wrong setting is refused here, before
a device is touched or a file is written.
"""

import dataclasses
from typing import Any

from experiment.config_mapping import from_mapping, require
from experiment.config_sections import (
    BATCHINGS,
    LABELLED,
    LINE_BY_LINE,
    NOTHING,
    ON_ERROR,
    SIDES_OF_TREEBANK,
    TOKENIZERS,
    DataConfig,
    DecodeConfig,
    EvaluationConfig,
    MeshConfig,
    ModelConfig,
    TrainConfig,
    check_positive,
)

__all__ = [
    "ExperimentConfig",
    "from_mapping",
    # Its sections.
    "DataConfig",
    "DecodeConfig",
    "EvaluationConfig",
    "MeshConfig",
    "ModelConfig",
    "TrainConfig",
    # What their values may be called.
    "BATCHINGS",
    "LABELLED",
    "LINE_BY_LINE",
    "NOTHING",
    "ON_ERROR",
    "SIDES_OF_TREEBANK",
    "TOKENIZERS",
]

_PMAP = MeshConfig()


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """A whole run."""

    seed: int
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    decode: DecodeConfig
    evaluation: EvaluationConfig
    mesh: MeshConfig = _PMAP

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"seed={self.seed} must be at least 0.")
        _check_data(self.data)
        _check_source(self.model, self.data)
        _check_mesh(self.mesh)
        self.model.system_config(self.data.vocab_size)  # a model of these sizes must be possible
        may_be_zero = (
            "label_smoothing",
            "cooldown_steps",
            "keep_every",
            "keep_best",
            "max_skipped_in_a_row",
            "r_drop",
        )
        check_positive("train", self.train, except_for=may_be_zero)
        _check_cooldown(self.train)
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


def _check_cooldown(train: TrainConfig) -> None:
    """Refuses a cooldown that begins while the rate still rises."""
    require(
        not train.cooldown_steps or train.warmup_steps + train.cooldown_steps <= train.num_steps,
        f"train.warmup_steps={train.warmup_steps} and train.cooldown_steps={train.cooldown_steps} "
        f"must fit into train.num_steps={train.num_steps}. Lower them, or raise it.",
    )


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
