"""What a page shows of a run and some sentences, computed once: weights, outputs, removals.

The names of its parts are those that `viewer.js` reads.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from experiment.analysis.runs import Run
from experiment.analysis.sentences import batch_of, pieces_of
from experiment.analysis.sites import KINDS, TITLES, Head, Site, heads_of, ones
from experiment.analysis.viewer.given import Given, check_lengths
from experiment.analysis.viewer.removal import Removals
from experiment.analysis.weights import attention_weights
from experiment.config import DecodeConfig
from experiment.training import duration

Content = dict[str, Any]  # what JSON can say

# float32 weights of this many pairs of pieces and heads are held at once: a quarter of a GiB.
_WEIGHTS_AT_ONCE = 2**26


def look(
    run: Run,
    given: Sequence[Given],
    decode: DecodeConfig,
    say: Callable[[str], None] = lambda message: None,
) -> Content:
    """Returns what a page shows of some sentences; `say` is told how long it will yet take.

    Raises:
      ValueError: if the model has no heads, or there is no sentence, or too long a one.
    """
    heads = heads_of(ones(run.model))
    if not given:
        raise ValueError("There must be at least one sentence to look at; there is none.")
    check_lengths(run.vocabulary, given)
    removals = Removals(run.model, run.params, run.vocabulary, decode)
    ended: list[float] = []
    sentences: list[Content] = []
    for each in given:
        say(estimate(ended, len(given), len(heads)))
        sentences.append(_sentence(run, each, removals, heads))
        ended.append(time.monotonic())
    say("the weights of all sentences ...")
    _add_weights(run, sentences)
    return {"run": _about(run), "kinds": _kinds(heads), "sentences": sentences}


def estimate(ended: Sequence[float], total: int, num_heads: int) -> str:
    """Returns how far it is; the first sentence's time says nothing, as it is compiled for."""
    left, done = "compiling first", len(ended)
    if done > 1:
        each = (ended[-1] - ended[0]) / (done - 1)
        left = f"about {duration(each * (total - done))} left"
    return f"sentence {done + 1} of {total}, without each of {num_heads} heads: {left}"


def _sentence(run: Run, given: Given, removals: Removals, heads: Sequence[Head]) -> Content:
    """Returns a sentence, its outputs and its targets, without the weights yet."""
    content: Content = {"source": given.source, "reference": given.reference}
    targets = {} if given.reference is None else {"reference": given.reference}
    if run.task.continues:
        targets = {"text": given.reference or ""}
    else:
        output, *others = removals.outputs(given.source)
        content["output"] = output
        # Most heads can go unnoticed: null is the output itself.
        changed = [None if other == output else other for other in others]
        content["outputs"] = _by_kind(heads, changed)
        targets = {"output": output} | targets
    content["pieces"] = pieces_of(run.vocabulary, given.source, "").source
    content["targets"] = [
        _target(run, given.source, of, text, removals, heads) for of, text in targets.items()
    ]
    return content


def _target(
    run: Run, source: str, of: str, text: str, removals: Removals, heads: Sequence[Head]
) -> Content:
    """Returns what the decoder is made to write, and how much less likely that gets."""
    whole, *without = removals.log_probs(source, text).tolist()
    changes = [round(log_prob - whole, 3) for log_prob in without]
    pieces = pieces_of(run.vocabulary, source, text)
    return {
        **{"of": of, "text": text, "inputs": pieces.inputs, "labels": pieces.labels},
        **{"log_prob": round(whole, 3), "changes": _by_kind(heads, changes)},
    }


def _by_kind(heads: Sequence[Head], values: Sequence[Any]) -> dict[str, list[Any]]:
    """Returns one value a head as lists by kind: layer by layer, head by head."""
    found: dict[str, list[Any]] = {}
    for head, value in zip(heads, values, strict=True):
        found.setdefault(head.site.kind, []).append(value)
    return found


def _add_weights(run: Run, sentences: Sequence[Content]) -> None:
    """Puts the weights of the encoder into sentences, and those of the decoder into targets."""
    shown = [(sentence, target) for sentence in sentences for target in sentence["targets"]]
    for group in _grouped(shown, len(heads_of(ones(run.model)))):
        pairs = [(sentence["source"], target["text"]) for sentence, target in group]
        weights = attention_weights(run.model, run.params, batch_of(run.vocabulary, pairs))
        for row, (sentence, target) in enumerate(group):
            sizes = {side: len(target[side]) for side in ("inputs", "labels")}
            own = encoded(weights, row, len(sentence["pieces"]), sizes["inputs"])
            sentence["weights"] = {kind: own.pop(kind) for kind in ("encoder",) if kind in own}
            target["weights"] = own


def _grouped(shown: Sequence[Any], num_heads: int) -> Iterator[list[Any]]:
    """Yields parts of what is shown whose weights are held at once."""
    longest = max(max(len(s["pieces"]), len(t["inputs"])) for s, t in shown)
    rows = max(1, _WEIGHTS_AT_ONCE // (longest**2 * num_heads))
    for first in range(0, len(shown), rows):
        yield list(shown[first : first + rows])


def encoded(
    weights: Mapping[Site, Float[np.ndarray, "B H T S"]], row: int, source: int, target: int
) -> dict[str, str]:
    """Returns the weights of one pair by kind: a byte each, 255 for 1, in base64.

    They are in the order of layers, heads, queries and keys. `source` and `target` are the pair's
    lengths in pieces.
    """
    found: dict[str, bytes] = {}
    for site, of_batch in weights.items():
        queries = source if site.kind == "encoder" else target
        keys = target if site.kind == "decoder" else source
        own = np.asarray(of_batch[row, :, :queries, :keys], np.float32)
        found[site.kind] = found.get(site.kind, b"") + np.rint(own * 255).astype(np.uint8).tobytes()
    return {kind: base64.b64encode(raw).decode() for kind, raw in found.items()}


def _kinds(heads: Sequence[Head]) -> list[Content]:
    found = []
    for kind in KINDS:
        own = [head for head in heads if head.site.kind == kind]
        if own:
            layers = 1 + max(head.site.layer for head in own)
            found.append(
                {"kind": kind, "title": TITLES[kind], "layers": layers, "heads": len(own) // layers}
            )
    return found


def _about(run: Run) -> Content:
    first, last = min(run.steps), max(run.steps)
    of = f"step {last:,}" if first == last else f"mean of {len(run.steps)} checkpoints"
    return {
        "name": run.workdir.path.resolve().name,
        "facts": [
            run.task.name.replace("_", " "),
            f"{run.num_params / 1e6:.1f} M parameters",
            of if first == last else f"{of}, steps {first:,} to {last:,}",
        ],
    }
