import functools

import jax
import numpy as np
import pytest

from experiment.analysis import load
from experiment.training import adam, init_state
from model.transformer import Transformer
from tests.made_up import config, vocabulary
from tests.training.opened import opened

CONFIG = config()
MODEL = Transformer(CONFIG.model.system_config(vocabulary().size))
INIT = functools.partial(init_state, MODEL, adam(CONFIG), jax.random.key(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with checkpoints of steps 4 and 8, in which every parameter is 1 and 2."""
    folder = tmp_path_factory.mktemp("run")
    with opened(folder, CONFIG, INIT) as run:
        for step, value in ((4, 1.0), (8, 2.0)):
            params = jax.tree.map(lambda leaf, v=value: np.full_like(leaf, v), run.state.params)
            run.checkpoints.save(run.state._replace(step=np.int32(step), params=params), run.record)
            run.log.write("train", step, {"loss": value})
    return folder


def values(params):
    return {float(value) for leaf in jax.tree.leaves(params) for value in leaf.ravel()}


def test_run_is_loaded_with_all_that_belongs_to_it(folder):
    run = load(folder, average=1)
    assert run.config == CONFIG
    assert run.vocabulary.digest == vocabulary().digest
    assert run.model == MODEL
    assert (values(run.params), run.steps) == ({2.0}, (8,))
    assert run.num_params == sum(leaf.size for leaf in jax.tree.leaves(run.params))
    assert [line["step"] for line in run.metrics()] == [4, 8]


def test_run_is_the_mean_that_its_results_are_of(folder):
    run = load(str(folder))
    assert CONFIG.evaluation.average_checkpoints == 2
    assert (values(run.params), run.steps) == ({1.5}, (4, 8))


def test_mean_of_more_checkpoints_than_there_are_is_refused(folder):
    with pytest.raises(ValueError, match=r"has 2 checkpoints, not --average=3\.$"):
        load(folder, average=3)


def test_run_decodes_as_configured_or_as_told(folder):
    run = load(folder)
    greedy = config(decode={"beam_size": 1}).decode
    assert len(run.translator().translate(run.params, ["cat"])[0]) == 2
    assert len(run.translator(greedy).translate(run.params, ["cat"])[0]) == 1


def test_loading_changes_nothing(folder):
    before = sorted(folder.rglob("*"))
    load(folder)
    assert sorted(folder.rglob("*")) == before


def test_run_without_a_checkpoint_is_refused(tmp_path):
    with opened(tmp_path, CONFIG, INIT):
        pass
    with pytest.raises(ValueError) as refused:
        load(tmp_path)
    assert str(refused.value) == f"{tmp_path} has no checkpoint yet. Let its training go on."
