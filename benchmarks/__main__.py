"""Measurements of this project, on this machine.

    python -m benchmarks batching [--config=... --config.SECTION.NAME=VALUE ...]
    python -m benchmarks decoding --workdir=RUN
    python -m benchmarks heads --workdir=RUN
    python -m benchmarks layers [--out=docs --lengths 64 128 256 512 --d_models 64 128 256 512]
    python -m benchmarks safety [--config=... --config.SECTION.NAME=VALUE ...]
    python -m benchmarks seeds [--seeds 2 4 --config=... --config.SECTION.NAME=VALUE ...]
    python -m benchmarks systems --workdirs RUN RUN ...

Each has a --help of its own.
"""

from benchmarks import batching, decoding, heads, layers, safety, seeds, systems
from experiment import command

BENCHMARKS = {
    "batching": batching.main,
    "decoding": decoding.main,
    "heads": heads.main,
    "layers": layers.main,
    "safety": safety.main,
    "seeds": seeds.main,
    "systems": systems.main,
}


def main(argv: list[str]) -> None:
    """Runs the benchmark that is named; without a name, `batching`."""
    arguments = command.parser(__doc__)
    arguments.add_argument("name", choices=BENCHMARKS, nargs="?", default="batching")
    named = argv[:1] if argv and not argv[0].startswith("--config") else []
    name = arguments.parse_args(named).name
    BENCHMARKS[name](argv[len(named) :])


if __name__ == "__main__":
    command.run(main)
