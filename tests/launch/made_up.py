"""A slice and a step that nobody compiled, with numbers that divide easily."""

from types import SimpleNamespace

from launch.collectives import Collective, Found
from launch.program import Memory, Shape, Step
from launch.topology import Slice

GIB = 2**30


def chips(shape=(2, 4), kind="TPU v5 lite"):
    number = 1
    for size in shape:
        number *= size
    device = SimpleNamespace(device_kind=kind)
    name = "v5e:" + "x".join(map(str, shape))
    return Slice(name, (device,) * number, shape, 15 * GIB)


def step(**changes):
    """819 MB of state to read and to write, 197 GFLOP a chip, 100 MB to be summed."""
    memory = Memory(
        parameters=136_500_000,
        optimizer=273_000_000,
        batch=0,
        padding=1,
        temporary=GIB,
        results=2,
        code=3,
    )
    values = {
        "shape": Shape(rows=16, length=250, shards=8),
        "memory": memory,
        "flops": 197e9,
        "model_flops": 8 * 180e9,
        "traffic": 8.19e9,
        "network": Found((Collective("all-reduce", 100_000_000, 8, 1),), 0, 0),
        "seconds": 1.0,
    }
    return Step(**{**values, **changes})
