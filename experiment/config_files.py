"""Config files: a `configs/` file and the flags that change it -> an `ExperimentConfig`."""

import dataclasses
import difflib
import importlib.util
import pathlib
import re
import types
from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from experiment.config import ExperimentConfig, from_mapping


def load_config(path: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Returns the experiment of a `configs/` file, changed by flags like `--config.seed=1`.

    `path` may name one row of a file that holds several: `configs/table3.py:B1`.

    Raises:
      ValueError: in one line, if the file or the row is not there, a key is unknown, a value has
        the wrong type, or settings contradict each other.
    """
    file, colon, row = path.rpartition(":") if ":" in path else (path, "", "")
    if not pathlib.Path(file).is_file():
        raise ValueError(f"--config={file} is not a file.{_configs_beside(file)}")
    rows = rows_of(file)
    if colon and not rows:
        raise ValueError(f"--config={path} names a row, and {file} has none. Use --config={file}.")
    if colon and row not in rows:
        raise ValueError(f"--config={path} must name a row of {file}: {', '.join(rows)}.")
    argv = ["train.py", f"--config={path}", *overrides]
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_file(
            "config", lock_config=True, flag_values=values, sys_argv=argv
        )
        left_over = values(argv)[1:]
        settings = values.config.to_dict()
    except SyntaxError as error:
        raise ValueError(f"--config={path}, line {error.lineno}: {error.msg}.") from None
    except (flags.Error, AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(_one_line(error)) from None
    if left_over:
        raise ValueError(f"{left_over[0]!r} is no flag. Settings look like --config.seed=1.")
    config: ExperimentConfig = from_mapping(ExperimentConfig, settings)
    if not config.data.dir:
        return config
    # Whoever reads the config beside the run may stand in another folder.
    try:
        folder = str(pathlib.Path(config.data.dir).expanduser().absolute())
    except RuntimeError:
        raise ValueError(f"data.dir={config.data.dir}: there is no such user.") from None
    return dataclasses.replace(config, data=dataclasses.replace(config.data, dir=folder))


def rows_of(file: str | pathlib.Path) -> tuple[str, ...]:
    """Returns the names in `ROWS` of a config file that holds several experiments, else none.

    Raises:
      ValueError: in one line, if the file cannot be read as Python.
    """
    return tuple(getattr(_module(file), "ROWS", {}))


def published(file: str | pathlib.Path) -> dict[str, dict[str, float]]:
    """Returns `PUBLISHED` of a config file, {row: {"perplexity": ..., "bleu": ..., ...}}, or {}."""
    return dict(getattr(_module(file), "PUBLISHED", {}))


def _module(file: str | pathlib.Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("config_of_rows", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"--config={file} must be a Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"--config={file}, line {error.lineno}: {error.msg}.") from None
    except (AttributeError, ImportError, KeyError, NameError, TypeError) as error:
        raise ValueError(f"--config={file}: {_one_line(error)}") from None
    return module


def _configs_beside(path: str) -> str:
    folder = pathlib.Path(path).parent
    if pathlib.Path(path).is_dir():
        folder = pathlib.Path(path)
    names = [file.stem for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]
    near = difflib.get_close_matches(pathlib.Path(path).stem, names, 1) or names
    return f" {folder} has: {', '.join(near)}." if near else ""


def _one_line(error: BaseException) -> str:
    """Returns what absl and ml_collections say, in our words or at least in one line."""
    if isinstance(error, flags.UnrecognizedFlagError):
        return f"{'--' + error.flagname!r} is no flag. Settings look like --config.seed=1."
    message = str(error.args[0] if error.args else error).replace("\\n", "\n")
    wrong_type = re.match(r"flag --config\.(\S+?)=(.*): (invalid|could not convert)", message)
    if wrong_type:
        kind = "a whole number" if wrong_type[3] == "invalid" else "a number"
        return f"{wrong_type[1]}={wrong_type[2]!r} must be {kind}."
    below_a_value = re.search(r"does not exist .* Attempting to lookup: (\S+)", message)
    if below_a_value:
        return f"config has no setting {below_a_value[1]!r}."
    first, *rest = (line.strip(" '\"\\") for line in message.split("\n"))
    if isinstance(error, AttributeError | KeyError):
        near = [f"{line}?".replace("??", "?") for line in rest if line.startswith("Did you mean")]
        return " ".join([f"config has no setting {first!r}.", *near])
    return " ".join([first, *rest])
