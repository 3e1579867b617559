import pytest

from experiment.config_files import load_config
from launch.program import Refused, Shape
from launch.suggestion import candidates, changed, first_that_fits
from launch.topology import MemoryRefused

GIB = 2**30
CONFIG = changed(load_config("configs/wmt14_big.py"), {"mesh.data": -1})


def refused(needed, state=2.5, rows=64, shards=8, usable=16):
    memory = MemoryRefused(int(needed * GIB), usable * GIB)
    return Refused(Shape(rows, 256, shards), "too much", int(state * GIB), memory)


class Compiler:
    """Says that a config fits if the given test says so; keeps what it was asked."""

    def __init__(self, fits):
        self.fits, self.asked = fits, []

    def __call__(self, config, flags):
        self.asked.append(flags)
        return "compiled" if self.fits(config) else refused(20)


def test_the_cheapest_change_comes_first():
    compiler = Compiler(lambda config: True)
    found = first_that_fits(CONFIG, refused(20), 8, compiler)
    assert found.flags == "--config.model.dtype=bfloat16"
    assert found.config.model.dtype == "bfloat16"
    assert found.step == "compiled"


def test_changes_are_added_one_to_the_other_until_it_fits():
    compiler = Compiler(lambda config: 0 < config.mesh.tokens_per_device <= 512)
    found = first_that_fits(CONFIG, refused(20), 8, compiler)
    assert compiler.asked == [
        "--config.model.dtype=bfloat16",
        "--config.model.dtype=bfloat16 --config.mesh.tokens_per_device=1024",
        "--config.model.dtype=bfloat16 --config.mesh.tokens_per_device=512",
    ]
    assert found.flags == compiler.asked[-1]


def test_what_is_computed_again_and_what_is_spread_come_last():
    names = [" ".join(changes) for changes in candidates(CONFIG, refused(20), 8)]
    first = {name: min(i for i, found in enumerate(names) if name in found) for name in NAMES}
    assert sorted(NAMES, key=first.get) == NAMES


NAMES = ["model.dtype", "mesh.tokens_per_device", "model.remat", "mesh.fsdp"]


def test_language_model_can_compute_its_activations_again():
    settings = {"model.system": "decoder_only", "data.source_language": "nothing"}
    found = candidates(changed(CONFIG, settings), refused(20), 8)
    assert any("model.remat" in changes for changes in found)


def test_encoder_alone_can_be_computed_again():
    data = {"data.corpus": "labelled_text", "data.dir": "text"}
    config = changed(CONFIG, {"model.system": "encoder_only", **data})
    assert any("model.remat" in changes for changes in candidates(config, refused(20), 8))


@pytest.mark.parametrize("system", ["recurrent", "convolutional"])
def test_nothing_is_tried_that_a_system_does_not_have(system):
    config = changed(CONFIG, {"model.system": system})
    found = list(candidates(config, refused(20), 8))
    assert found
    assert all("model.remat" not in changes for changes in found)
    assert all(changed(config, changes).model.system == system for changes in found)


def test_what_cannot_be_enough_is_not_tried():
    # 97.5 GiB of activations, with bfloat16 39: a quarter of the rows is 9.75, beside the state.
    (first, *_) = candidates(CONFIG, refused(100), 8)
    assert first == {"model.dtype": "bfloat16", "mesh.tokens_per_device": 512}


def test_a_state_too_large_for_a_chip_is_spread():
    found = list(candidates(CONFIG, refused(45, state=40), 8))
    assert {changes["mesh.fsdp"] for changes in found} == {4, 8}
    assert {changes["mesh.data"] for changes in found} == {-1}


def test_what_is_set_already_is_not_suggested():
    config = changed(CONFIG, {"model.dtype": "bfloat16", "model.remat": True})
    found = [name for changes in candidates(config, refused(20), 8) for name in changes]
    assert "model.dtype" not in found
    assert "model.remat" not in found


def test_too_few_rows_become_one_a_chip():
    few = Refused(Shape(97, 256, 256), "too few", 0)
    compiler = Compiler(lambda config: True)
    found = first_that_fits(CONFIG, few, 256, compiler)
    assert found.flags == "--config.train.tokens_per_batch=65536"
    assert found.config.train.tokens_per_batch // found.config.longest_row == 256


def test_one_row_a_chip_that_is_too_much_is_changed_further():
    few = Refused(Shape(97, 256, 256), "too few", 0)
    compiler = Compiler(lambda config: config.model.dtype == "bfloat16")
    found = first_that_fits(CONFIG, few, 256, compiler)
    assert found.flags == ("--config.train.tokens_per_batch=65536 --config.model.dtype=bfloat16")


def test_no_change_that_fits_is_no_suggestion():
    compiler = Compiler(lambda config: False)
    assert first_that_fits(CONFIG, refused(20), 8, compiler) is None
    assert 1 < len(compiler.asked) <= 8


def test_a_mesh_that_does_not_divide_the_model_is_left_out():
    odd = changed(CONFIG, {"model.d_model": 1020, "model.num_heads": 15})
    found = list(candidates(odd, refused(45, state=40), 8))
    assert {changes["mesh.fsdp"] for changes in found} == {4}  # 8 does not divide 1020


def test_a_change_that_contradicts_the_rest_is_refused():
    with pytest.raises(ValueError, match="mesh"):
        changed(CONFIG, {"mesh.data": 0, "mesh.fsdp": 2})
