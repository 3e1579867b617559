import dataclasses

import numpy as np
import pytest

from experiment.analysis.heads import Translations, ablate, folded, without
from experiment.evaluation import translation_scores
from tests.analysis.heads.tiny import PAIRS, run

SOURCES = [source for source, _ in PAIRS]


@pytest.fixture(scope="module")
def translations():
    return Translations(run(), PAIRS)


@pytest.fixture(scope="module")
def sets(translations):
    removed = [[], *([head] for head in translations.heads)]
    return [without(translations.gates, heads) for heads in removed]


@pytest.fixture(scope="module")
def greedy():
    return run().translator(dataclasses.replace(run().config.decode, beam_size=1))


def test_all_at_once_say_what_each_says_alone(translations, sets, greedy):
    found = list(translations.texts(sets))
    assert found == [greedy.best(run().params, SOURCES, gates=gates) for gates in sets]
    assert len({tuple(lines) for lines in found}) > 6  # removal is heard


def test_gates_through_the_search_are_rows_at_zero(sets):
    """With a beam, too."""
    translator = run().translator()
    by_gates = translator.best(run().params, SOURCES, gates=sets[3])
    assert by_gates == translator.best(folded(run().params, sets[3]), SOURCES)
    assert by_gates != translator.best(run().params, SOURCES)


def test_bleu_is_that_of_the_translations(translations, sets):
    references = ["die Katze saß auf der Matte"] * len(PAIRS)
    other = Translations(run(), list(zip(SOURCES, references, strict=True)))
    lines = next(translations.texts(sets[:1]))
    scores = translation_scores(lines, references, tokenizer="moses", language="de")
    np.testing.assert_allclose(other.bleu(sets[:1]), [scores["sacrebleu"]])


def test_ablation_has_the_change_of_loss_and_bleu(translations, sets):
    told = []
    table = ablate(run(), PAIRS, sentences=3, say=told.append)
    few = Translations(run(), PAIRS[:3]).bleu(sets)
    np.testing.assert_allclose(table["bleu_change"], few[1:] - few[0])
    np.testing.assert_allclose(table["loss"] - table["loss_change"], table.attrs["loss"])
    assert told[0] == "the loss without each of 12 heads"


def test_run_that_does_not_translate_has_no_bleu():
    trees = {
        "corpus": "treebank",
        "dir": "trees",
        "source_language": "words",
        "target_language": "tree",
    }
    data = dataclasses.replace(run().config.data, **trees)
    config = dataclasses.replace(run().config, data=data)
    with pytest.raises(ValueError, match=r"this run is of parsing and there are 5\. Ask for"):
        Translations(dataclasses.replace(run(), config=config), PAIRS)
