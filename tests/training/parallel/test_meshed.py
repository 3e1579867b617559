import dataclasses
import functools

import jax
import numpy as np
import pytest

from experiment.config import MeshConfig
from experiment.training import Meshed, adam, init_state, loss_of, place, train_step
from experiment.training.parallel.sharding import (
    LOGICAL_AXES,
    MESH_AXES,
    partition,
)
from model.systems import SYSTEMS, system_of
from tests.made_up import V, config, data_for

SIX = jax.devices()[:6]


@pytest.mark.parametrize(
    ("mesh", "shape"),
    [
        (MeshConfig(data=-1), (6, 1, 1)),
        (MeshConfig(data=-1, fsdp=2), (3, 2, 1)),
        (MeshConfig(data=1, fsdp=3, tensor=2), (1, 3, 2)),
    ],
)
def test_what_is_left_open_is_as_many_as_there_are(mesh, shape):
    assert Meshed(SIX, mesh).mesh.devices.shape == shape


@pytest.mark.parametrize(
    ("mesh", "way_out"),
    [
        (MeshConfig(data=4), "mesh.data=-1 for as many as are left"),
        (MeshConfig(data=12), "mesh.data=-1 for as many as are left"),
        (MeshConfig(data=-1, fsdp=4), "a mesh.fsdp and mesh.tensor whose product divides 6"),
        (MeshConfig(data=-1, tensor=12), "a mesh.fsdp and mesh.tensor whose product divides 6"),
    ],
)
def test_mesh_that_the_devices_do_not_fill_is_refused(mesh, way_out):
    with pytest.raises(ValueError) as refused:
        Meshed(SIX, mesh)
    assert str(refused.value) == (
        f"mesh.data={mesh.data}, mesh.fsdp={mesh.fsdp} and mesh.tensor={mesh.tensor} must multiply "
        f"to the number of devices, which is 6. Use {way_out}."
    )


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (MeshConfig(data=-1, fsdp=3), r"mesh.fsdp=3 must divide model.d_model=16 \(remainder 1\)."),
        (MeshConfig(data=-1, tensor=3), "mesh.tensor=3 must divide model.num_heads=2 .* Use 1,"),
        (MeshConfig(data=-1, tensor=6), "mesh.tensor=6 must divide model.num_heads=2 .* Use 2,"),
    ],
)
def test_model_that_the_mesh_does_not_divide_is_refused(mesh, message):
    with pytest.raises(ValueError, match=message):
        place(config(train={"tokens_per_batch": 640}, mesh=mesh), SIX)


def test_systems_with_heads_are_divided_by_them():
    model = {"system": "encoder_only", "num_heads": 3, "d_model": 24}
    mesh = MeshConfig(data=-1, tensor=2)
    run = config(model=model, data=data_for("encoder_only"), mesh=mesh)
    with pytest.raises(ValueError, match=r"mesh\.tensor=2 must divide model\.num_heads=3 "):
        place(run, jax.devices())


@pytest.mark.parametrize("system", ["recurrent", "convolutional"])
def test_systems_without_heads_are_divided_by_their_width(system):
    run = config(model={"system": system, "d_model": 20}, train={"tokens_per_batch": 640})
    for axis in ("fsdp", "tensor"):
        mesh = MeshConfig(data=-1, **{axis: 8})
        with pytest.raises(ValueError, match=f"mesh.{axis}=8 must divide model.d_model=20 "):
            place(dataclasses.replace(run, mesh=mesh), jax.devices())
        # Neither one head nor a hidden feature of a network stands in the way.
        other = dataclasses.replace(run.model, num_heads=3, d_ff=3)
        mesh = MeshConfig(data=-1, **{axis: 4})
        place(dataclasses.replace(run, model=other, mesh=mesh), jax.devices())


VARIANTS = [
    {},
    {"positions": "learned", "tied_embeddings": "none", "activation": "swiglu"},
    {"positions": "relative", "tied_embeddings": "target", "norm": "rms", "norm_placement": "pre"},
    {"system": "recurrent", "attention": "additive"},
    {"system": "convolutional", "tied_embeddings": "none"},
]


def abstract_state(run):
    model = system_of(run.model.system_config(V))
    init = functools.partial(init_state, model, adam(run))
    return jax.eval_shape(init, jax.random.key(0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_matrix_of_every_variant_has_named_axes(variant):
    params = abstract_state(config(model=variant)).params
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        axes = next((axes for end, axes in LOGICAL_AXES.items() if name.endswith(end)), None)
        assert leaf.ndim == 1 or (axes and len(axes) == leaf.ndim), name


@pytest.mark.parametrize("system", SYSTEMS)
def test_optimizer_is_spread_as_the_parameters_are(system):
    place = Meshed(jax.devices(), MeshConfig(data=2, fsdp=2, tensor=2))
    run = config(model={"system": system}, data=data_for(system))
    shardings = place.state_shardings(abstract_state(run))
    adam_state = shardings.opt_state[0]
    assert adam_state.mu == adam_state.nu == shardings.params
    spread = [sharding.spec for sharding in jax.tree.leaves(shardings.params)]
    assert {axis for spec in spread for axis in spec} == {None, *MESH_AXES.values()}


def test_each_device_holds_its_part_and_no_more():
    place = Meshed(jax.devices(), MeshConfig(data=2, fsdp=2, tensor=2))
    table = np.arange(24.0).reshape(6, 4)
    state = {"embedding": {"table": table}, "norm": {"scale": np.ones(4)}}
    on_devices = place.place_state(state)
    shapes = {shard.data.shape for shard in on_devices["embedding"]["table"].addressable_shards}
    assert shapes == {(3, 2)}
    assert on_devices["norm"]["scale"].is_fully_replicated


def test_axis_that_its_devices_do_not_divide_stays_whole():
    mesh = Meshed(jax.devices(), MeshConfig(data=2, fsdp=2, tensor=2)).mesh
    assert tuple(partition("embedding/table", (7, 4), mesh)) == (None, "fsdp")
    assert tuple(partition("embedding/table", (8, 4), mesh)) == ("tensor", "fsdp")


def test_compiled_step_gathers_and_reduces_once():
    """Of a step without tensor parallelism: parameters in, gradients out, nothing else."""
    run = config(train={"tokens_per_batch": 640}, mesh=MeshConfig(data=4, fsdp=2))
    placement, model = place(run, jax.devices()), system_of(run.model.system_config(V))
    step_fn = functools.partial(train_step, loss_fn=loss_of(model, 0.1), optimizer=adam(run))
    state = abstract_state(run)
    program = (
        placement.compile_train_step(step_fn)
        .lower(
            placement.abstract_state(state),
            placement.abstract_batch(40, 16),
            placement.abstract_rng(),
        )
        .compile()
        .as_text()
    )
    lines = [line for line in program.splitlines() if " = " in line]
    spread = jax.tree.leaves(placement.state_shardings(state.params))
    gathers = [line for line in lines if " all-gather(" in line]
    assert len(gathers) == sum(not sharding.is_fully_replicated for sharding in spread) > 10
    reduces = [line for line in lines if " all-reduce(" in line]
    gradients = [line for line in reduces if "f32[16,32]" in line]
    assert len(gradients) == 1
    assert not [line for line in lines if " all-to-all(" in line or " collective-permute(" in line]
