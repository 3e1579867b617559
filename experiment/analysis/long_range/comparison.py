"""The three systems, of equal size and equally trained: how far each looks back."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from experiment.analysis.long_range.gradients import Gradients, gradient_norms
from experiment.analysis.long_range.recall import SIDES, Recall, recall_accuracy, train_recall
from experiment.analysis.saying import begun_with
from experiment.training import init_params
from model.baselines import ConvolutionalConfig, RecurrentConfig
from model.systems import SystemConfig, parameter_count, system_of
from model.transformer import TransformerConfig


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is compared: sizes of the Transformer, whose parameters the others are given too.

    Raises:
      ValueError: if a number is less than 1, or `length` has no room for key and query.
    """

    length: int = 32  # tokens of a text
    num_keys: int = 8
    num_fillers: int = 8
    d_model: int = 32
    num_layers: int = 2
    steps: int = 1_200
    rows: int = 32  # texts of an update
    seeds: int = 3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"--{field.name}={getattr(self, field.name)} must be at least 1.")
        self.task(SIDES[0])

    def task(self, side: str) -> Recall:
        """Returns the task of recalling on one side."""
        return Recall(self.length, self.num_keys, self.num_fillers, side)

    @property
    def distances(self) -> tuple[int, ...]:
        """0, then powers of 2, then the most that fits."""
        longest = self.task(SIDES[0]).max_distance
        powers = [2**n for n in range(longest.bit_length()) if 2**n < longest]
        return tuple(dict.fromkeys([0, *powers, longest]))


# Of equation 3, for all systems: at three times as much the recurrent one stays at chance.
_RATE_SCALE = 0.1


class Sight(NamedTuple):
    """How far one system looks back."""

    system: str
    num_params: int
    gradients: Gradients  # before training
    # side -> distance -> share of values recalled, of each seed
    recalled: Mapping[str, Mapping[int, Sequence[float]]]


def of_equal_size(settings: Settings) -> dict[str, SystemConfig]:
    """Returns a Transformer and, of as many layers, the widths of the others nearest to its size.

    Example:
      >>> {name: parameter_count(c) for name, c in of_equal_size(Settings()).items()}
      {'transformer': 42912, 'recurrent': 43146, 'convolutional': 41378}
    """
    shared: dict[str, Any] = {
        "vocab_size": settings.task(SIDES[0]).vocab_size,
        "num_layers": settings.num_layers,
        "dropout_rate": 0.0,
    }
    transformer = TransformerConfig(
        **shared, d_model=settings.d_model, d_ff=2 * settings.d_model, num_heads=4
    )
    wanted = parameter_count(transformer)

    def nearest(config_of: Callable[..., SystemConfig]) -> SystemConfig:
        sizes = (config_of(d_model=2 * half) for half in range(1, 4 * settings.d_model))
        return min(sizes, key=lambda config: abs(parameter_count(config) - wanted))

    positions = settings.length + 2  # the answer and the end
    return {
        "transformer": transformer,
        "recurrent": nearest(functools.partial(RecurrentConfig, **shared)),
        "convolutional": nearest(
            functools.partial(ConvolutionalConfig, **shared, max_positions=positions)
        ),
    }


def measure(
    settings: Settings, say: Callable[[str], None], sides: Sequence[str] = SIDES
) -> Iterator[Sight]:
    """Yields what is found of each system; `say` is told what is trained, and how far it is.

    All are trained at one rate, on the same texts in the same order, to recall on each of `sides`.
    """
    for name, config in of_equal_size(settings).items():
        model = system_of(config)
        params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
        gradients = gradient_norms(
            model, params, length=settings.length, vocab_size=config.vocab_size
        )
        recalled = {side: _recalled(config, settings, side, f"{name}, ", say) for side in sides}
        yield Sight(name, parameter_count(config), gradients, recalled)


def _recalled(
    config: SystemConfig, settings: Settings, side: str, name: str, say: Callable[[str], None]
) -> dict[int, list[float]]:
    model, task, found = system_of(config), settings.task(side), []
    for seed in range(settings.seeds):
        told = f"{name}{side}, seed {seed + 1} of {settings.seeds}: "
        params = train_recall(
            model,
            task,
            d_model=settings.d_model,
            learning_rate_scale=_RATE_SCALE,
            steps=settings.steps,
            rows=settings.rows,
            seed=seed,
            say=begun_with(told, say),
        )
        found.append(recall_accuracy(model, params, task, settings.distances))
    return {distance: [each[distance] for each in found] for distance in settings.distances}
