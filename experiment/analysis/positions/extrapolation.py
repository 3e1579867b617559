"""Every scheme of positions, trained on short numbers and asked for longer ones (section 3.5).

The paper chose sinusoids also as they "may allow the model to extrapolate to sequence lengths
longer than the ones encountered during training". Here each scheme is trained on numbers of few
words and scored on those of more (`longer.py`), in the model and by the recipe of
`configs/variants.py`. The seeds of a scheme are trained together, each with its own parameters,
batches and dropout.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from configs import variants
from experiment.analysis.positions.equivariance import SCHEMES
from experiment.analysis.positions.longer import ByLength, check_trained_words, pairs_by_length
from experiment.analysis.positions.pair_scores import scorer
from experiment.analysis.saying import begun_with
from experiment.analysis.sentences import batch_of
from experiment.config import ExperimentConfig, from_mapping
from experiment.data import Batch, TokenIds, Vocabulary, assemble, batch_plan, train_vocabulary
from experiment.training import Params, adam, init_state, train_step, training_loss
from model.systems import system_of

# The row of `configs/variants.py` of each scheme whose name is another.
_ROWS = {"sinusoidal": "paper", "none": "no-positions"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is trained, and on what.

    Raises:
      ValueError: if a number is less than 1.
    """

    trained_words: int = 7  # the most of a number that is trained on
    pairs: int = 3_000  # trained on, of each number of words
    tested: int = 200  # pairs of each number of words
    d_model: int = 64
    num_layers: int = 2
    steps: int = 3_000
    warmup_steps: int = 300  # equation 3
    tokens_per_batch: int = 1_536
    seeds: int = 3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"--{field.name}={getattr(self, field.name)} must be at least 1.")

    def check(self, schemes: Sequence[str]) -> None:
        """Refuses what only building or training would.

        Raises:
          ValueError: in one line, if there is no model or no data of these settings.
        """
        if not schemes:
            raise ValueError(f"At least one scheme must be named, of {', '.join(SCHEMES)}.")
        for scheme in schemes:
            self.config(scheme)
        check_trained_words(self.trained_words)

    def data(self) -> ByLength:
        """Returns the pairs to train and to test on.

        Raises:
          ValueError: if `trained_words` leaves nothing longer.
        """
        return pairs_by_length(
            trained_words=self.trained_words, trained=self.pairs, tested=self.tested
        )

    def vocabulary(self, data: ByLength) -> Vocabulary:
        """Returns the vocabulary of what is trained on, which all schemes share."""
        return train_vocabulary(data.lines, self.config(SCHEMES[0]).data.vocab_size)

    def config(self, scheme: str, seed: int = 0) -> ExperimentConfig:
        """Returns the recipe of a scheme: a row of `configs/variants.py` with these settings."""
        row = variants.get_config(_ROWS.get(scheme, scheme))
        config: ExperimentConfig = from_mapping(ExperimentConfig, row.to_dict())
        sizes: dict[str, Any] = {
            "d_model": self.d_model,
            "d_ff": 2 * self.d_model,
            "num_layers": self.num_layers,
        }
        recipe = {
            "num_steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "tokens_per_batch": self.tokens_per_batch,
        }
        return dataclasses.replace(
            config,
            seed=seed,
            model=dataclasses.replace(config.model, **sizes),
            train=dataclasses.replace(config.train, **recipe),
        )


def measure(
    settings: Settings, say: Callable[[str], None], schemes: Sequence[str] = SCHEMES
) -> Iterator[pd.DataFrame]:
    """Yields the scores of each scheme, by seed and number of words, once they are there.

    `nll` is in nats a token of the references, `exact` the share that greedy search would find.
    `say` is told what is trained, and how far it is.
    """
    data = settings.data()
    vocabulary = settings.vocabulary(data)
    pairs = [pair for of_length in data.train.values() for pair in of_length]
    token_ids = TokenIds.from_lists(
        *(vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1))
    )
    for scheme in schemes:
        told = begun_with(f"{scheme}: ", say)
        params = train_seeds(settings, scheme, vocabulary, token_ids, told)
        yield scores_by_length(settings, scheme, vocabulary, params, data)


def joined(of_schemes: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Returns what `measure` yields as one table."""
    return pd.concat(list(of_schemes), ignore_index=True)


def train_seeds(
    settings: Settings,
    scheme: str,
    vocabulary: Vocabulary,
    token_ids: TokenIds,
    say: Callable[[str], None],
) -> list[Params]:
    """Returns the parameters of every seed, after as many updates as the settings say."""
    configs = [settings.config(scheme, seed) for seed in range(settings.seeds)]
    model = system_of(configs[0].model.system_config(vocabulary.size))
    optimizer = adam(configs[0])
    loss_fn = training_loss(model, configs[0].train)
    one_step = functools.partial(train_step, loss_fn=loss_fn, optimizer=optimizer)
    step_fn = jax.jit(jax.vmap(one_step))
    keys = jax.vmap(jax.random.key)(jnp.arange(settings.seeds))
    initial, dropout = (jax.vmap(jax.random.fold_in, (0, None))(keys, n) for n in (0, 1))
    state = jax.jit(jax.vmap(functools.partial(init_state, model, optimizer)))(initial)
    batches = zip(*(_batches(token_ids, config) for config in configs), strict=True)
    for step, of_seeds in enumerate(batches):
        batch = Batch(*(np.stack(of_side) for of_side in zip(*of_seeds, strict=True)))
        state, metrics = step_fn(state, batch, dropout)
        if step % 50 == 0:
            say(f"step {step:,} of {settings.steps:,}: loss {metrics['loss'].mean():.3f}")
    params: Any = jax.device_get(state.params)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(settings.seeds)]


def scores_by_length(
    settings: Settings,
    scheme: str,
    vocabulary: Vocabulary,
    params: Sequence[Params],
    data: ByLength,
) -> pd.DataFrame:
    """Returns the scores of each seed's parameters on the test pairs of each number of words."""
    model = system_of(settings.config(scheme).model.system_config(vocabulary.size))
    words, pairs = zip(*((n, pair) for n, of in data.test.items() for pair in of), strict=True)
    score, batch, found = scorer(model), batch_of(vocabulary, pairs), []
    for seed, of_seed in enumerate(params):
        scores = score(of_seed, batch)
        table = pd.DataFrame({"words": words, **scores._asdict()}).groupby("words", as_index=False)
        sums = table.agg({"nll": "sum", "tokens": "sum", "exact": "mean"})
        sums.insert(0, "seed", seed)
        sums.insert(0, "positions", scheme)
        found.append(sums.assign(nll=sums.nll / sums.tokens))
    return pd.concat(found, ignore_index=True)


def _batches(token_ids: TokenIds, config: ExperimentConfig) -> Iterator[Batch]:
    train = config.train
    plan = batch_plan(
        token_ids.lengths, config.data, tokens_per_batch=train.tokens_per_batch, seed=config.seed
    )
    for step in range(train.num_steps):
        yield assemble(token_ids, plan.rows(step))
