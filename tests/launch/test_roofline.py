import pytest

from experiment.training.chips import chip_of
from launch.collectives import Collective, Found
from launch.roofline import bandwidth, flops_of_chip, times, weak_scaling
from tests.launch.made_up import chips, step

V5E = chip_of("TPU v5 lite")


def test_times_are_what_is_done_over_what_can_be_done_in_a_second():
    found = times(step(), V5E, chips())
    assert found.compute == pytest.approx(1e-3)  # 197 GFLOP at 197 TFLOP/s
    assert found.memory == pytest.approx(1e-3)  # 409.5 MB in and out, at 819 GB/s
    assert found.memory_at_most == pytest.approx(10e-3)
    # 2 * 7/8 * 100 MB over two of four links of 50 GB/s: no link leads around a slice of 2 x 4.
    assert found.network == pytest.approx(1.75e-3)
    assert found.overlapped == pytest.approx(1.75e-3)
    assert found.one_by_one == pytest.approx(1e-3 + 10e-3 + 1.75e-3)


def test_the_formula_is_taken_where_the_compiler_counts_a_loop_once():
    looped = step(flops=45e9, network=Found((), 1, 0))
    assert flops_of_chip(looped, 8) == pytest.approx(180e9)
    assert times(looped, V5E, chips()).compute == pytest.approx(180 / 197 * 1e-3)


def test_no_neighbour_no_network_time():
    alone = step(network=Found((Collective("all-reduce", 100, 1, 1),), 0, 0))
    assert times(alone, V5E, chips((1, 1))).network == 0


def test_a_whole_pod_uses_all_links():
    assert bandwidth(V5E, (16, 16)) == V5E.interconnect == 200e9
    assert bandwidth(V5E, (8, 8)) == 100e9


def test_weak_scaling_keeps_the_work_of_a_chip():
    scaled = list(weak_scaling(step(), V5E, chips()))
    assert [one.devices for one in scaled] == [8, 16, 32, 64, 128, 256]
    assert {one.times.compute for one in scaled} == {scaled[0].times.compute}
    here, whole_pod = scaled[0], scaled[-1]
    assert here.times == times(step(), V5E, chips())
    assert whole_pod.times.network == pytest.approx(2 * 255 / 256 * 1e8 / 200e9)
    tokens = 16 * 250
    assert here.tokens_per_second[1] == pytest.approx(tokens / here.times.overlapped)
    assert whole_pod.tokens_per_second[1] == pytest.approx(32 * tokens / whole_pod.times.overlapped)


def test_what_few_chips_say_to_each_other_stays_among_few():
    gather = Found((Collective("all-gather", 100_000_000, 4, 1),), 0, 0)
    scaled = list(weak_scaling(step(network=gather), V5E, chips()))
    assert scaled[-1].times.network == pytest.approx(3 / 4 * 1e8 / 200e9)
