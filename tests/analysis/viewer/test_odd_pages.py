"""Pages of large models, of an output of nothing, of a script without spaces, in a real browser."""

import base64
import json

import pytest

from experiment.analysis.viewer import page
from tests.analysis.viewer.browser import chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


def evenly(layers, heads, queries, keys):
    """Weights in base64, all alike."""
    return base64.b64encode(bytes([255 // keys]) * (layers * heads * queries * keys)).decode()


def content(pieces, labels, *, layers=1, heads=1):
    inputs = ["<s>", *labels[:-1]]
    sizes = {
        "encoder": (len(pieces), len(pieces)),
        "decoder": (len(labels), len(inputs)),
        "cross": (len(labels), len(pieces)),
    }
    kinds = [{"kind": kind, "title": kind, "layers": layers, "heads": heads} for kind in sizes]
    weights = {kind: evenly(layers, heads, *its) for kind, its in sizes.items()}
    nothing = {kind: [None] * (layers * heads) for kind in sizes}
    encoder = {"encoder": weights.pop("encoder")}
    target = {
        **{"of": "output", "text": "", "inputs": inputs, "labels": labels, "weights": weights},
        **{"log_prob": -1.0, "changes": {kind: [0.0] * (layers * heads) for kind in sizes}},
    }
    sentence = {
        **{"source": "a", "reference": None, "output": "", "outputs": nothing, "pieces": pieces},
        **{"weights": encoder, "targets": [target]},
    }
    run = {"name": "odd", "facts": []}
    add = {"before": "", "after": "", "with": ""}
    return {"run": run, "kinds": kinds, "add": add, "sentences": [sentence]}


@pytest.fixture
def opened(browser, tmp_path):
    def opened(*arguments, fragment="", **options):
        path = tmp_path / "page.html"
        path.write_bytes(page(content(*arguments, **options)))
        browser.open(path, fragment)
        return browser

    yield opened
    assert browser.of("Runtime.exceptionThrown") == []


def texts(browser, selector):
    return browser.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)"
    )


def test_all_heads_of_a_base_model_are_shown(opened):
    words = [f"▁{number}" for number in range(59)]
    shown = opened([*words, "</s>"], [*words, "</s>"], layers=6, heads=8)
    assert len(texts(shown, "#grid button")) == 48
    assert texts(shown, "#heads-note")[0].count(f"the darkest is {(255 // 60) / 255:.2f}.") == 1


def test_end_of_an_empty_output_is_called_so(opened):
    shown = opened(["▁the", "▁cat", "</s>"], ["</s>"], fragment="#sentence=1&kind=decoder")
    assert texts(shown, "#queries bdi") == ["end"]
    assert texts(shown, "#keys bdi") == ["start"]


def test_a_script_without_spaces_begins_with_pieces(opened):
    shown = opened(["▁猫", "座", "垫", "</s>"], ["▁the", "▁cat", "</s>"])
    assert texts(shown, "#keys bdi") == ["猫", "座", "垫", "end"]
    assert shown.evaluate("document.querySelector('[name=unit]:checked').value") == "pieces"
