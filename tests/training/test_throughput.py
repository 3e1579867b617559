import types

import pytest

from experiment.training import RATES, TIMES
from experiment.training.chips import TPUS
from experiment.training.throughput import rates


def devices(count, kind):
    return [types.SimpleNamespace(device_kind=kind) for _ in range(count)]


def not_to_be_called():
    raise AssertionError("computed although nobody can compare it with anything")


def test_rates_where_the_peak_is_known():
    peak = TPUS["TPU v4"].flops
    found = rates(6_000, 2.0, devices(4, "TPU v4"), lambda: 3 * peak)
    assert found == {
        "target_tokens_per_second": 3_000,
        "target_tokens_per_second_per_device": 750,
        "mfu": 3 / 2 / 4,
    }
    assert tuple(found) == RATES


def test_without_a_peak_there_is_no_utilisation():
    found = rates(6_000, 2.0, devices(2, "cpu"), not_to_be_called)
    assert found == {
        "target_tokens_per_second": 3_000,
        "target_tokens_per_second_per_device": 1_500,
    }


def test_where_nothing_is_known_of_the_model_there_is_no_utilisation():
    assert "mfu" not in rates(6_000, 2.0, devices(2, "TPU v4"), None)


def test_where_devices_are_not_known_there_is_the_rate_of_all():
    assert rates(6, 2.0, (), not_to_be_called) == {"target_tokens_per_second": 3}


@pytest.mark.parametrize("name", ["loss", "nll", "skipped_updates", "step", "kind"])
def test_what_a_run_computes_is_no_time(name):
    assert name not in TIMES
