"""Compiled programs are kept between runs, so that a restart does not compile again."""

import pathlib

import jax


def use_compilation_cache(cache_dir: pathlib.Path) -> None:
    """Keeps what JAX compiles under `cache_dir`, by JAX version, from now on in this process."""
    folder = cache_dir.expanduser() / "compiled" / f"jax-{jax.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
