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


def attention(x, memory, mask, params):
    """Equation 1 in each head, and section 3.2.2 around it."""
    total = 0
    for head in range(params["query"]["kernel"].shape[1]):
        query, key, value = (
            rows @ params[name]["kernel"][:, head]
            for rows, name in ((x, "query"), (memory, "key"), (memory, "value"))
        )
        scores = np.where(mask, query @ key.T / math.sqrt(query.shape[-1]), -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        total = total + weights @ value @ params["out"]["kernel"][head]
    return total


def residual(x, sublayer, params, config):
    """Section 3.1; or Xiong et al. 2020, figure 1 (b)."""
    norm = NORMS[config.norm]
    if config.norm_placement == "post":
        return norm(x + sublayer(x), params["norm"])
    return x + sublayer(norm(x, params["norm"]))


def encoder(x, params, config):
    everything = np.ones((len(x), len(x)), bool)
    network = NETWORKS[config.activation]
    for i in range(config.num_layers):
        p = params[f"layer_{i}"]

        def look(y, p=p):
            return attention(y, y, everything, p["self_attention"])

        def transform(y, p=p):
            return network(y, p["feed_forward"])

        x = residual(x, look, p["self_attention_residual"], config)
        x = residual(x, transform, p["feed_forward_residual"], config)
    return NORMS[config.norm](x, params["norm"]) if config.norm_placement == "pre" else x


def decoder(x, memory, params, config):
    past, everything = np.tri(len(x), dtype=bool), np.ones((len(x), len(memory)), bool)
    network = NETWORKS[config.activation]
    for i in range(config.num_layers):
        p = params[f"layer_{i}"]

        def look_back(y, p=p):
            return attention(y, y, past, p["self_attention"])

        def look_across(y, p=p):
            return attention(y, memory, everything, p["cross_attention"])

        def transform(y, p=p):
            return network(y, p["feed_forward"])

        x = residual(x, look_back, p["self_attention_residual"], config)
        x = residual(x, look_across, p["cross_attention_residual"], config)
        x = residual(x, transform, p["feed_forward_residual"], config)
    return NORMS[config.norm](x, params["norm"]) if config.norm_placement == "pre" else x


def positions(length, d_model):
    """Section 3.5."""
    table = np.zeros((length, d_model))
    for pos in range(length):
        for i in range(d_model // 2):
            angle = pos / 10_000 ** (2 * i / d_model)
            table[pos, 2 * i], table[pos, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


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
    x = source_table[source] * math.sqrt(d_model) + positions(len(source), d_model)
    memory = encoder(x, params["encoder"], config)
    y = target_table[target] * math.sqrt(d_model) + positions(len(target), d_model)
    return decoder(y, memory, params["decoder"], config) @ output_table.T
