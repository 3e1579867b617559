"""Adam as in section 5.3."""

import optax

from experiment.config import ExperimentConfig
from experiment.training.schedule import cooled_down, warmup_rsqrt


def adam(config: ExperimentConfig) -> optax.GradientTransformation:
    """Returns Adam (Kingma and Ba 2015) with the learning rate of equation 3, cooled down."""
    train = config.train
    rate = warmup_rsqrt(config.model.d_model, train.warmup_steps, train.learning_rate_scale)
    rate = cooled_down(rate, train.num_steps, train.cooldown_steps)
    return optax.adam(rate, b1=train.adam_b1, b2=train.adam_b2, eps=train.adam_epsilon)
