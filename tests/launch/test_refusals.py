import pytest

from launch import compile_for, topology


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--topology=pod"], "--topology=pod must be a generation of TPUs"),
        (["--topology=v5e:4x4", "--config.model.width=3"], "no setting 'width'"),
        (["--topology=v5e:4x4", "--config.mesh.fsdp=3"], "mesh.fsdp=3 needs a mesh"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, flags, said):
    with pytest.raises(SystemExit) as stopped:
        compile_for.main(["--config=configs/numbers.py", *flags])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_missing_compiler_is_one_line_that_says_how_to_get_it(capsys, monkeypatch):
    def get_topology_desc(name, platform, **options):
        raise RuntimeError("JAX TPU support not installed; cannot generate TPU topology.")

    monkeypatch.setattr(topology.topologies, "get_topology_desc", get_topology_desc)
    with pytest.raises(SystemExit) as stopped:
        compile_for.main(["--config=configs/numbers.py", "--topology=v5e:4x4"])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("pip install 'attention-lab[tpu]'")
