import jax.numpy as jnp
import numpy as np
import optax

from experiment.training import adam, learning_rate
from tests.made_up import config


def test_two_steps_of_adam_by_hand():
    # Equation 3 with d_model 4 and 2 warmup steps, halved: 1/2 * 1/2 * (1 * 2^-1.5, 2 * 2^-1.5).
    settings = config(
        model={"d_model": 4},
        train={
            "warmup_steps": 2,
            "learning_rate_scale": 0.5,
            "adam_b1": 0.8,
            "adam_b2": 0.9,
            "adam_epsilon": 0.1,
        },
    )
    optimizer = adam(settings)
    number = jnp.array(1.0)
    state = optimizer.init(number)
    seen = []
    for gradient in (2.0, -1.0):
        updates, state = optimizer.update(jnp.array(gradient), state, number)
        number = optax.apply_updates(number, updates)
        seen.append(float(number))

    # First moments 0.4, 0.12, over 1 - 0.8^t; second 0.4, 0.46, over 1 - 0.9^t.
    first = 1.0 - 0.25 * 2**-1.5 * 2.0 / (4.0**0.5 + 0.1)
    second = first - 0.25 * 2**-0.5 * (0.12 / 0.36) / ((0.46 / 0.19) ** 0.5 + 0.1)
    np.testing.assert_allclose(seen, [first, second], rtol=1e-6)


def test_updates_shrink_with_the_cooldown():
    # Adam's first update is its rate, whatever the gradient; so is each after an equal one.
    settings = config(
        model={"d_model": 4}, train={"warmup_steps": 1, "num_steps": 4, "cooldown_steps": 2}
    )
    optimizer = adam(settings)
    number, state, updates = jnp.array(1.0), optimizer.init(jnp.array(1.0)), []
    for _ in range(5):
        update, state = optimizer.update(jnp.array(3.0), state, number)
        updates.append(-float(update))
    expected = [0.5, 0.5 * 2**-0.5, 0.5 * 3**-0.5, 0.5 * 0.5 * 4**-0.5, 0.0]
    np.testing.assert_allclose(updates, expected, rtol=1e-5)
    rate = learning_rate(settings)
    np.testing.assert_allclose([rate(step) for step in range(5)], expected, rtol=1e-5)
