import pytest

from experiment.training.chips import GPUS, TPUS, chip_of


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80 GB PCIe"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L4", "L4"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla T4", "T4"),
        ("TPU v5 lite", "TPU v5e"),
        ("TPU v5", "TPU v5p"),
    ],
)
def test_device_is_known_by_what_jax_calls_it(kind, name):
    assert chip_of(kind).name == name


@pytest.mark.parametrize("kind", ["cpu", "NVIDIA T400", "NVIDIA GH200 480GB", "TPU v99"])
def test_of_a_device_that_only_sounds_alike_nothing_is_known(kind):
    assert chip_of(kind) is None


def test_peaks_are_of_one_device_in_plain_units():
    """A device does 50 to 1,200 products for each byte of memory that it can read meanwhile."""
    for chip in [*GPUS.values(), *TPUS.values()]:
        assert 50 < chip.flops / chip.bandwidth < 1_200, chip.name
        assert 8e9 <= chip.memory <= 200e9, chip.name
