"""The recurrent system once more, from the published formulas: numpy, one token at a time.

Nothing of it is shared with `model/`: it takes a tree of parameters and names of variants.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, hidden, cell, params):
    """Gers et al. 2000, one cell after another: input, forget, candidate, output gate."""
    inputs, width = np.concatenate([x, hidden]), len(cell)
    outputs, cells = np.zeros(width), np.zeros(width)
    for j in range(width):
        sums = [params["bias"][gate, j] for gate in range(4)]
        for gate in range(4):
            for i, feature in enumerate(inputs):
                sums[gate] += params["kernel"][i, gate, j] * feature
        cells[j] = sigmoid(sums[1]) * cell[j] + sigmoid(sums[0]) * np.tanh(sums[2])
        outputs[j] = sigmoid(sums[3]) * np.tanh(cells[j])
    return outputs, cells


def read(rows, params):
    """The outputs of one direction, from an empty state."""
    hidden = cell = np.zeros(params["bias"].shape[1])
    outputs = []
    for row in rows:
        hidden, cell = lstm_step(row, hidden, cell, params)
        outputs.append(hidden)
    return outputs


def encode(rows, params):
    for number in range(len(params)):
        layer = params[f"layer_{number}"]
        onward = read(rows, layer["forward_lstm"])
        back = read(rows[::-1], layer["backward_lstm"])[::-1]
        outputs = [np.concatenate(pair) for pair in zip(onward, back, strict=True)]
        # Wu et al. 2016: from the third layer on.
        rows = outputs if number < 2 else [a + b for a, b in zip(rows, outputs, strict=True)]
    return np.array(rows)


def multiplicative(state, memory, params):
    """Luong et al. 2015, section 3.1: h^T W m."""
    return [state @ (m @ params["memory"]) for m in memory]


def additive(state, memory, params):
    """Bahdanau et al. 2015, A.1.2: v^T tanh(W h + U m)."""
    return [
        params["vector"] @ np.tanh(state @ params["state"] + m @ params["memory"]) for m in memory
    ]


ATTENTIONS = {"multiplicative": multiplicative, "additive": additive}


def attend(state, memory, params, kind):
    """Luong et al. 2015, equation 5; and what each source token weighs."""
    scores = np.exp(ATTENTIONS[kind](state, memory, params))
    weights = scores / scores.sum()
    found = sum(weight * m for weight, m in zip(weights, memory, strict=True))
    return np.tanh(np.concatenate([found, state]) @ params["combine"]), weights


def decode(rows, memory, params, kind, *, input_feeding):
    layers, width = sum("lstm" in name for name in params), memory.shape[1]
    first = memory[0, width // 2 :]
    hidden = [np.tanh(first @ params["initial"]["kernel"][:, n]) for n in range(layers)]
    cells, fed, outputs = [np.zeros(width)] * layers, np.zeros(width), []
    for row in rows:
        below = np.concatenate([row, fed]) if input_feeding else row
        for n in range(layers):
            hidden[n], cells[n] = lstm_step(below, hidden[n], cells[n], params[f"layer_{n}_lstm"])
            below = hidden[n] if n < 2 else below + hidden[n]
        fed, _ = attend(below, memory, params["attention"], kind)
        outputs.append(fed)
    return np.array(outputs)


def logits(source, target, params, config):
    """Of one sentence pair, without padding."""
    names = {
        "all": ["embedding"] * 3,
        "target": ["source_embedding", "target_embedding", "target_embedding"],
        "none": ["source_embedding", "target_embedding", "output_embedding"],
    }[config.tied_embeddings]
    sources, targets, scores = (params[name]["table"] for name in names)
    scale = np.sqrt(config.d_model)
    memory = encode([sources[token] * scale for token in source], params["encoder"])
    rows = [targets[token] * scale for token in target]
    variant = dict(kind=config.attention, input_feeding=config.input_feeding)
    return decode(rows, memory, params["decoder"], **variant) @ scores.T
