"""What a page is given to show, against what the model says when it is asked directly."""

import base64

import numpy as np
import pytest

from experiment.analysis.sentences import batch_of, pieces_of
from experiment.analysis.sites import Site
from experiment.analysis.viewer import Given, Removals, data, look
from experiment.analysis.viewer.data import encoded, estimate
from experiment.analysis.weights import attention_weights
from tests.analysis.viewer.tiny import tiny_run

GIVEN = [Given("the cat sat", "die Katze"), Given("on the mat the cat sat on")]
ROUNDED = 0.5 / 255 + 1e-6


@pytest.fixture(scope="module")
def run():
    return tiny_run()


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def recorded():
    """What the removals of `content` have answered, by what they were asked."""
    return {}


@pytest.fixture(scope="module")
def content(run, said, recorded):
    class Recording(Removals):
        def outputs(self, source):
            return recorded.setdefault((source,), super().outputs(source))

        def log_probs(self, source, target):
            return recorded.setdefault((source, target), super().log_probs(source, target))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "Removals", Recording)
        return look(run, GIVEN, run.config.decode, said.append)


def decoded(text, *shape):
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape) / 255


def test_bytes_are_in_the_order_of_layers_heads_queries_keys():
    cross = {Site("cross", layer): np.zeros((2, 2, 4, 5), np.float32) for layer in (0, 1)}
    cross[Site("cross", 1)][1, 0, 2, 1] = 0.2
    bytes_of_row = base64.b64decode(encoded(cross, 1, source=3, target=4)["cross"])
    assert len(bytes_of_row) == 2 * 2 * 4 * 3
    (place,) = np.flatnonzero(np.frombuffer(bytes_of_row, np.uint8))
    assert place == ((1 * 2 + 0) * 4 + 2) * 3 + 1
    assert bytes_of_row[place] == round(0.2 * 255)


def test_weights_are_the_models_to_half_a_byte(run, content):
    shown = [(one, target) for one in content["sentences"] for target in one["targets"]]
    pairs = [(sentence["source"], target["text"]) for sentence, target in shown]
    expected = attention_weights(run.model, run.params, batch_of(run.vocabulary, pairs))
    for row, (sentence, target) in enumerate(shown):
        source, written = len(sentence["pieces"]), len(target["labels"])
        sizes = {
            "encoder": (source, source),
            "decoder": (written, written),
            "cross": (written, source),
        }
        kept = sentence["weights"] | target["weights"]
        assert kept.keys() == sizes.keys()
        for site, weights in expected.items():
            queries, keys = sizes[site.kind]
            found = decoded(kept[site.kind], 2, 2, queries, keys)[site.layer]
            real = weights[row, :, :queries, :keys]
            np.testing.assert_allclose(found, real, rtol=0, atol=ROUNDED)


def test_targets_are_the_output_and_the_reference_where_there_is_one(run, content):
    first, second = content["sentences"]
    outputs = run.translator().best(run.params, [given.source for given in GIVEN])
    assert [sentence["output"] for sentence in (first, second)] == outputs
    assert [(one["of"], one["text"]) for one in first["targets"]] == [
        ("output", outputs[0]),
        ("reference", "die Katze"),
    ]
    assert [one["of"] for one in second["targets"]] == ["output"]
    pieces = pieces_of(run.vocabulary, "the cat sat", "die Katze")
    assert first["pieces"] == pieces.source
    assert first["targets"][1]["inputs"] == pieces.inputs
    assert first["targets"][1]["labels"] == pieces.labels


def test_removals_stand_under_their_kind_layer_by_layer(content, recorded):
    kinds = ("encoder", "decoder", "cross")
    for sentence in content["sentences"]:
        output, *others = recorded[sentence["source"],]
        shown = [one for kind in kinds for one in sentence["outputs"][kind]]
        assert [output if one is None else one for one in shown] == others
        for target in sentence["targets"]:
            whole, *without = recorded[sentence["source"], target["text"]]
            assert target["log_prob"] == pytest.approx(whole, abs=1e-3)
            changes = [one for kind in kinds for one in target["changes"][kind]]
            np.testing.assert_allclose(changes, np.array(without) - whole, atol=1e-3)


def test_kinds_say_how_many_layers_and_heads_there_are(content):
    kinds = [(each["kind"], each["layers"], each["heads"]) for each in content["kinds"]]
    assert kinds == [("encoder", 2, 2), ("decoder", 2, 2), ("cross", 2, 2)]


def test_how_far_it_is_is_said_before_each_sentence(content, said):
    assert said[:2] == [
        "sentence 1 of 2, without each of 12 heads: compiling first",
        "sentence 2 of 2, without each of 12 heads: compiling first",
    ]


def test_the_first_sentence_is_not_counted_on():
    ended = [100.0, 110.0, 130.0]  # before 100.0 it was compiled for
    assert estimate(ended, 7, 3) == "sentence 4 of 7, without each of 3 heads: about 1m00s left"


def test_a_language_model_has_a_text_and_no_output():
    run = tiny_run("decoder_only")
    content = look(run, [Given("", "die Katze saß")], run.config.decode)
    assert [each["kind"] for each in content["kinds"]] == ["decoder"]
    (sentence,) = content["sentences"]
    (target,) = sentence["targets"]
    assert (target["of"], target["text"]) == ("text", "die Katze saß")
    assert "outputs" not in sentence
    assert len(target["changes"]["decoder"]) == 4
    size = len(target["labels"])
    weights = decoded(target["weights"]["decoder"], 2, 2, size, size)
    np.testing.assert_array_equal(weights, np.tril(weights))


def test_an_encoder_has_labels_and_one_kind_of_heads():
    run = tiny_run("encoder_only")
    given = [Given(run.task.read("the cat sat"), "good")]
    content = look(run, given, run.config.decode)
    assert [each["kind"] for each in content["kinds"]] == ["encoder"]
    (sentence,) = content["sentences"]
    assert [target["of"] for target in sentence["targets"]] == ["output", "reference"]
    assert len(sentence["outputs"]["encoder"]) == 4
    size = len(sentence["pieces"])
    rows = decoded(sentence["weights"]["encoder"], 2, 2, size, size).sum(-1)
    np.testing.assert_allclose(rows, 1.0, atol=size * ROUNDED)


def test_no_sentences_are_refused(run):
    with pytest.raises(ValueError, match="at least one sentence"):
        look(run, [], run.config.decode)
