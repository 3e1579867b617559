"""What the chips say to each other in a step, read from the text of a compiled program.

The text is XLA's: computations of one instruction a line. A loop's body, a fusion's inside and an
asynchronous operation's are computations of their own, so an instruction runs as often as all that
call its computation do.
"""

import collections
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

KINDS = ("all-reduce", "reduce-scatter", "all-gather", "all-to-all", "collective-permute")
_ITEM_SIZES = {
    **dict.fromkeys(("pred", "s8", "u8", "f8e4m3fn", "f8e5m2"), 1),
    **dict.fromkeys(("s16", "u16", "f16", "bf16"), 2),
    **dict.fromkeys(("s32", "u32", "f32"), 4),
    **dict.fromkeys(("s64", "u64", "f64", "c64"), 8),
}
_COMPUTATION = re.compile(r"^(ENTRY )?%?(\S+) \(.*\{\s*$")
_COLLECTIVE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(
    r"(?:calls|to_apply|condition|true_computation|false_computation)=%?([^\s,)}]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")


class Collective(NamedTuple):
    """One collective operation of a step."""

    kind: str  # one of KINDS
    bytes: int  # of the whole array, before it is scattered or after it is gathered
    group: int  # chips that take part
    times: int  # a step

    @property
    def sent(self) -> float:
        """Bytes that a chip sends in a step, at least: as on a ring."""
        share = (self.group - 1) / self.group
        passes = {"all-reduce": 2 * share, "collective-permute": float(self.group > 1)}
        return self.times * self.bytes * passes.get(self.kind, share)


class Found(NamedTuple):
    """The collectives of a program, and whether their numbers are certain."""

    collectives: tuple[Collective, ...]
    loops: int  # that run a known number of times
    open_loops: int  # that run nobody knows how often; what is in them is counted once


def collectives_of(text: str, devices: int) -> Found:
    """Returns every collective of a program for so many devices; equal ones are one, added up."""
    computations, entry = _computations(text)
    counts: collections.Counter[tuple[str, int, int]] = collections.Counter()
    loops: list[int | None] = []
    seen: set[tuple[str, str]] = set()

    def visit(name: str, times: int) -> None:
        for line in computations.get(name, ()):
            found = _COLLECTIVE.search(line)
            if found and not _is_another_part(line, seen):
                counts[_kind_bytes_group(line, found, name, devices)] += times
            if " while(" in line:
                rounds = _rounds(line, computations)
                loops.append(rounds)
                body = re.search(r"body=%?([^\s,)}]+)", line)
                assert body is not None
                visit(body[1], times * (rounds or 1))
            elif not re.search(r" async-(update|done)\(", line):
                for called in _called(line):
                    visit(called, times)

    visit(entry, 1)
    collected = (
        Collective(kind, size, group, times)
        for (kind, size, group), times in sorted(counts.items(), key=lambda item: -item[0][1])
    )
    return Found(tuple(collected), sum(n is not None for n in loops), loops.count(None))


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    """Returns the lines of each computation, and the name of the one that is run."""
    computations: dict[str, list[str]] = {}
    entry, lines = "", list[str]()
    for line in text.splitlines():
        opening = None if line.startswith(" ") else _COMPUTATION.match(line)
        if opening:
            lines = computations[opening[2]] = []
            entry = opening[2] if opening[1] else entry
        else:
            lines.append(line)
    return computations, entry


def _called(line: str) -> Iterator[str]:
    yield from (match[1] for match in _CALLED.finditer(line))
    for branches in _BRANCHES.finditer(line):
        yield from (name.strip().removeprefix("%") for name in branches[1].split(","))


def _is_another_part(line: str, seen: set[tuple[str, str]]) -> bool:
    """Whether this is one more piece of a collective that goes on behind several operations.

    The compiler writes such a one into each operation that hides it, with a chain and a channel.
    """
    chain = re.search(r'chain_id="(\d+)"', line)
    channel = re.search(r"channel_id=(\d+)", line)
    if chain is None or channel is None:
        return False
    key = (chain[1], channel[1])
    if key in seen:
        return True
    seen.add(key)
    return False


def _kind_bytes_group(
    line: str, found: re.Match[str], computation: str, devices: int
) -> tuple[str, int, int]:
    shape, kind, starts = found[1], found[2], found[3]
    sizes = _sizes(shape)
    group = _group(line, devices)
    if starts and shape.startswith("(") and kind != "all-reduce":
        # What goes in stands before what comes out; a permutation adds two counters.
        sizes = sizes[: 2 * (len(sizes) // 2)]
        sizes = sizes[1:2] if kind == "collective-permute" else sizes[len(sizes) // 2 :]
    size = sum(sizes)
    if kind == "reduce-scatter":
        size *= group
    elif kind == "all-reduce" and computation.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"  # a fusion that keeps one part of the sum
    return kind, size, group


def _sizes(shape: str) -> list[int]:
    """Returns the bytes of each array in XLA's notation of a shape, padding left out.

    Example:
      >>> _sizes("(f32[128,4]{1,0:T(8,128)}, bf16[2]{0}, f32[]{:T(128)})")
      [2048, 4, 4]
    """
    arrays = re.findall(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,<=]*)\]", shape)
    return [
        _ITEM_SIZES[kind] * math.prod(int(n.strip("<=")) for n in axes.split(",") if n)
        for kind, axes in arrays
        if kind in _ITEM_SIZES
    ]


def _group(line: str, devices: int) -> int:
    """Returns how many chips speak with each other, in each of XLA's ways to write it."""
    if "source_target_pairs=" in line:
        return devices
    lists = re.search(r"replica_groups=\{\{([\d,]+)\}", line)
    if lists:
        return len(lists[1].split(","))
    iota = re.search(r"replica_groups=\[\d+,(\d+)\]<=", line)
    if iota:
        return int(iota[1])
    mesh = re.search(r"replica_groups=mesh\[([^\]]*)\].*?\{([^}]*)\}", line)
    if mesh:
        axes = {name: int(size) for name, size in re.findall(r"'([^']+)'=(\d+)", mesh[1])}
        named = re.findall(r"'([^']+)'", mesh[2])
        return math.prod(axes[name] for name in named)
    return devices


def _rounds(line: str, computations: Mapping[str, list[str]]) -> int | None:
    """Returns how often a loop runs: as noted beside it, or from 0 up to its condition's number."""
    known = re.search(r'known_trip_count"?:\{"n":"(\d+)"', line)
    if known:
        return int(known[1])
    condition = re.search(r"condition=%?([^\s,)}]+)", line)
    lines = computations.get(condition[1], []) if condition else []
    compares = [other for other in lines if re.search(r"ROOT .* compare\(", other)]
    constants = {
        match[1]: int(match[2])
        for other in lines
        if (match := re.search(r"%?(\S+) = s32\[\]\S* constant\((\d+)\)", other))
    }
    for compare in compares:
        operands = re.search(r"compare\([^,]*?%?([^\s,]+), [^,)]*?%?([^\s,)]+)\)", compare)
        if operands and operands[2] in constants and "direction=LT" in compare:
            return constants[operands[2]]
    return None
