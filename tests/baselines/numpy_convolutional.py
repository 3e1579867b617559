"""The convolutional system once more, from the published formulas: numpy, one position at a time.

Nothing of it is shared with `model/`: it takes a tree of parameters and names of variants.
"""

import numpy as np


def linear(x, params):
    """Salimans and Kingma 2016: each output's weights are as long as `length` says."""
    outputs = np.zeros(params["bias"].shape)
    for index in np.ndindex(*outputs.shape):
        direction = params["kernel"][(..., *index)]
        weights = direction / np.sqrt((direction**2).sum()) * params["length"][index]
        outputs[index] = (x * weights).sum() + params["bias"][index]
    return outputs


def gated(halves):
    """Dauphin et al. 2017: the first half, as far as the second lets it."""
    return halves[0] / (1 + np.exp(-halves[1]))


def convolve(rows, params, reach):
    """A gated convolution over the rows and zeros around them; `reach` is how far to the left."""
    taps, width = params["kernel"].shape[:2]
    outputs = []
    for t in range(len(rows)):
        seen = np.zeros((taps, width))
        for tap in range(taps):
            place = t + tap - reach
            if 0 <= place < len(rows):
                seen[tap] = rows[place]
        outputs.append(gated(linear(seen, params)))
    return outputs


def embed(ids, table, positions):
    """Section 3.1; tokens of deviation 0.1 at the start, and the last position for all beyond."""
    scale = 0.1 * np.sqrt(table.shape[1])
    last = len(positions) - 1
    return [table[token] * scale + positions[min(t, last)] for t, token in enumerate(ids)]


def encode(embedded, params):
    """Section 3.2."""
    rows = [linear(row, params["input"]) for row in embedded]
    for n in range(len(params) - 2):
        layer = params[f"layer_{n}_convolution"]
        found = convolve(rows, layer, reach=layer["kernel"].shape[0] // 2)
        rows = [(a + b) / np.sqrt(2) for a, b in zip(rows, found, strict=True)]
    return [linear(row, params["output"]) for row in rows]


def attend(query, keys, values):
    """Section 3.3, and the factor of section 3.4."""
    scores = np.exp([query @ key for key in keys])
    weights = scores / scores.sum()
    found = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return found * len(keys) * np.sqrt(1 / len(keys))


def decode(embedded, keys, values, params):
    rows = [linear(row, params["input"]) for row in embedded]
    for n in range(len(params) - 2):
        layer = params[f"layer_{n}"]
        before = layer["convolution"]["kernel"].shape[0] - 1
        outputs = []
        found = convolve(rows, layer["convolution"], reach=before)
        for row, hidden, token in zip(rows, found, embedded, strict=True):
            query = (linear(hidden, layer["to_attention"]) + token) / np.sqrt(2)
            answer = linear(attend(query, keys, values), layer["from_attention"])
            outputs.append((row + (hidden + answer) / np.sqrt(2)) / np.sqrt(2))
        rows = outputs
    return np.array([linear(row, params["output"]) for row in rows])


def logits(source, target, params, config):
    """Of one sentence pair, without padding."""
    names = {
        "all": ["embedding"] * 3,
        "target": ["source_embedding", "target_embedding", "target_embedding"],
        "none": ["source_embedding", "target_embedding", "output_embedding"],
    }[config.tied_embeddings]
    sources, targets, scores = (params[name]["table"] for name in names)
    embedded = embed(source, sources, params["source_positions"]["table"])
    keys = encode(embedded, params["encoder"])
    values = [(key + token) / np.sqrt(2) for key, token in zip(keys, embedded, strict=True)]
    rows = embed(target, targets, params["target_positions"]["table"])
    return decode(rows, keys, values, params["decoder"]) @ scores.T
