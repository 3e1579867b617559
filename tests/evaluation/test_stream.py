import io

import pytest

from experiment.data import lines_of
from experiment.evaluation import translate_stream
from tests.evaluation.random_model import params, translator

BAD = b"the cat\n\xff\n\nmat\0\n" + b"cat mat " * 2_100 + b"\n" + b"x" * 1_000_001 + b"\nsat"


@pytest.mark.parametrize("at_once", [2, 1_000])
def test_as_many_lines_come_out_as_went_in_and_then_the_failures_are_summed_up(at_once):
    warnings, found = [], []
    lines = lines_of(io.BytesIO(BAD), "input")
    with pytest.raises(ValueError) as ended:
        for chunk in translate_stream(
            translator(), params(), lines, "input", warnings.append, at_once=at_once
        ):
            found += chunk
    assert [bool(hypotheses) for hypotheses in found] == [True, False, True, *3 * [False], True]
    assert [hypotheses[0].text for hypotheses in found if hypotheses] == translator().best(
        params(), ["the cat", "", "sat"]
    )
    assert str(ended.value) == (
        "4 of 7 lines of input could not be translated, as the warnings say; an empty line stands "
        "for each."
    )
    rest = "; an empty line stands for its translation"
    assert warnings == [
        f"warning: input, line 2, byte 1: not UTF-8 (byte 0xff){rest}",
        f"warning: input, line 4: a sentence must not hold a NUL character{rest}",
        f"warning: input, line 5: a sentence must have at most 4,096 tokens, this has 8,401{rest}",
        f"warning: input, line 6: a line must not exceed 1,000,000 bytes{rest}",
    ]


def test_lines_that_can_all_be_translated_end_in_silence():
    warnings = []
    chunks = translate_stream(translator(), params(), ["the cat", ""], "input", warnings.append)
    assert [len(chunk) for chunk in chunks] == [2]
    assert warnings == []
