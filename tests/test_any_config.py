"""Whatever a setting is given, there is a config or one line that names the setting."""

import copy
import dataclasses
import math
import pathlib
import typing
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiment.config import ExperimentConfig, from_mapping
from experiment.config_files import load_config
from tests.made_up import config

FILE = str(pathlib.Path(__file__).parent.parent / "configs" / "wmt14_base.py")
ANY = settings(derandomize=True, deadline=None, max_examples=100)


def keys(kind=ExperimentConfig, prefix=""):
    """Every setting, as "section.name"."""
    types = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(types[field.name]):
            yield from keys(types[field.name], f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


KEYS = sorted(keys())
NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31 - 1, 2**31, 2**64, 10**30, 10**400]),
    st.sampled_from([1, -1]).map(lambda sign: sign * 10**5000),  # has no repr
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324]),
)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(), st.binary())
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), inner, max_size=2),
    ),
    max_leaves=5,
)
ON_THE_COMMAND_LINE = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    NUMBERS.filter(lambda number: abs(number) < 10**1000).map(
        lambda number: hex(number) if isinstance(number, int) else repr(number)
    ),
    st.sampled_from(
        [
            "9" * 5000,
            "(" * 300,
            "(8,",
            "((8,16),)",
            "{}",
            "None",
            "[]",
            "1e400",
            "--",
            "~no_such_user/x",
        ]
    ),
)


def check_message(error, key):
    message = str(error)
    assert len(message.splitlines()) == 1
    assert not any(unicodedata.category(character) == "Cc" for character in message)
    assert key in message


@pytest.mark.parametrize("key", KEYS)
@settings(ANY, max_examples=25)
@given(value=VALUES)
def test_any_value_of_a_setting_is_accepted_or_refused_by_its_name(key, value):
    mapping = copy.deepcopy(config().resolved())
    *sections, name = key.split(".")
    inner = mapping
    for section in sections:
        inner = inner[section]
    inner[name] = value
    try:
        assert isinstance(from_mapping(ExperimentConfig, mapping), ExperimentConfig)
    except ValueError as error:
        check_message(error, key)


@pytest.mark.parametrize("key", KEYS)
@settings(ANY, max_examples=8)
@given(value=ON_THE_COMMAND_LINE)
def test_any_flag_is_accepted_or_refused_by_its_name(key, value):
    try:
        assert isinstance(load_config(FILE, [f"--config.{key}={value}"]), ExperimentConfig)
    except ValueError as error:
        check_message(error, key)


@ANY
@given(mapping=st.dictionaries(st.one_of(st.text(), st.integers()), VALUES, max_size=3))
def test_any_mapping_is_refused_in_one_line(mapping):
    with pytest.raises(ValueError) as refused:
        from_mapping(ExperimentConfig, mapping)
    check_message(refused.value, "")


@ANY
@given(
    flag=st.one_of(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
        st.text(st.characters(codec="ascii", exclude_characters="\0")).map(
            lambda text: f"--config.{text}"
        ),
        st.text(st.characters(codec="ascii", exclude_characters="\0")).map(
            lambda text: f"--{text}"
        ),
    )
)
@example("--config.model")
@example("--config.")
@example("--config")
@example("--")
@example("--config=")
@example("--help")
def test_any_word_behind_the_command_is_a_flag_or_refused_in_one_line(flag):
    try:
        assert isinstance(load_config(FILE, [flag]), ExperimentConfig)
    except ValueError as error:
        check_message(error, "")
