"""Trains every row of a config file, and compares them: one table, one figure.

    python sweep.py --config=configs/table3.py --dry_run
    python sweep.py --config=configs/table3_small.py --config.data.dir=FOLDER --processes=2
    python sweep.py --config=configs/table3_small.py --config.data.dir=FOLDER --rows=A1,A2 --seeds=3

The same command again goes on: finished rows are not run again, a half-done row continues. Each
row is an ordinary run in WORKDIR/ROW; table.md, table.csv and figure.png lie in WORKDIR and are
written anew whenever a row is finished. Ctrl-C saves every row and stops (exit code 42).
"""

import argparse
import pathlib

from experiment import command, sweep, training
from experiment.data import open_corpus, prepare_training_data


def main(argv: list[str]) -> None:
    """Reads the flags, checks every row, trains what is not finished, writes the table."""
    flags, overrides = parse(argv)
    progress, cache_dir = training.Progress(), flags.cache_dir.expanduser()
    folder = (flags.workdir or training.default_workdir(flags.config)).expanduser()
    with command.user_errors():
        command.check_positive(flags, "processes", "seeds")
        rows = sweep.load_rows(flags.config, overrides, folder=folder, seeds=flags.seeds)
        wanted = sweep.chosen(rows, flags.rows)
        if flags.dry_run:
            print(sweep.plan_table(wanted))
            return
        references = prepare(wanted, cache_dir, progress)

    def report(*_: object) -> None:
        with_results = [row for row in rows if row in wanted or row.results()]
        try:
            sweep.write_report(folder, flags.config, with_results, references)
        except (OSError, ValueError) as error:  # training goes on
            progress.say(f"The table could not be written: {error}")

    options = [f"--cache_dir={cache_dir}", *([f"--seeds={flags.seeds}"] if flags.seeds > 1 else [])]
    runner = sweep.Runner(
        lambda row: sweep.train_command(flags.config, overrides, row, folder / row.name, options),
        folder,
        processes=flags.processes,
        progress=progress,
        finished=report,
    )
    with command.machine_errors(), training.locked(folder, progress.say):
        came_to_the_end = runner.run([row for row in wanted if not row.results()])
        report()
    if not came_to_the_end:
        progress.say("stopped and saved; the same command goes on from there.")
        raise SystemExit(command.PREEMPTED)
    print((folder / "table.md").read_text(encoding="utf-8"))
    failed = [row.name for row in wanted if not row.results()]
    if failed:
        code = runner.exit_codes[failed[0]]
        command.fail(
            f"{len(failed)} of {len(wanted)} rows did not finish ({', '.join(failed)}). The first "
            f"ended with exit code {code}; see {folder / failed[0] / 'log.txt'}.",
            code if code > 0 else 1,
        )


def prepare(
    rows: list[sweep.Row], cache_dir: pathlib.Path, progress: training.Progress
) -> list[str]:
    """Prepares every row's data once, before any is trained; returns the references to score by."""
    for config in {row.config.data: row.config for row in rows}.values():
        prepare_training_data(config, cache_dir, progress.say)
    config = rows[0].config
    pairs = open_corpus(config.data, cache_dir, progress.say).pairs(config.evaluation.test_split)
    return [target for _, target in pairs[:]]


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the flags, and those that change settings of every row."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--config", required=True, help="a file with several rows")
    arguments.add_argument("--rows", default="", help="such as A1,A2 (default: all)")
    arguments.add_argument("--workdir", type=pathlib.Path, help="default: runs/NAME_OF_CONFIG")
    arguments.add_argument("--seeds", type=int, default=1, help="trained of each row (default: 1)")
    arguments.add_argument(
        "--processes",
        type=int,
        default=1,
        help="rows trained at the same time (default: 1); they divide the processors, and the "
        "memory of a GPU. A TPU belongs to one process",
    )
    arguments.add_argument(
        "--dry_run", action="store_true", help="print the rows with their parameters, train none"
    )
    command.add_cache_dir(arguments)
    return arguments.parse_known_args(argv)


if __name__ == "__main__":
    command.run(main)
