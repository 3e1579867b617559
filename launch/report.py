"""What was found out about a step on a slice, as one JSON object and as text made from it."""

import importlib.metadata
from collections.abc import Iterator
from typing import Any

from experiment.training.chips import GIB
from launch import roofline
from launch.program import Refused, Shape, Step
from launch.suggestion import Suggestion
from launch.topology import Slice

MIB = 2**20


def summary(
    config: str,
    chips: Slice,
    outcome: Step | Refused,
    suggestion: Suggestion | None,
    *,
    instead_of_pmap: bool,
) -> dict[str, Any]:
    """Returns all that is known, as plain values; bytes and seconds, of one chip unless named."""
    found: dict[str, Any] = {
        "config": config,
        "topology": chips.name,
        "device": chips.chip.name if chips.chip else chips.kind,
        "devices": len(chips.devices),
        "instead_of_pmap": instead_of_pmap,
        "versions": {name: _version(name) for name in ("jax", "libtpu")},
        "fits": isinstance(outcome, Step),
        "batch": _batch(outcome.shape),
        "memory_usable": chips.usable_memory,
    }
    if isinstance(outcome, Step):
        return found | _of_step(outcome, chips)
    found["why"] = outcome.why
    if outcome.memory is not None:
        found["memory_needed"] = outcome.memory.needed
        found["memory_usable"] = outcome.memory.available
    found["suggestion"] = None
    if suggestion is not None:
        fitting = {"fits": True, "batch": _batch(suggestion.step.shape)}
        fitting |= {"memory_usable": chips.usable_memory} | _of_step(suggestion.step, chips)
        found["suggestion"] = {"flags": suggestion.flags} | fitting
    return found


def text(found: dict[str, Any]) -> str:
    """Returns what `summary` found, for people to read."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    head = f"{found['config']} on {found['topology']}: {found['devices']} x {found['device']}"
    lines = [f"{head} ({versions})"]
    if found["instead_of_pmap"]:
        lines.append(
            "Compiled as on a mesh of all chips, with pmap's numbers: pmap needs the chips."
        )
    lines.append(_verdict(found))
    if found["fits"]:
        return "\n".join([*lines, *_details(found)])
    suggestion = found["suggestion"]
    if suggestion is None:
        return "\n".join([*lines, "No change that was tried makes it fit; take a larger slice."])
    versions_and_all = {**found, **suggestion}
    lines += ["", f"This does: {suggestion['flags']}", _verdict(versions_and_all)]
    return "\n".join([*lines, *_details(versions_and_all)])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _batch(shape: Shape) -> dict[str, int]:
    return {
        "rows": shape.rows,
        "length": shape.length,
        "split_over": shape.shards,
        "padded_rows": shape.padded_rows,
    }


def _of_step(step: Step, chips: Slice) -> dict[str, Any]:
    devices = len(chips.devices)
    found: dict[str, Any] = {
        "memory": {**step.memory._asdict(), "total": step.memory.total},
        "flops": {
            "compiler": step.flops,
            "model": step.model_flops / devices,
            "taken": roofline.flops_of_chip(step, devices),
        },
        "memory_traffic": step.traffic,
        "collectives": [
            {**collective._asdict(), "sent": collective.sent}
            for collective in step.network.collectives
        ],
        "loops": {"counted": step.network.loops, "of_unknown_length": step.network.open_loops},
        "compile_seconds": step.seconds,
    }
    if chips.chip is None or chips.chip.interconnect is None:
        return found
    times = roofline.times(step, chips.chip, chips)
    tokens = step.shape.tokens
    found["seconds"] = {
        **times._asdict(),
        "overlapped": times.overlapped,
        "one_by_one": times.one_by_one,
    }
    found["tokens_per_second"] = [tokens / times.one_by_one, tokens / times.overlapped]
    found["weak_scaling"] = [
        {
            "shape": "x".join(map(str, scaled.shape)),
            "devices": scaled.devices,
            "network_seconds": scaled.times.network,
            "tokens_per_second": list(scaled.tokens_per_second),
        }
        for scaled in roofline.weak_scaling(step, chips.chip, chips)
    ]
    return found


def _verdict(found: dict[str, Any]) -> str:
    batch, usable = found["batch"], found["memory_usable"] / GIB
    padded = f", filled up to {batch['padded_rows']}," if found["fits"] else ""
    padded = padded if batch["padded_rows"] != batch["rows"] else ""
    rows = f"{batch['rows']} rows{padded} of {batch['length']} tokens a side"
    if found["fits"]:
        total = found["memory"]["total"] / GIB
        return f"It fits: {total:.2f} of {usable:.2f} GiB a chip, for {rows}."
    needed = found.get("memory_needed")
    numbers = f": {needed / GIB:.2f} of {usable:.2f} GiB, for {rows}" if needed else ""
    return f"It does not fit: {found['why']}{numbers}."


def _details(found: dict[str, Any]) -> Iterator[str]:
    yield from ["", "Memory of a chip, GiB"]
    names = {"temporary": "activations and other temporaries", "results": "results held apart"}
    names["padding"] = "padding of the state to tiles"
    for name, size in found["memory"].items():
        yield f"  {names.get(name, name):34}{size / GIB:9.3f}"
    yield f"  {'usable, as the compiler says':34}{found['memory_usable'] / GIB:9.3f}"
    flops = found["flops"]
    yield from ["", "Work of a chip in a step"]
    yield f"  {'products by formula, GFLOP':34}{flops['model'] / 1e9:11,.1f}"
    once = ", bodies of loops once" if any(found["loops"].values()) else ""
    yield f"  {'counted by the compiler, GFLOP':34}{flops['compiler'] / 1e9:11,.1f}{once}"
    traffic = found["memory_traffic"] / MIB
    yield f"  {'operands and results, MiB':34}{traffic:11,.1f}{once}; what stays on the chip too"
    yield from _network(found)
    if "seconds" in found:
        yield from _speed(found)
    yield from ["", f"Compiled in {found['compile_seconds']:.0f} s."]


def _network(found: dict[str, Any]) -> Iterator[str]:
    yield from ["", "Between chips, in a step"]
    if not found["collectives"]:
        yield "  nothing"
    for one in found["collectives"]:
        times = f"{one['times']} x " if one["times"] > 1 else ""
        yield (
            f"  {one['kind']:34}{times}{one['bytes'] / MIB:,.3f} MiB over {one['group']} chips, "
            f"each sends {one['sent'] / MIB:,.3f} MiB"
        )
    unknown = found["loops"]["of_unknown_length"]
    if unknown:
        yield f"  {unknown} loops of unknown length are counted as one round."


def _speed(found: dict[str, Any]) -> Iterator[str]:
    seconds = found["seconds"]
    memory = f"{seconds['memory'] * 1e3:.2f} to {seconds['memory_at_most'] * 1e3:.2f}"
    slow, fast = found["tokens_per_second"]
    if any(found["loops"].values()):
        memory += ", of loops one round"
    yield from [
        *("", "Time of a step at the chip's peaks, ms"),
        f"  {'products (bfloat16)':34}{seconds['compute'] * 1e3:.2f}",
        f"  {'memory':34}{memory}",
        f"  {'network':34}{seconds['network'] * 1e3:.2f}",
        f"  {'together, overlapped ... in turn':34}"
        f"{seconds['overlapped'] * 1e3:.2f} ... {seconds['one_by_one'] * 1e3:.2f}",
        f"  {'target tokens a second':34}{fast:,.0f} ... {slow:,.0f}",
        *("", "Weak scaling: as many tokens a chip, target tokens a second"),
        f"  {'slice':12}{'chips':>6}{'network, ms':>14}{'in turn':>16}{'overlapped':>16}",
    ]
    for one in found["weak_scaling"]:
        slow, fast = one["tokens_per_second"]
        yield (
            f"  {one['shape']:12}{one['devices']:6}{one['network_seconds'] * 1e3:14.3f}"
            f"{slow:16,.0f}{fast:16,.0f}"
        )
    yield from [
        "Peaks are from data sheets, and no program reaches them: these are bounds, not forecasts.",
        "Sums go around rings, 2(n-1)/n of their bytes, over all links of a slice's corner chip;",
        "hops cost nothing. What joins several pods, a data centre's network, is not modelled.",
    ]
