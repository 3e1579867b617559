"""What is printed in the end, for docs/reliability.md."""

import importlib.metadata
import os
import pathlib
import platform
import statistics
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.chaos.damage import CUT, DETECTED, FLIPPED, GONE, HARMLESS, WRONG, Outcomes
from benchmarks.chaos.kills import Killed
from benchmarks.chaos.watched import ARRAYS, CLEARING, MANIFEST, STATES
from experiment.training import commit, duration


def of(runs: Sequence[Killed], outcomes: Outcomes, argv: Sequence[str], seconds: float) -> str:
    """Returns Markdown."""
    return "\n\n".join([_about(argv, seconds), _of_kills(runs), _of_damage(outcomes)])


def _about(argv: Sequence[str], seconds: float) -> str:
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("jax", "flax", "orbax-checkpoint", "numpy")
    ]
    return (
        f"`{' '.join(['python -m benchmarks.chaos', *argv])}`, {time.strftime('%Y-%m-%d')}, commit "
        f"{commit()}, {duration(seconds)} on {len(os.sched_getaffinity(0))} of {os.cpu_count()} "
        f"cores ({_processor()}, {platform.system()} {platform.release()}); Python "
        f"{platform.python_version()}, {', '.join(versions)}."
    )


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _of_kills(runs: Sequence[Killed]) -> str:
    kills = [kill for run in runs for kill in run.kills]
    repeated = [steps for run in runs for steps in run.repeated]
    litter = [name for run in runs for name in run.litter]
    states = Counter(kill.state for kill in kills)
    rows = [f"| {state} | {states[state]} |" for state in STATES]
    said = [
        f"{len(kills)} kills in {len(runs)} runs.",
        "Steps taken again, each time a run went on: "
        f"{statistics.fmean(repeated or [0]):.1f} on average, at most {max(repeated, default=0)}.",
        f"Steps left half written, and removed: {states[ARRAYS] + states[MANIFEST]}; left half "
        f"deleted: {states[CLEARING]}.",
        f"Locks taken over: {sum(run.count('which is gone; taken over') for run in runs)}.",
        f"Stray files left in a workdir: {', '.join(map(_code, litter)) or 'none'}.",
    ]
    return "\n".join([" ".join(said), "", "| killed while | times |", "|---|---|", *rows])


def _of_damage(outcomes: Outcomes) -> str:
    kinds, counts = outcomes.kinds, outcomes.counts
    rows = [
        f"| `{kind}` | " + " | ".join(f"{counts[kind, end]:,}" for end in _ENDS) + " |"
        for kind in sorted({kind for kind, _ in counts})
    ]
    sums = [f"{sum(counts[key] for key in counts if key[1] == end):,}" for end in _ENDS]
    return "\n".join(
        [
            f"{kinds[FLIPPED]:,} times a bit was flipped, {kinds[CUT]:,} times a file cut off, "
            f"{kinds[GONE]:,} times one deleted. After each a reader checked the step "
            f"(`is_whole`); after {outcomes.fallbacks:,} of them another restored what it took for "
            "the newest good one (`newest`), and all arrays were compared with what was saved.",
            "",
            f"| file | {' | '.join(_ENDS)} |",
            "|---|---|---|---|",
            *rows,
            f"| all | {' | '.join(sums)} |",
        ]
    )


_ENDS = (DETECTED, HARMLESS, WRONG)


def _code(name: str) -> str:
    return f"`{pathlib.Path(name)}`"
