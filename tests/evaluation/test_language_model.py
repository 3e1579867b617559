"""A language model that was never trained: what it is scored by, and what it writes."""

import functools
import math

import jax
import numpy as np
import pytest

from experiment.evaluation import Evaluator, Translator, of_texts, task_of
from experiment.training import evaluation_step, init_params, loss_of
from model.systems import system_of
from tests.evaluation.random_model import decode_config
from tests.made_up import config, vocabulary

CONFIG = config(model={"system": "decoder_only"}, data={"source_language": "nothing"})
MODEL = system_of(CONFIG.model.system_config(vocabulary().size))
TEXTS = ["the cat sat", "die  Katze", "", "on the mat"]
PROMPTS = ["the cat", "", "on", "the cat", ""]


@functools.cache
def params():
    init = jax.jit(functools.partial(init_params, MODEL))
    return jax.tree.map(lambda leaf: 3 * leaf, init(jax.random.key(0)))


@functools.cache
def translator(**changes):
    settings = {"temperature": 3.0, "beam_size": 2, "max_extra_tokens": 5, **changes}
    return Translator(MODEL, vocabulary(), decode_config(**settings), continues=True)


@functools.cache
def written():
    return translator().translate(params(), PROMPTS)


def test_scores_do_not_depend_on_how_texts_are_cut():
    # 3 + 2 + 0 + 3 words, 11 + 9 + 0 + 10 characters (two spaces are one), and four ends.
    scores = of_texts(30.0, TEXTS)
    assert scores["bits_per_character"] == pytest.approx(30 / math.log(2) / 34)
    assert scores["word_perplexity"] == pytest.approx(math.exp(30 / 12))


def test_texts_are_scored_and_nothing_is_written():
    step = functools.partial(evaluation_step, loss_fn=loss_of(MODEL, 0.1))
    evaluator = Evaluator(translator(), step, vocabulary(), (16,), 4, task_of(CONFIG))
    told = []
    pairs = [("", text) for text in TEXTS]
    scores, outputs = evaluator.score(params(), pairs, progress=lambda *done: told.append(done))
    assert outputs == []
    assert told == [(0, 4)]
    assert scores.keys() == {"nll", "perplexity", "bits_per_character", "word_perplexity"}
    pieces = sum(len(ids) for ids in vocabulary().encode_all(TEXTS))
    expected = of_texts(scores["nll"] * pieces, TEXTS)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_every_prompt_is_continued_an_empty_one_too():
    for prompt, found in zip(PROMPTS, written(), strict=True):
        assert len(found) == 2
        for text, score in found:
            assert text.startswith(prompt)
            added = len(vocabulary().encode(text)) - len(vocabulary().encode(prompt))
            assert added <= 5 or "\ufffd" in text  # bytes that are no character are cut anew
            assert score < 0
    assert len({each.score for found in written() for each in found}) == 10  # none drawn twice


def test_lines_keep_their_samples_in_other_company():
    later = translator().translate(params(), PROMPTS[3:], first=3)
    assert [[each.text for each in found] for found in later] == [
        [each.text for each in found] for found in written()[3:]
    ]
    scores = [[each.score for each in found] for found in written()[3:]]
    np.testing.assert_allclose([[e.score for e in found] for found in later], scores, rtol=1e-4)
    another = translator(seed=1).translate(params(), PROMPTS[:1])
    assert another[0][0].text != written()[0][0].text
