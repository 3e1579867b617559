import time

import jax
import jax.numpy as jnp

from experiment.training import Member, Progress, TrainState
from tests.made_up import config
from tests.training.opened import opened


def init():
    return TrainState(jnp.int32(0), {"weights": jnp.zeros(2)}, ())


def test_run_that_is_let_go_of_says_that_it_waits_for_its_checkpoint(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("experiment.training.progress.PATIENCE_SECONDS", 0.02)
    with opened(tmp_path, config(), init) as run:
        member = Member(run, jax.random.key(0), lambda params, progress: {}, Progress())
        write = run.checkpoints._write

        def slowly(step, items):
            time.sleep(1.0)
            write(step, items)

        monkeypatch.setattr(run.checkpoints, "_write", slowly)
        member.save(run.state)
        assert capsys.readouterr().err == ""
        member.close()
        assert run.checkpoints.steps() == [0]
    assert "waiting for the last checkpoint to be written, " in capsys.readouterr().err
