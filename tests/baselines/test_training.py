"""Either system learns by the same loop, and does all that the commands do."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import pytest

from experiment.config_files import load_config
from experiment.data import prepare_training_data, training_batches
from experiment.training import adam, init_state, loss_of, read_metrics, train_step
from model.systems import system_of
from tests.tiny_run import ROOT, command, training, write_corpus

STEPS = 200
SMALL = {
    "model.d_model": 32,
    "model.num_layers": 1,
    "train.num_steps": STEPS,
    "train.tokens_per_batch": 384,
    "train.warmup_steps": 100,
}


@pytest.fixture(scope="module")
def config():
    flags = [f"--config.{key}={value}" for key, value in SMALL.items()]
    return load_config(str(ROOT / "configs" / "numbers.py"), flags)


@pytest.fixture(scope="module")
def data(config, tmp_path_factory):
    return prepare_training_data(config, tmp_path_factory.mktemp("cache"), lambda line: None)


@pytest.mark.parametrize(
    "changes",
    [
        {"system": "recurrent"},
        {"system": "recurrent", "attention": "additive", "input_feeding": False},
        {"system": "convolutional"},
    ],
    ids=str,
)
def test_system_learns_the_number_words(config, data, changes):
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))
    model = system_of(config.model.system_config(data.vocabulary.size))
    optimizer = adam(config)
    step = jax.jit(
        functools.partial(train_step, loss_fn=loss_of(model, 0.1), optimizer=optimizer),
        donate_argnums=0,
    )
    state = init_state(model, optimizer, jax.random.key(0))
    rng, nll = jax.random.key(1), []
    for batch in training_batches(data.train, data.plan, start_step=0, num_steps=STEPS):
        state, metrics = step(state, batch, rng)
        nll.append(metrics["nll"])
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    first, last = float(jnp.mean(jnp.array(nll[:5]))), float(jnp.mean(jnp.array(nll[-20:])))
    assert first > 5.5  # nats: a guess among some 400 pieces
    assert last < 0.4 * first


@pytest.mark.slow
def test_commands_train_translate_score_and_average(tmp_path):
    system = "recurrent"
    write_corpus(tmp_path / "corpus")
    run, cache = tmp_path / "run", tmp_path / "cache"
    changes = {"model__system": system, "model__d_model": 32, "train__num_steps": 200}
    changes |= {"train__evaluate_every": 200, "train__learning_rate_scale": 0.5}
    trained = command("train.py", *training(tmp_path / "corpus", run, cache, **changes))
    results = json.loads(trained.stdout)
    assert results["averaged_steps"] == [120, 160, 200]
    losses = [line["nll"] for line in read_metrics(run / "metrics.jsonl") if "nll" in line]
    assert losses[-1] < 0.5 * losses[0]
    where = [f"--workdir={run}", f"--cache_dir={cache}"]
    scored = command("evaluate.py", *where, f"--output={tmp_path / 'again.txt'}")
    assert json.loads(scored.stdout)["nll"] == pytest.approx(results["nll"], rel=1e-5)
    assert (tmp_path / "again.txt").read_bytes() == (run / "translations.txt").read_bytes()
    sources = (tmp_path / "corpus" / "test.en").read_text(encoding="utf-8")
    translated = command("translate.py", f"--workdir={run}", stdin=sources)
    assert translated.stdout == (run / "translations.txt").read_text(encoding="utf-8")
    more = command(
        "train.py",
        *training(tmp_path / "corpus", run, cache, **{**changes, "train__num_steps": 202}),
    )
    assert "goes on after step 200" in more.stderr
    changes["model__system"] = "transformer"
    refused = command("train.py", *training(tmp_path / "corpus", run, cache, **changes), code=2)
    assert f"was trained with model.system={system}" in refused.stderr
