import pytest

from launch import topology
from launch.topology import MemoryRefused, links_in_use, memory_refused, slice_of

GIB = 2**30


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
            "temporaries (42.78G) exceeds available HBM (15.75G).",
            MemoryRefused(round(42.78 * GIB), round(15.75 * GIB)),
        ),
        (
            "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory "
            "space hbm. Used 16.05G of 15.75G hbm. Exceeded hbm capacity by 306.07M.",
            MemoryRefused(round(16.05 * GIB), round(15.75 * GIB)),
        ),
        ("INTERNAL: something else", None),
    ],
)
def test_memory_that_is_refused_is_read_in_bytes(message, expected):
    assert memory_refused(message) == expected


@pytest.mark.parametrize(
    ("shape", "links", "expected"),
    [
        ((1, 1), 4, 0),
        ((2, 2), 4, 2),
        ((4, 4), 4, 2),  # a mesh: the corner has two neighbours
        ((8, 16), 4, 3),
        ((16, 16), 4, 4),
        ((2, 2, 1), 6, 2),
        ((2, 4, 4), 6, 3),  # not of whole cubes
        ((4, 4, 8), 6, 6),
    ],
)
def test_links_of_a_corner_chip(shape, links, expected):
    assert links_in_use(shape, links) == expected


@pytest.mark.parametrize("name", ["nonsense", "v5e", "v5e:", "v5e:4x", "v5e:0x4", "v5e-8"])
def test_a_name_that_is_no_slice_is_refused(name):
    with pytest.raises(ValueError, match=f"--topology={name} must be a generation of TPUs"):
        slice_of(name)


def refusing(message):
    def get_topology_desc(name, platform, **options):
        raise RuntimeError(message)

    return get_topology_desc


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "JAX TPU support not installed; cannot generate TPU topology. See https://...",
            r"^no TPU compiler is installed.*pip install 'attention-lab\[tpu\]'$",
        ),
        (
            "INVALID_ARGUMENT: Invalid TPU external name: TPU v9",
            "^--topology=v9:2x2 is not known: Invalid TPU external name: TPU v9. Known are v4:2x2",
        ),
    ],
)
def test_what_the_compiler_does_not_know_is_one_line(monkeypatch, message, said):
    monkeypatch.setattr(topology.topologies, "get_topology_desc", refusing(message))
    with pytest.raises(ValueError, match=said):
        slice_of("v9:2x2")
