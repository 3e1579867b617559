"""What the TPU compiler really says. It is part of libtpu: where that is missing, these skip."""

import importlib.util
import json

import jax
import pytest

from experiment import training
from experiment.config_files import load_config
from launch import compile_for, report
from launch.program import Refused, Step, compile_step
from launch.suggestion import changed, first_that_fits
from launch.topology import slice_of
from model.transformer import Transformer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None,
    reason="libtpu, the TPU compiler, is not installed: pip install 'attention-lab[tpu]'",
)
SMALL = {
    "model.num_layers": 1,
    "model.d_model": 64,
    "model.d_ff": 128,
    "data.vocab_size": 128,
    "mesh.data": -1,
}
CONFIG = changed(load_config("configs/numbers.py"), SMALL)
SPREAD = {"mesh.fsdp": 2}
SCALARS = 64  # bytes: the sums of the losses and tokens, the square of the gradient


@pytest.fixture(scope="module")
def chips():
    return slice_of("v5e:2x4")


@pytest.fixture(scope="module")
def compiled(chips):
    """The steps of two configs, each compiled once: every chip has all, or two share parameters."""
    progress = training.Progress()
    steps = {
        "data": compile_step(CONFIG, chips, progress),
        "fsdp": compile_step(changed(CONFIG, SPREAD), chips, progress),
    }
    assert all(isinstance(step, Step) for step in steps.values())
    return steps


def params():
    model = Transformer(CONFIG.model.system_config(CONFIG.data.vocab_size))
    return jax.eval_shape(lambda: training.init_params(model, jax.random.key(0)))


def num_params():
    return training.num_params(params())


def test_there_is_one_sum_over_the_chips_and_it_is_of_the_gradients(compiled):
    (only,) = compiled["data"].network.collectives
    assert (only.kind, only.group, only.times) == ("all-reduce", 8, 1)
    assert 0 <= only.bytes - 4 * num_params() <= SCALARS


def test_spread_parameters_are_gathered_once_and_gradients_summed_once(compiled, chips):
    found = compiled["fsdp"].network.collectives
    assert {one.kind for one in found} == {"all-gather", "all-reduce"}
    gathers = [one for one in found if one.kind == "all-gather"]
    sizes = [size for size, whole in parameters(changed(CONFIG, SPREAD), chips) if not whole]
    assert sum(one.times for one in gathers) == len(sizes)
    # The chip multiplies in bfloat16, so the compiler rounds kernels before they are sent.
    assert 2 * sum(sizes) <= sum(one.times * one.bytes for one in gathers) <= 4 * sum(sizes)
    of_gradients, of_scalars = (one for one in found if one.kind == "all-reduce")
    assert (of_gradients.group, of_gradients.times) == (8, 1)
    assert 0 <= of_gradients.bytes - 4 * num_params() <= SCALARS
    assert of_scalars.bytes <= SCALARS  # the gradient's norm


def parameters(config, chips):
    """(numbers, whether every chip has them all) of each."""
    placement = training.Meshed(chips.devices, config.mesh)
    shardings = jax.tree.leaves(placement.state_shardings(params()))
    return [
        (leaf.size, sharding.is_fully_replicated)
        for leaf, sharding in zip(jax.tree.leaves(params()), shardings, strict=True)
    ]


def test_memory_is_what_the_state_takes_and_the_rest_is_named(compiled):
    memory = compiled["data"].memory
    assert memory.parameters == 4 * num_params()
    assert 0 <= memory.optimizer - 2 * memory.parameters <= SCALARS
    assert min(memory) >= 0
    assert memory.total == sum(memory) > memory.parameters + memory.optimizer


def test_spread_over_two_chips_the_state_is_half_as_large(compiled):
    whole, half = compiled["data"].memory, compiled["fsdp"].memory
    assert whole.parameters / 2 <= half.parameters < 0.52 * whole.parameters
    assert whole.optimizer / 2 <= half.optimizer < 0.52 * whole.optimizer


def test_the_compiler_counts_about_as_many_products_as_the_formula(compiled):
    step = compiled["data"]
    assert step.network.loops == step.network.open_loops == 0
    assert step.flops == pytest.approx(step.model_flops / 8, rel=0.5)


def test_a_batch_of_too_few_rows_is_not_compiled(chips):
    few = changed(CONFIG, {"train.tokens_per_batch": 7 * 48})
    refused = compile_step(few, chips, training.Progress())
    assert isinstance(refused, Refused)
    assert refused.why == "7 rows of 48 tokens cannot be split over 8 chips"


def test_what_cannot_fit_is_refused_by_the_compiler(chips):
    """4.2 GB of parameters, twice that of optimizer, and gradients, on chips of 16 GB."""
    large = {"model.d_model": 6144, "model.d_ff": 4 * 6144, "train.tokens_per_batch": 8 * 48}
    refused = compile_step(changed(CONFIG, large), chips, training.Progress())
    assert isinstance(refused, Refused)
    assert refused.memory.available == chips.usable_memory
    assert refused.memory.needed > chips.usable_memory > refused.state_bytes > 12e9


def test_a_suggestion_was_compiled_and_fits(chips):
    few = changed(CONFIG, {"train.tokens_per_batch": 7 * 48})
    progress = training.Progress()
    refused = compile_step(few, chips, progress)
    found = first_that_fits(few, refused, 8, lambda c, flags: compile_step(c, chips, progress))
    assert found.flags == "--config.train.tokens_per_batch=384"
    assert found.step.memory.total <= chips.usable_memory
    told = report.summary("few", chips, refused, found, instead_of_pmap=True)
    assert json.loads(json.dumps(told)) == told
    assert "7 rows of 48 tokens cannot be split over 8 chips" in report.text(told)
    assert "This does: --config.train.tokens_per_batch=384\nIt fits: " in report.text(told)


def test_the_command_prints_one_object(capsys, monkeypatch, compiled):
    def compiled_before(config, chips, progress):
        return compiled["data"] if config == CONFIG else pytest.fail("another config")

    monkeypatch.setattr(compile_for, "compile_step", compiled_before)
    flags = [f"--config.{name}={value}" for name, value in SMALL.items()]
    compile_for.main(["--config=configs/numbers.py", "--topology=v5e:2x4", "--json", *flags])
    found = json.loads(capsys.readouterr().out)
    assert found["fits"]
    assert found["memory"]["total"] == compiled["data"].memory.total
    assert found["collectives"][0]["kind"] == "all-reduce"
    assert [scaled["devices"] for scaled in found["weak_scaling"]][-1] == 256
