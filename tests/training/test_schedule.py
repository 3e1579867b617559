import math

import numpy as np
import pytest

from experiment.training import cooled_down, warmup_rsqrt

D_MODEL, WARMUP = 512, 4_000
PEAK = 1 / math.sqrt(D_MODEL * WARMUP)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, PEAK / WARMUP),
        (WARMUP // 2 - 1, PEAK / 2),
        (WARMUP - 1, PEAK),
        (4 * WARMUP - 1, PEAK / 2),
        (100 * WARMUP - 1, PEAK / 10),
    ],
)
def test_rate_by_hand(step, rate):
    np.testing.assert_allclose(warmup_rsqrt(D_MODEL, WARMUP)(step), rate, rtol=1e-6)


def test_rate_peaks_at_the_last_step_of_warmup():
    rates = warmup_rsqrt(D_MODEL, 40)(np.arange(200))
    assert np.argmax(rates) == 39


def test_scale_multiplies_every_rate():
    steps = np.arange(100)
    np.testing.assert_allclose(
        warmup_rsqrt(D_MODEL, 40, scale=3.0)(steps), 3 * warmup_rsqrt(D_MODEL, 40)(steps), rtol=1e-6
    )


def test_no_warmup_at_all_is_refused():
    with pytest.raises(ValueError, match=r"^train\.warmup_steps=0 must be at least 1\.$"):
        warmup_rsqrt(D_MODEL, 0)


def test_cooldown_falls_in_equal_parts_to_zero_after_the_last_step():
    rate = warmup_rsqrt(D_MODEL, 10)
    steps = np.arange(103)
    factor = np.concatenate([np.ones(60), np.linspace(1, 0, 41), np.zeros(2)])
    np.testing.assert_allclose(
        cooled_down(rate, num_steps=100, cooldown_steps=40)(steps), rate(steps) * factor, rtol=1e-6
    )


def test_no_cooldown_leaves_the_rate_as_it_is():
    rate = warmup_rsqrt(D_MODEL, 10)
    assert cooled_down(rate, num_steps=100, cooldown_steps=0) is rate
