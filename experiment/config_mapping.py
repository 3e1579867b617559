"""Settings by name, as JSON or a `configs/` file has them -> dataclasses: names and types checked.

What values they may have is said in `config.py`, beside the dataclasses.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

MOST = 2**31 - 1  # steps, sizes and seeds are numbers of 32 bits on a device


def from_mapping(kind: type[Any], mapping: Mapping[Any, Any], prefix: str = "") -> Any:
    """Returns the dataclass `kind` with the values of `mapping`, nested alike.

    A value may be missing only where `kind` has a default: a run from before there was such a
    setting has it.

    Raises:
      ValueError: if a key is unknown or missing, or a value has the wrong type.
    """
    types_of = typing.get_type_hints(kind)
    for key in mapping:
        if key not in types_of:
            shown = key if str(key).isidentifier() else _shown(key)
            near = difflib.get_close_matches(str(key), types_of, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"{prefix}{shown} is not a setting.{hint}")
    for field in dataclasses.fields(kind):
        has_value = field.name in mapping or field.default is not dataclasses.MISSING
        require(has_value, f"{prefix}{field.name} is missing from the config.")
    return kind(
        **{
            key: _typed(wanted, mapping[key], prefix + key)
            for key, wanted in types_of.items()
            if key in mapping
        }
    )


def _typed(wanted: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        require(
            isinstance(value, Mapping), f"{name}={_shown(value)} must be a section of settings."
        )
        return from_mapping(typing.cast(type, wanted), value, f"{name}.")
    if typing.get_origin(wanted) is tuple:
        require(
            isinstance(value, list | tuple) and all(type(item) is int for item in value),
            f"{name}={_shown(value)} must be whole numbers, such as (16, 32).",
        )
        return tuple(_typed(int, item, name) for item in value)
    if isinstance(wanted, types.UnionType):
        return None if value is None else _typed(typing.get_args(wanted)[0], value, name)
    kinds = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    require(fits, f"{name}={_shown(value)} must be {kinds[wanted]}.")
    if type(value) is int:
        require(abs(value) <= MOST, f"{name}={_shown(value)} must be at most {MOST:,}.")
    if type(value) is str:
        require(
            not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", value),
            f"{name}={_shown(value)} must not hold control characters.",
        )
    return wanted(value)


def _shown(value: Any) -> str:
    """Returns `repr` in a line that can be read, whatever the value."""
    try:
        shown = repr(value)
    except ValueError:  # of a whole number that is too long to write
        return "(a very long number)"
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


def require(condition: bool, message: str) -> None:
    """Raises ValueError with `message` where `condition` does not hold."""
    if not condition:
        raise ValueError(message)
