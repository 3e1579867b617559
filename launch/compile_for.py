"""Compiles a training step for a TPU slice, without the slice: does it fit, and how fast can it be?

    python -m launch.compile_for --config=configs/wmt14_big.py --topology=v5e:16x16
    python -m launch.compile_for --config=configs/wmt14_base.py --topology=v4:2x2x1 --json
    ... --config.model.dtype=bfloat16 --config.train.tokens_per_batch=65536

Runs the compiler of the TPUs themselves, on any x86 Linux machine where it is installed:
pip install 'attention-lab[tpu]'. The text is not needed, only the size of its vocabulary. What
does not fit is compiled again with one change after another, the cheapest first, until one does.
A config for pmap (mesh.data=0) is compiled for a mesh of all chips, with the same numbers: pmap
itself needs the chips.
"""

import dataclasses
import json

import jax

from experiment import command, training
from experiment.config import ExperimentConfig
from experiment.config_files import load_config
from launch import report
from launch.program import Refused, Step, compile_step
from launch.suggestion import Suggestion, first_that_fits
from launch.topology import Slice, slice_of


def main(argv: list[str]) -> None:
    """Reads the flags, compiles, says what came of it."""
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "--config", required=True, help="the experiment; --config.SECTION.NAME=VALUE changes it"
    )
    arguments.add_argument(
        "--topology", required=True, help="the slice, such as v5e:16x16, v4:2x2x1 or v5p:4x4x8"
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    flags, overrides = arguments.parse_known_args(argv)
    progress = training.Progress()
    # Nothing is computed here; a TPU or GPU of this machine is left to others.
    jax.config.update("jax_platforms", "cpu")
    with command.user_errors():
        config = load_config(flags.config, overrides)
        chips = slice_of(flags.topology)
        outcome, suggestion = compile_or_suggest(on_a_mesh(config), chips, progress)
    progress.clear()
    name = " ".join([flags.config, *overrides])
    found = report.summary(name, chips, outcome, suggestion, instead_of_pmap=config.mesh.data == 0)
    print(json.dumps(found, indent=2) if flags.json else report.text(found))


def on_a_mesh(config: ExperimentConfig) -> ExperimentConfig:
    """Returns the config with a mesh of all chips, where it would be run by pmap."""
    if config.mesh.data != 0:
        return config
    return dataclasses.replace(config, mesh=dataclasses.replace(config.mesh, data=-1))


def compile_or_suggest(
    config: ExperimentConfig, chips: Slice, progress: training.Progress
) -> tuple[Step | Refused, Suggestion | None]:
    """Compiles a step; where that fails, also what is changed as little as possible."""

    def compile_said(changed: ExperimentConfig, flags: str) -> Step | Refused:
        progress.wait_for(f"compiling for {chips.name}{f' with {flags}' if flags else ''}")
        outcome = compile_step(changed, chips, progress)
        if isinstance(outcome, Refused):
            progress.say(f"{flags or 'as it is'}: {outcome.why}")
        return outcome

    outcome = compile_said(config, "")
    if isinstance(outcome, Step):
        return outcome, None
    return outcome, first_that_fits(config, outcome, len(chips.devices), compile_said)


if __name__ == "__main__":
    command.run(main)
