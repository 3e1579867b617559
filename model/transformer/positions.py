"""Where a token stands, told to a model that is blind to order (paper, section 3.5)."""

import numpy as np
from jaxtyping import Float


def sinusoidal_positions(length: int, d_model: int) -> Float[np.ndarray, "T D"]:
    """Returns the encodings of positions 0 to `length - 1` (section 3.5).

    Dimension 2i holds sin(pos / 10000^(2i / d_model)) and dimension 2i + 1 the cosine of the same
    angle, so the encoding of pos + k is a rotation of that of pos, the same for every pos.

    Example:
      >>> sinusoidal_positions(2, 4).round(4)
      array([[0.    , 1.    , 0.    , 1.    ],
             [0.8415, 0.5403, 0.01  , 1.    ]], dtype=float32)
    """
    frequencies = 10_000.0 ** (-np.arange(0, d_model, 2) / d_model)
    angles = np.arange(length)[:, None] * frequencies
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model).astype("f4")
