"""Runs side by side: what each does, how large it is, what its test split scored."""

from collections.abc import Mapping, Sequence

import pandas as pd

from experiment.analysis.runs import Run

_SCORES = (
    *("sacrebleu", "exact_match"),
    *("perplexity", "bits_per_character"),
    *("accuracy", "majority_accuracy"),
)


def results(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Returns a row a run: its task, its parameters, and the scores in its results.json.

    Raises:
      ValueError: if a run is not finished, so that there are no results.
    """
    rows = {}
    for name, run in runs.items():
        found = run.workdir.results_after(0)
        if found is None:
            raise ValueError(f"{run.workdir.path} has no results yet. Let its training end.")
        scores = {score: found[score] for score in _SCORES if score in found}
        rows[name] = {"task": run.task.name, "parameters": run.num_params, **scores}
    return pd.DataFrame.from_dict(rows, orient="index")


def examples(runs: Mapping[str, Run], lines: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Returns what each run's model makes of its `lines`, as a person writes and reads them."""
    rows = []
    for name, run in runs.items():
        sentences = [run.task.read(line) for line in lines[name]]
        outputs = run.translator().best(run.params, sentences)
        shown = (run.task.shown(*pair) for pair in zip(sentences, outputs, strict=True))
        rows += [(name, *pair) for pair in zip(lines[name], shown, strict=True)]
    return pd.DataFrame(rows, columns=["system", "asked", "says"])
