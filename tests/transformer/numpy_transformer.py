"""The model once more, from the published formulas: numpy, one sentence and one head at a time.

Nothing of it is shared with `model/`: it takes a tree of parameters and names of variants.
"""

import math

import numpy as np

EPSILON = 1e-6


def layer_norm(x, params):
    """Ba et al. 2016."""
    deviation = np.sqrt(x.var(-1, keepdims=True) + EPSILON)
    return params["scale"] * (x - x.mean(-1, keepdims=True)) / deviation + params["bias"]


def rms_norm(x, params):
    """Zhang and Sennrich 2019, equation 4."""
    assert set(params) == {"scale"}
    return params["scale"] * x / np.sqrt((x * x).sum(-1, keepdims=True) / x.shape[-1] + EPSILON)


def dense(x, params):
    return x @ params["kernel"] + params["bias"]


def silu(x):
    return x / (1 + np.exp(-x))


def relu_network(x, params):
    """Equation 2."""
    return dense(np.maximum(0, dense(x, params["hidden"])), params["out"])


def gelu_network(x, params):
    """Hendrycks and Gimpel 2016: x times the standard normal's distribution function at x."""
    hidden = dense(x, params["hidden"])
    below = 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    return dense(hidden * below, params["out"])


def swiglu_network(x, params):
    """Shazeer 2020, equation 6, with biases."""
    return dense(silu(dense(x, params["gate"])) * dense(x, params["hidden"]), params["out"])


NORMS = {"layer": layer_norm, "rms": rms_norm}
NETWORKS = {"relu": relu_network, "gelu": gelu_network, "swiglu": swiglu_network}


def attention(x, memory, mask, params, turn=None, bias=None):
    """Equation 1 in each head, and section 3.2.2 around it.

    `turn(row, position)` changes every query and key, `bias[head]` is added to the scaled scores.
    """
    total = 0
    for head in range(params["query"]["kernel"].shape[1]):
        query, key, value = (
            rows @ params[name]["kernel"][:, head]
            for rows, name in ((x, "query"), (memory, "key"), (memory, "value"))
        )
        if turn is not None:
            query, key = (
                np.array([turn(row, position) for position, row in enumerate(rows)])
                for rows in (query, key)
            )
        scores = query @ key.T / math.sqrt(query.shape[-1])
        if bias is not None:
            scores = scores + bias[head]
        scores = np.where(mask, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        total = total + weights @ value @ params["out"]["kernel"][head]
    return total


def sinusoids(length, d_model):
    """Section 3.5."""
    table = np.zeros((length, d_model))
    for pos in range(length):
        for i in range(d_model // 2):
            angle = pos / 10_000 ** (2 * i / d_model)
            table[pos, 2 * i], table[pos, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def added(length, params, side, config):
    """What the embedded tokens of the source or the target have added to them."""
    if config.positions == "sinusoidal":
        return sinusoids(length, config.d_model)
    if (
        config.positions == "learned"
    ):  # Gehring et al. 2017, section 3.1; the last is for all beyond
        table = params[f"{side}_positions"]["table"]
        return np.array([table[min(pos, len(table) - 1)] for pos in range(length)])
    return np.zeros((length, config.d_model))


def turned(row, position):
    """Su et al. 2021, equations 14 and 15: the matrix that turns each pair of neighbours.

    The model's columns are in another order, which matters to no product of query and key: those
    of the first half are the first of each pair.
    """
    pairs = len(row) // 2
    neighbours = [feature for i in range(pairs) for feature in (i, pairs + i)]
    matrix = np.zeros((len(row), len(row)))
    for i in range(pairs):
        angle = position * 10_000 ** (-2 * i / len(row))
        matrix[2 * i, 2 * i], matrix[2 * i, 2 * i + 1] = math.cos(angle), -math.sin(angle)
        matrix[2 * i + 1, 2 * i], matrix[2 * i + 1, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return matrix @ row[neighbours]


def slopes(heads):
    """Press et al. 2022, section 3, and `get_slopes` of the authors' code."""
    if math.log2(heads).is_integer():
        first = 2 ** (-8 / heads)
        return [first ** (head + 1) for head in range(heads)]
    below = 2 ** math.floor(math.log2(heads))
    return slopes(below) + slopes(2 * below)[0::2][: heads - below]


def bucket(distance, looks_ahead):
    """Raffel et al. 2020, section 2.1, and `_relative_position_bucket` of their code.

    Of 32 buckets; `distance` is the key's position minus the query's. Powers of whole numbers
    take the place of the code's logarithms, which round where they should be whole.
    """
    count, first = 32, 0
    if looks_ahead:
        count = 16
        if distance > 0:
            first = 16
        far = abs(distance)
    else:
        far = max(-distance, 0)
    exact = count // 2
    if far < exact:
        return first + far
    # far / exact >= (128 / exact) ** (k / exact)
    last = max(k for k in range(exact) if far**exact * exact**k >= 128**k * exact**exact)
    return first + exact + last


def bias_of(length, params, config, looks_ahead):
    """What self-attention of one stack adds to its scores [H, T, T], the same in every layer."""
    if config.positions not in ("alibi", "relative"):
        return None
    bias = np.zeros((config.num_heads, length, length))
    for head, query, key in np.ndindex(bias.shape):
        if config.positions == "alibi":
            bias[head, query, key] = -slopes(config.num_heads)[head] * abs(query - key)
        else:
            table = params["relative_positions"]["table"]
            bias[head, query, key] = table[bucket(key - query, looks_ahead), head]
    return bias


def seen(length, config, looks_ahead):
    """Who sees whom [T, T]: with a window r (section 4), an encoder's r positions around each.

    Of an even r one more lies before. A decoder sees the last r, itself included.
    """
    sees, window = np.zeros((length, length), bool), config.attention_window or 2 * length
    for query in range(length):
        first = query - window // 2 if looks_ahead else query - window + 1
        last = first + window - 1
        sees[query, max(first, 0) : last + 1] = True
    return sees


def residual(x, sublayer, params, config):
    """Section 3.1; or Xiong et al. 2020, figure 1 (b)."""
    norm = NORMS[config.norm]
    if config.norm_placement == "post":
        return norm(x + sublayer(x), params["norm"])
    return x + sublayer(norm(x, params["norm"]))


def encoder(x, params, config):
    around = seen(len(x), config, looks_ahead=True)
    network = NETWORKS[config.activation]
    turn = turned if config.positions == "rotary" else None
    bias = bias_of(len(x), params, config, looks_ahead=True)
    for i in range(config.num_layers):
        p = params[f"layer_{i}"]

        def look(y, p=p):
            return attention(y, y, around, p["self_attention"], turn, bias)

        def transform(y, p=p):
            return network(y, p["feed_forward"])

        x = residual(x, look, p["self_attention_residual"], config)
        x = residual(x, transform, p["feed_forward_residual"], config)
    return NORMS[config.norm](x, params["norm"]) if config.norm_placement == "pre" else x


def decoder(x, memory, params, config):
    past = seen(len(x), config, looks_ahead=False)
    everything = np.ones((len(x), len(memory)), bool)
    network = NETWORKS[config.activation]
    turn = turned if config.positions == "rotary" else None
    bias = bias_of(len(x), params, config, looks_ahead=False)
    for i in range(config.num_layers):
        p = params[f"layer_{i}"]

        def look_back(y, p=p):
            return attention(y, y, past, p["self_attention"], turn, bias)

        def look_across(y, p=p):
            return attention(y, memory, everything, p["cross_attention"])

        def transform(y, p=p):
            return network(y, p["feed_forward"])

        x = residual(x, look_back, p["self_attention_residual"], config)
        x = residual(x, look_across, p["cross_attention_residual"], config)
        x = residual(x, transform, p["feed_forward_residual"], config)
    return NORMS[config.norm](x, params["norm"]) if config.norm_placement == "pre" else x


def transformer(source, target, params, config):
    """Logits [T, V] of one sentence without padding."""
    source_table, target_table, output_table = {
        "all": lambda: [params["embedding"]["table"]] * 3,
        "target": lambda: [
            params[name]["table"]
            for name in ("source_embedding", "target_embedding", "target_embedding")
        ],
        "none": lambda: [
            params[name]["table"]
            for name in ("source_embedding", "target_embedding", "output_embedding")
        ],
    }[config.tied_embeddings]()
    d_model = config.d_model
    x = source_table[source] * math.sqrt(d_model) + added(len(source), params, "source", config)
    memory = encoder(x, params["encoder"], config)
    y = target_table[target] * math.sqrt(d_model) + added(len(target), params, "target", config)
    return decoder(y, memory, params["decoder"], config) @ output_table.T
