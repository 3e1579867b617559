"""A run, loaded by the name of its folder: its config, vocabulary, model, parameters, metrics."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from experiment.config import DecodeConfig, ExperimentConfig, from_mapping
from experiment.data import Vocabulary, open_corpus
from experiment.evaluation import Evaluator, Task, Translator, task_of
from experiment.training import (
    Checkpoints,
    Params,
    Workdir,
    averaged_steps,
    evaluation_step,
    init_params,
    loss_of,
    num_params,
    read_metrics,
)
from model.systems import system_of


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model and all that belongs to it."""

    workdir: Workdir
    config: ExperimentConfig
    vocabulary: Vocabulary
    model: nn.Module
    params: Params
    steps: tuple[int, ...]  # the checkpoints that `params` is the mean of
    fingerprint: dict[str, str]  # of the data it was trained on, by name

    @property
    def num_params(self) -> int:
        """How many numbers were trained."""
        return num_params(self.params)

    @property
    def task(self) -> Task:
        """What the model was trained to do."""
        return task_of(self.config)

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the logged lines, in order."""
        return read_metrics(self.workdir.metrics)

    def pairs(
        self, split: str, cache_dir: pathlib.Path, say: Callable[[str], None]
    ) -> list[tuple[str, str]]:
        """Returns a split of the corpus that the run was trained on.

        Raises:
          ValueError: if there is no such split, or the corpus is another one now.
        """
        corpus = open_corpus(self.config.data, cache_dir, say)
        if corpus.identity != self.fingerprint["corpus"]:
            raise ValueError(
                f"The corpus is not the one that {self.workdir.path} was trained on. Restore "
                "it, or name files with --source and --reference."
            )
        return corpus.pairs(split)[:]

    def translator(self, decode: DecodeConfig | None = None) -> Translator:
        """Returns a translator that searches as configured, or as `decode` says."""
        decode = decode or self.config.decode
        continues = self.task.continues
        return Translator(self.model, self.vocabulary, decode, continues=continues)

    def evaluator(self, decode: DecodeConfig | None = None) -> Evaluator:
        """Returns what scores this run's model."""
        return build_evaluator(self.config, self.model, self.vocabulary, decode)


def load(
    path: str | pathlib.Path,
    *,
    average: int | None = None,
    step: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Returns the run in the folder `path`, with the mean of its `average` newest checkpoints.

    None averages as many as the run's own results do, or as there are so far. With `step` it is
    that one checkpoint instead. Damaged checkpoints are left out, and `say` is told.

    Raises:
      ValueError: if there is no run, no checkpoint of it yet, or fewer than asked for.
      NoGoodCheckpoint: if there are checkpoints and all of them are damaged.
      Damaged: if that of `step` is.
    """
    workdir = Workdir(pathlib.Path(path))
    config: ExperimentConfig = from_mapping(ExperimentConfig, workdir.read_config())
    if not workdir.checkpoints.is_dir():
        raise ValueError(f"{workdir.path} has no checkpoint yet. Let its training go on.")
    vocabulary = Vocabulary.load(workdir.vocabulary)
    model = system_of(config.model.system_config(vocabulary.size))
    abstract = jax.eval_shape(functools.partial(init_params, model), jax.random.key(0))
    checkpoints = Checkpoints(workdir.checkpoints, say=say)
    if step is not None:
        mean = checkpoints.only(step, abstract)
    else:
        count = average or config.evaluation.average_checkpoints
        mean = checkpoints.mean(count, abstract, save_every=config.train.save_every)
    if average is not None and average > len(mean.steps):
        raise ValueError(
            f"{workdir.path} has {len(mean.steps)} checkpoints, not --average={average}."
        )
    steps = tuple(averaged_steps(mean.record, mean.steps))
    fingerprint = mean.record["fingerprint"]
    return Run(workdir, config, vocabulary, model, mean.params, steps, fingerprint)


def build_evaluator(
    config: ExperimentConfig,
    model: nn.Module,
    vocabulary: Vocabulary,
    decode: DecodeConfig | None = None,
) -> Evaluator:
    """Returns what scores `model` on sentence pairs, decoding as configured or as `decode` says."""
    decode = decode or config.decode
    loss_fn, task = loss_of(model, config.train.label_smoothing), task_of(config)
    return Evaluator(
        Translator(model, vocabulary, decode, continues=task.continues),
        functools.partial(evaluation_step, loss_fn=loss_fn),
        vocabulary,
        config.data.bucket_lengths,
        decode.sentences_per_batch,
        task,
    )


def tokens(config: ExperimentConfig) -> dict[str, str]:
    """Returns what `tokenized_bleu` must know of a run: tokenizer, and language of the targets."""
    return {
        "tokenizer": config.evaluation.tokenizer,
        "language": config.data.target_language,
    }
