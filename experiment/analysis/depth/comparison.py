"""All variants at all depths: their signals before training, and how training goes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from experiment.analysis.depth.removals import VARIANTS
from experiment.analysis.depth.signals import random_batch, signals_at_start
from experiment.analysis.depth.training import Member, training_curves
from experiment.analysis.long_range import Recall
from model.transformer import DecoderOnlyConfig

WITH_AND_WITHOUT_WARM_UP = ("post-norm", "pre-norm")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is compared: the sizes of a language model, of one stack, and how it is trained.

    Raises:
      ValueError: if a number is less than 1, the rate is not above 0, no depth is named, or
        `length` has no room for key and query.
    """

    depths: tuple[int, ...] = (2, 4, 8, 16)
    d_model: int = 32
    num_heads: int = 4
    length: int = 8  # tokens of a text
    num_keys: int = 8
    num_fillers: int = 8
    steps: int = 160
    rows: int = 16  # texts of an update
    seeds: int = 2
    warmup_steps: int = 80
    rate: float = 1e-3

    def __post_init__(self) -> None:
        if not self.depths:
            raise ValueError("--depths must name at least one number of layers.")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = min(value) if isinstance(value, tuple) else value
            if field.name == "rate" and not least > 0:
                raise ValueError(f"--rate={value} must be above 0.")
            if field.name != "rate" and least < 1:
                raise ValueError(f"--{field.name}={least} must be at least 1.")
        self.config(self.depths[0])

    @property
    def task(self) -> Recall:
        """What is learnt: to recall a value that stands earlier in the same text."""
        return Recall(self.length, self.num_keys, self.num_fillers, "target")

    def warmups(self, variant: str) -> tuple[int, ...]:
        """Returns the numbers of warm-up steps that a variant is trained with; 0 is none."""
        both = variant in WITH_AND_WITHOUT_WARM_UP
        return (self.warmup_steps, 0) if both else (self.warmup_steps,)

    def config(self, num_layers: int) -> DecoderOnlyConfig:
        """Returns the model of so many layers; d_ff is 4 d_model, as in the paper."""
        return DecoderOnlyConfig(
            vocab_size=self.task.vocab_size,
            d_model=self.d_model,
            d_ff=4 * self.d_model,
            num_heads=self.num_heads,
            num_layers=num_layers,
            dropout_rate=0.0,
        )


class Measured(NamedTuple):
    """What was found of all variants at all depths."""

    signals: pd.DataFrame  # as `signals_at_start`
    curves: pd.DataFrame  # `num_layers` and `variant`, then as `training_curves`


def measure(settings: Settings, say: Callable[[str], None] = lambda line: None) -> Measured:
    """Returns signals and training of every variant; `say` is told what is being measured.

    Post- and pre-norm are trained with and without warm-up, the others with it.
    """
    config = settings.config(settings.depths[0])
    batch = random_batch(vocab_size=config.vocab_size, length=settings.length)
    signals = signals_at_start(config, batch, depths=settings.depths, seeds=settings.seeds, say=say)
    curves = [training_of(settings, depth, say=say) for depth in settings.depths]
    return Measured(signals, pd.concat(curves, ignore_index=True))


def training_of(
    settings: Settings,
    num_layers: int,
    variants: Sequence[str] = tuple(VARIANTS),
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Returns the training of some variants at one depth, all seeds, with `measure`'s columns."""
    tables = []
    for placement in dict.fromkeys(VARIANTS[name].norm_placement for name in variants):
        names = [name for name in variants if VARIANTS[name].norm_placement == placement]
        say(f"training {num_layers} layers: {', '.join(names)}")
        members = [
            Member(name, warmup, seed)
            for name in names
            for warmup in settings.warmups(name)
            for seed in range(settings.seeds)
        ]
        tables.append(
            training_curves(
                settings.config(num_layers),
                settings.task,
                members,
                steps=settings.steps,
                rows=settings.rows,
                rate=settings.rate,
            )
        )
    curves = pd.concat(tables, ignore_index=True)
    curves.insert(0, "num_layers", num_layers)
    return curves
