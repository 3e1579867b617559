"""Runs side by side: their scores, and what each makes of a person's line."""

import dataclasses
import functools
import json

import jax
import pytest

from experiment.analysis.framework import examples, results
from experiment.analysis.runs import Run
from experiment.training import Workdir, init_params
from model.systems import system_of
from tests import made_up


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    system = "encoder_only"
    config = made_up.config(data=made_up.data_for(system), model={"system": system})
    vocabulary = made_up.vocabulary()
    model = system_of(config.model.system_config(vocabulary.size))
    params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
    workdir = Workdir(tmp_path_factory.mktemp("run"))
    return Run(workdir, config, vocabulary, model, params, (1,), {})


def test_a_run_without_results_is_refused(run):
    with pytest.raises(ValueError, match="has no results yet"):
        results({"ours": run})


def test_results_are_a_row_a_run_with_the_scores_that_it_has(run, tmp_path):
    ended = dataclasses.replace(run, workdir=Workdir(tmp_path))
    ended.workdir.results.write_text(json.dumps({"step": 1, "accuracy": 12.5, "seconds": {}}))
    assert results({"ours": ended}).loc["ours"].to_dict() == {
        "task": "classification",
        "parameters": run.num_params,
        "accuracy": 12.5,
    }


def test_a_persons_line_is_marked_before_it_is_labelled(run):
    table = examples({"ours": run}, {"ours": ["the cat"]})
    (expected,) = run.translator().best(run.params, ["▸ the cat"])
    assert table.to_numpy().tolist() == [["ours", "the cat", expected]]
