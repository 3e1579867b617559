"""Runs side by side: what each does, how large it is, what its test split scored."""

from collections.abc import Mapping

import pandas as pd

from experiment.analysis.runs import Run

_SCORES = ("sacrebleu", "exact_match", "accuracy", "majority_accuracy", "perplexity")


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
