"""Shuffling that gives the same order on every machine and with every NumPy."""

import numpy as np


def permutation(count: int, *entropy: int) -> np.ndarray:
    """Returns 0 .. count - 1 in an order that depends on `entropy` alone, int64.

    NumPy promises the same raw bits in every release, but not the same `Generator.permutation`.
    """
    bits = np.random.Philox(np.random.SeedSequence(entropy)).random_raw(count)
    return np.argsort(bits, kind="stable")
