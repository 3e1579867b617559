"""Adam as in section 5.3."""

import optax

from experiment.config import ExperimentConfig
from experiment.training.schedule import cooled_down, warmup_rsqrt


def learning_rate(config: ExperimentConfig) -> optax.Schedule:
    """Returns equation 3, scaled and cooled down, as a function of the updates that were made."""
    train = config.train
    rate = warmup_rsqrt(config.model.d_model, train.warmup_steps, train.learning_rate_scale)
    return cooled_down(rate, train.num_steps, train.cooldown_steps)


def adam(config: ExperimentConfig) -> optax.GradientTransformation:
    """Returns Adam (Kingma and Ba 2015) with the config's learning rate."""
    train = config.train
    return optax.adam(
        learning_rate(config), b1=train.adam_b1, b2=train.adam_b2, eps=train.adam_epsilon
    )
