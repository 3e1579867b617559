"""What it costs that a run cannot be lost: guarded steps, verified checkpoints."""

import functools
import pathlib
import statistics
import tempfile
from typing import Any

import jax
import optax

from benchmarks.paired import interleaved, ratios
from experiment import command, training
from experiment.config_files import load_config
from experiment.data import prepare_training_data, training_batches
from experiment.training.checkpoint import CheckpointWriter, Retention, storage
from model.systems import system_of


def main(argv: list[str]) -> None:
    """Times steps, saves and restores with and without what guards them, and prints the ratios."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--config", default="configs/numbers.py", help="any setting is a flag")
    arguments.add_argument("--steps", type=int, default=20, help="a round")
    arguments.add_argument("--rounds", type=int, default=9)
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    with command.user_errors():
        command.check_positive(flags, "steps", "rounds")
        config = load_config(flags.config, overrides)
        data = prepare_training_data(config, flags.cache_dir.expanduser(), print)
        training.use_compilation_cache(flags.cache_dir)
    model = system_of(config.model.system_config(data.vocabulary.size))
    optimizer = training.adam(config)
    loss_fn = training.training_loss(model, config.train)
    state = jax.jit(functools.partial(training.init_state, model, optimizer))(jax.random.key(0))
    batches = list(training_batches(data.train, data.plan, start_step=0, num_steps=flags.steps))
    steps = {"guarded": training.train_step, "unguarded": unguarded_step}
    taken = {
        name: functools.partial(
            take,
            jax.jit(functools.partial(step, loss_fn=loss_fn, optimizer=optimizer)),
            state,
            batches,
        )
        for name, step in steps.items()
    }
    seconds = interleaved(taken, rounds=flags.rounds)
    show("a step", seconds, "guarded", "unguarded", flags.steps)
    with tempfile.TemporaryDirectory() as folder:
        save_and_restore(jax.device_get(state), pathlib.Path(folder), flags.rounds)


def take(step_fn: Any, state: Any, batches: list[Any]) -> None:
    """Takes a step with each batch."""
    for batch in batches:
        state, _ = step_fn(state, batch, jax.random.key(1))
    jax.block_until_ready(state)


def unguarded_step(
    state: training.TrainState, batch: Any, rng: jax.Array, *, loss_fn: Any, optimizer: Any
) -> tuple[training.TrainState, dict[str, jax.Array]]:
    """What `train_step` is without leaving out what is not finite."""
    rng = jax.random.fold_in(rng, state.step)
    (_, sums), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params, batch, rng)
    gradients = jax.tree.map(lambda gradient: gradient / sums.tokens, gradients)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    metrics = {
        "loss": sums.loss / sums.tokens,
        "nll": sums.nll / sums.tokens,
        "target_tokens": sums.tokens,
        "gradient_norm": optax.tree.norm(gradients),
    }
    params = optax.apply_updates(state.params, updates)
    return training.TrainState(state.step + 1, params, opt_state), metrics


def save_and_restore(state: training.TrainState, folder: pathlib.Path, rounds: int) -> None:
    """Times both with manifests and, by Orbax alone, without."""
    ours = CheckpointWriter(folder / "ours", Retention(newest=2))
    plain = folder / "plain"
    items = {
        "params": state.params,
        "optimizer": {"step": state.step, "opt_state": state.opt_state},
        "run": {},
    }
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    numbers = {"ours": iter(range(1, 1000)), "plain": iter(range(1, 1000))}

    def save_ours() -> None:
        ours.save(state._replace(step=state.step + next(numbers["ours"])), {})
        ours.wait()

    def save_plain() -> None:
        storage.write(plain / str(next(numbers["plain"])), items)

    saved = interleaved({"verified": save_ours, "plain": save_plain}, rounds=rounds)
    show(f"saving {size / 2**20:,.1f} MiB", saved, "verified", "plain")
    newest = ours.steps()[-1]
    restored = interleaved(
        {
            "verified": lambda: ours.restore(newest, state),
            "plain": lambda: storage.read(plain / "1", list(items)),
        },
        rounds=rounds,
    )
    show(f"restoring {size / 2**20:,.1f} MiB", restored, "verified", "plain")
    ours.close()


def show(what: str, seconds: dict[str, list[float]], one: str, other: str, count: int = 1) -> None:
    """Prints the ratio of two ways."""
    low, median, high = ratios(seconds[one], seconds[other])
    took = 1000 * statistics.median(seconds[other]) / count
    print(
        f"{what}: {one} / {other} {median:.2f} (rounds {low:.2f} to {high:.2f}); "
        f"{took:.1f} ms {other}"
    )
