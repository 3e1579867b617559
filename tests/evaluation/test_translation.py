import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiment.data import BOS_ID, EOS_ID
from experiment.evaluation import Translation, Translator, search
from experiment.evaluation.translation import FULL_BATCH_LENGTH
from model.decoding import Hypotheses
from model.transformer import one_sentence_a_row
from tests.evaluation.random_model import MODEL, decode_config, params, translator
from tests.made_up import vocabulary

LINES = ["the cat", "", "mat", "on the mat sat the cat", "  \t ", "sat", "die Katze saß auf"]
BLANK = [1, 4]


@pytest.fixture(scope="module")
def translated():
    return translator().translate(params(), LINES)


def test_every_line_has_its_own_translation(translated):
    assert len(translated) == len(LINES)
    # A model that always said the same would pass every test below.
    assert len({hypotheses[0].text for hypotheses in translated}) > 3


def test_line_with_nothing_to_read_becomes_empty(translated):
    for index in BLANK:
        assert translated[index] == [Translation("", 0.0)]
    assert all(translated[i][0].score < 0 for i in range(len(LINES)) if i not in BLANK)


def test_many_lines_are_translated_as_one_at_a_time(translated):
    for line, together in zip(LINES, translated, strict=True):
        (alone,) = translator().translate(params(), [line])
        assert [found.text for found in alone] == [found.text for found in together]
        np.testing.assert_allclose(
            [found.score for found in alone], [found.score for found in together], rtol=1e-4
        )


def test_translations_come_best_first(translated):
    for index, hypotheses in enumerate(translated):
        scores = [found.score for found in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len(hypotheses) == (1 if index in BLANK else 2)


def test_best_is_the_first(translated):
    assert translator().best(params(), LINES) == [found[0].text for found in translated]


def test_long_lines_are_searched_few_at_a_time():
    searched = []

    class Watched(Translator):
        def _rows(self, length):
            searched.append((length, super()._rows(length)))
            return searched[-1][1]

    watched = Watched(MODEL, vocabulary(), decode_config())
    lines = ["cat", "cat " * 300, "mat"]
    assert len(watched.best(params(), lines)) == 3
    full = decode_config().sentences_per_batch * FULL_BATCH_LENGTH
    assert all(rows == 1 or rows * length <= full for length, rows in searched)
    assert {rows for length, rows in searched if length > full} == {1}


def test_lines_somewhat_longer_than_a_full_batch_takes_are_searched_too(monkeypatch):
    # 65 to 80 tokens are padded to 80: fewer rows fit than for their own lengths.
    shapes = []

    def searched(params, source, limits, numbers, *, max_length, gates):
        shapes.append(source.shape)
        tokens = np.zeros((len(source), 1, max_length), np.int32)
        tokens[:, :, 0] = EOS_ID
        ones = np.ones((len(source), 1), np.float32)
        return Hypotheses(tokens, ones, ones, np.ones((len(source), 1), np.int32))

    many = Translator(MODEL, vocabulary(), decode_config(sentences_per_batch=16))
    monkeypatch.setattr(many, "_search", searched)
    lines = ["x" * size for size in range(64, 79)]
    assert {many.num_tokens(line) for line in lines} == set(range(66, 81))
    assert many.best({}, lines) == [""] * 15
    assert shapes == [(12, 80), (12, 80)]


def test_tokens_are_counted_with_the_end_of_the_sentence():
    assert translator().num_tokens("") == 1
    assert translator().num_tokens("cat") == len(vocabulary().encode("cat"))


def test_absurdly_long_line_is_refused():
    with pytest.raises(ValueError, match=r"at most 4,096 tokens; number 2 of those .* Split it\.$"):
        translator().translate(params(), ["cat", "cat mat " * 5_000])


def test_nothing_becomes_nothing():
    assert translator().translate(params(), []) == []


def rows_of(lines):
    """Source ids, padded, and how long a translation of each may be."""
    encoded = vocabulary().encode_all(lines)
    source = np.zeros((len(lines), 16), np.int32)
    for row, ids in enumerate(encoded):
        source[row, : len(ids)] = ids
    return source, (source > 0).sum(1).astype(np.int32) + 3


def test_beam_of_one_takes_the_best_token_each_time():
    source, limits = rows_of([LINES[i] for i in range(len(LINES)) if i not in BLANK])
    greedy = jax.jit(
        functools.partial(search, model=MODEL, config=decode_config(beam_size=1), max_length=19)
    )(params(), source, limits, np.zeros(len(source), np.int32))
    tokens, lengths = np.asarray(greedy.tokens[:, 0]), np.asarray(greedy.lengths[:, 0])
    inputs = np.concatenate([np.full((len(tokens), 1), BOS_ID, np.int32), tokens[:, :-1]], axis=1)
    logits = jax.jit(functools.partial(MODEL.apply, deterministic=True))(
        {"params": params()},
        one_sentence_a_row(jnp.asarray(source)),
        one_sentence_a_row(jnp.asarray(inputs)),
    )
    # Padding and beginnings are never said, and the limit may force the last token.
    best = np.asarray(jnp.argmax(logits.at[..., :EOS_ID].set(-jnp.inf), axis=-1))
    assert (lengths > 1).all()
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(tokens[row, : length - 1], best[row, : length - 1])


def test_translation_is_at_most_as_long_as_its_source_and_three_tokens(monkeypatch):
    seen, limited = [], translator()
    assert decode_config().max_extra_tokens == 3
    compiled = limited._search

    def noted(params, source, limits, numbers, *, max_length, gates):
        found = compiled(params, source, limits, numbers, max_length=max_length, gates=gates)
        seen.extend(zip((source > 0).sum(1).tolist(), found.lengths.max(1).tolist(), strict=True))
        return found

    monkeypatch.setattr(limited, "_search", noted)
    limited.translate(params(), LINES)
    # In tokens, ends included; rows without a source only fill the batch.
    assert all(length <= (source + 3 if source else 0) for source, length in seen)
    assert any(source and length == source + 3 for source, length in seen)


def test_progress_counts_every_line():
    told = []
    translator().translate(params(), LINES, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (len(LINES), len(LINES))


def test_line_break_that_a_model_spells_does_not_break_the_line(monkeypatch):
    spelled = [4 + ord("\n"), 4 + ord("\r"), *vocabulary().encode("cat")]
    assert vocabulary().pieces(spelled[:2]) == ["<0x0A>", "<0x0D>"]

    def spelling(params, source, limits, numbers, *, max_length, gates):
        tokens = np.zeros((len(source), 1, max_length), np.int32)
        tokens[:, :, : len(spelled)] = spelled
        ones = np.ones((len(source), 1), np.float32)
        return Hypotheses(tokens, ones, ones, np.full((len(source), 1), len(spelled), np.int32))

    speller = Translator(MODEL, vocabulary(), decode_config())
    monkeypatch.setattr(speller, "_search", spelling)
    (found,) = speller.best({}, ["the cat"])
    assert found.split() == ["cat"]
    assert found.splitlines() == [found]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=6).filter(lambda line: "\n" not in line), max_size=6))
def test_lines_in_are_lines_out(lines):
    found = translator().best(params(), lines)
    assert len(found) == len(lines)
    assert not any("\n" in line or "\r" in line for line in found)
