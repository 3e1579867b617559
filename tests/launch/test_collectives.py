import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from launch.collectives import Collective, collectives_of

ROUNDS, WIDTH = 5, 64
WEIGHT = WIDTH * WIDTH * 4


def compiled(function):
    """The text of its gradient, with weights spread over two devices and rows over four."""
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("data", "fsdp"))

    def shape(size, *spec):
        sharding = NamedSharding(mesh, PartitionSpec(*spec))
        return jax.ShapeDtypeStruct(size, jnp.float32, sharding=sharding)

    weights = shape((ROUNDS, WIDTH, WIDTH), None, "fsdp")
    step = jax.jit(jax.grad(function), out_shardings=weights.sharding)
    inputs = shape((32, WIDTH), ("data", "fsdp"))
    return step.lower(weights, inputs).compile().as_text()


def in_a_loop(weights, inputs):
    def layer(inputs, weight):
        return jnp.tanh(inputs @ weight), None

    return jax.lax.scan(layer, inputs, weights)[0].sum()


def one_by_one(weights, inputs):
    for weight in weights:
        inputs = jnp.tanh(inputs @ weight)
    return inputs.sum()


def reduced_bytes(text):
    found = collectives_of(text, 4)
    assert found.open_loops == 0
    kinds = ("all-reduce", "reduce-scatter")
    return sum(c.times * c.bytes for c in found.collectives if c.kind in kinds)


def test_a_loop_says_as_much_as_its_rounds_one_by_one():
    assert collectives_of(compiled(in_a_loop), 4).loops > 0
    assert collectives_of(compiled(one_by_one), 4).loops == 0
    assert reduced_bytes(compiled(in_a_loop)) == reduced_bytes(compiled(one_by_one))


def test_each_weight_is_gathered_and_its_gradient_reduced():
    found = collectives_of(compiled(one_by_one), 4).collectives
    gathers = [c for c in found if c.kind == "all-gather" and c.group == 2]
    assert sum(c.times * c.bytes for c in gathers) % WEIGHT == 0
    assert sum(c.times * c.bytes for c in gathers) >= ROUNDS * WEIGHT
    assert reduced_bytes(compiled(one_by_one)) >= ROUNDS * WEIGHT / 2


def program(*lines, others=""):
    body = "\n".join(f"  {line}" for line in lines)
    return f"HloModule m\n{others}\nENTRY %main (p: f32[8]) -> f32[8] {{\n{body}\n}}\n"


ARRAY = "f32[8,128]{1,0:T(8,128)}"
EIGHT = "replica_groups={{0,1,2,3,4,5,6,7}}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"%r = {ARRAY} all-reduce(%x), {EIGHT}", Collective("all-reduce", 4096, 8, 1)),
        (
            f"%r = ({ARRAY}, bf16[2]{{0}}, /*index=2*/f32[]{{:T(128)S(1)}}) all-reduce(%x, %y, %z)",
            Collective("all-reduce", 4096 + 4 + 4, 8, 1),
        ),
        (
            f"%r = {ARRAY} all-reduce-start(%x), replica_groups=[4,2]<=[8]",
            Collective("all-reduce", 4096, 2, 1),
        ),
        (
            "%r = (f32[2,128]{1,0}, f32[8,128]{1,0}) all-gather-start(%x), "
            "replica_groups=mesh['a'=4,'b'=2], device_ids=([2,4]T(1,0)) {'a'}, dimensions={0}",
            Collective("all-gather", 4096, 4, 1),
        ),
        (
            f"%r = f32[1,128]{{1,0}} reduce-scatter(%x), {EIGHT}, dimensions={{0}}",
            Collective("reduce-scatter", 4096, 8, 1),
        ),
        (f"%r = {ARRAY} all-to-all(%x), {EIGHT}", Collective("all-to-all", 4096, 8, 1)),
        (
            f"%r = ({ARRAY}, {ARRAY}, u32[]{{:S(2)}}, u32[]{{:S(2)}}) "
            "collective-permute-start(%x), source_target_pairs={{0,1},{1,0}}",
            Collective("collective-permute", 4096, 8, 1),
        ),
    ],
)
def test_kind_bytes_and_group_are_read(line, expected):
    assert collectives_of(program(line), 8).collectives == (expected,)


def test_the_end_of_a_collective_is_not_a_second_one():
    text = program(
        f"%s = {ARRAY} all-reduce-start(%x), {EIGHT}", f"%d = {ARRAY} all-reduce-done(%s)"
    )
    assert collectives_of(text, 8).collectives == (Collective("all-reduce", 4096, 8, 1),)


def test_pieces_of_one_collective_are_one():
    def piece(chain):
        return (
            f'%r = {ARRAY} all-gather(%x), channel_id=7, {EIGHT}, attributes={{chain_id="{chain}"}}'
        )

    found = collectives_of(program(piece(0), piece(0), piece(1)), 8).collectives
    assert found == (Collective("all-gather", 4096, 8, 2),)


def test_a_sum_of_which_a_part_is_kept_is_a_reduce_scatter():
    body = f"%r = {ARRAY} all-reduce(%p), {EIGHT}"
    fusion = f"%all-reduce-scatter.1 (p: f32[8]) -> f32[1] {{\n  {body}\n}}\n"
    text = program(
        "%f = f32[1,128] fusion(%x), kind=kCustom, calls=%all-reduce-scatter.1", others=fusion
    )
    assert collectives_of(text, 8).collectives == (Collective("reduce-scatter", 4096, 8, 1),)


LOOP = """%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %r = f32[8,128]{1,0} all-reduce(%x), replica_groups={{0,1,2,3,4,5,6,7}}
}

%condition (p: (s32[], f32[8])) -> pred[] {
  %n = s32[]{:T(128)} constant(6)
  ROOT %lt = pred[]{:T(512)} compare(%i, %n), direction=DIRECTION
}
"""


@pytest.mark.parametrize(
    ("direction", "times", "loops", "open_loops"), [("LT", 6, 1, 0), ("NE", 1, 0, 1)]
)
def test_a_loop_of_unknown_length_counts_once_and_is_named(direction, times, loops, open_loops):
    line = "%w = (s32[], f32[8]) while(%t), condition=%condition, body=%body"
    found = collectives_of(program(line, others=LOOP.replace("DIRECTION", direction)), 8)
    expected = (Collective("all-reduce", 4096, 8, times),)
    assert found == (expected, loops, open_loops)


def test_a_ring_sends_what_it_must():
    assert Collective("all-reduce", 800, 8, 1).sent == 2 * 7 * 100
    assert Collective("reduce-scatter", 800, 8, 2).sent == 2 * 7 * 100
    assert Collective("all-gather", 800, 1, 5).sent == 0
    assert Collective("collective-permute", 800, 2, 1).sent == 800
