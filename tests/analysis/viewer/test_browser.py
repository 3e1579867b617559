"""The page in a real browser: pressed, looked at, and asked whether anything else ran."""

import base64
import json

import numpy as np
import pytest

from experiment.analysis.viewer import page
from tests.analysis.viewer.browser import chromium

HOSTILE = '</script><script>window.ran = 1</script><img src=x onerror="window.ran = 2"> \u2028"\'`'
SOURCE, INPUTS = ["▁the", "▁ca", "t", "</s>"], ["<s>", "▁ein", "▁Hund"]
ROOM = {"encoder": (4, 4), "decoder": (3, 3), "cross": (3, 4)}

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


def weights(kind, seed):
    """Two layers of two heads, as bytes whose rows add up to 255."""
    queries, keys = ROOM[kind]
    random = np.random.default_rng(seed)
    return random.multinomial(255, np.ones(keys) / keys, size=(2, 2, queries)).astype(np.uint8)


WEIGHTS = {kind: weights(kind, seed) for seed, kind in enumerate(ROOM)}


def in_base64(kind):
    return base64.b64encode(WEIGHTS[kind].tobytes()).decode()


def target(of, text):
    return {
        **{"of": of, "text": text, "inputs": INPUTS, "labels": [*INPUTS[1:], "</s>"]},
        **{"weights": {kind: in_base64(kind) for kind in ("decoder", "cross")}, "log_prob": -3.5},
        "changes": {kind: [-0.5, 0.25, -2.25, 0.0] for kind in ROOM},
    }


def sentence(source, without):
    return {
        **{"source": source, "reference": "eine Katze", "output": "ein Hund", "pieces": SOURCE},
        "outputs": {kind: [None, None, without, "ein"] for kind in ROOM},
        "weights": {"encoder": in_base64("encoder")},
        "targets": [target("output", "ein Hund"), target("reference", "eine Katze")],
    }


CONTENT = {
    "run": {"name": HOSTILE, "facts": ["translation"]},
    "kinds": [
        {"kind": kind, "title": f"{kind}-attention", "layers": 2, "heads": 2} for kind in ROOM
    ],
    "add": {"before": "printf '%s\\n' ", "after": " | python -m viewer", "with": ""},
    "sentences": [sentence("the cat", "ein <b>Hase</b>"), sentence(HOSTILE, HOSTILE)],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page(CONTENT))
    return path


@pytest.fixture
def shown(browser, file):
    """The page, opened afresh; after the test, whether it complained or asked for anything."""
    browser.open(file)
    yield browser
    assert browser.evaluate("window.ran") is None
    complaints = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert [browser.of(complaint) for complaint in complaints] == [[], [], []]
    asked = {
        sent["request"]["url"].split("#")[0] for sent in browser.of("Network.requestWillBeSent")
    }
    assert asked <= {file.as_uri()}


def texts(browser, selector):
    return browser.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)"
    )


def values(browser, side):
    return [float(text or 0) for text in texts(browser, f"#{side} .value")]


def radio(name, value):
    return f'label:has(input[name="{name}"][value="{value}"])'


def word(side, number):
    return f"#{side} li:nth-child({number}) button"


def grid_head(layer, head):
    return f'#grid [aria-label^="Layer {layer}, head {head}:"]'


def test_first_view_is_the_head_whose_removal_costs_most(shown):
    assert texts(shown, "#lines-title") == ["Layer 2, cross-attention"]
    assert texts(shown, "#removed-title") == ["Without head 1 of layer 2, cross-attention"]
    assert texts(shown, '.chip[aria-pressed="true"]') == ["Head 1"]
    assert texts(shown, "#queries bdi") == ["ein", "Hund", "end"]
    assert texts(shown, "#keys bdi") == ["the", "cat", "end"]


@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
def test_numbers_of_a_piece_are_its_weights(shown, kind):
    shown.click(radio("unit", "pieces"))
    shown.click(radio("kind", kind))
    shown.click(radio("layer", 0))
    shown.click(grid_head(1, 2))
    shown.click(word("queries", 2))
    expected = WEIGHTS[kind][0, 1, 1] / 255
    np.testing.assert_allclose(values(shown, "keys"), expected, atol=0.005001)
    shown.click(word("keys", 1))
    expected = WEIGHTS[kind][0, 1, :, 0] / 255
    np.testing.assert_allclose(values(shown, "queries"), expected, atol=0.005001)


def test_numbers_of_a_word_are_the_sum_over_its_pieces_and_the_mean_over_heads(shown):
    shown.click(".chip.all")
    shown.click(word("queries", 1))
    both = WEIGHTS["cross"][1, :, 0].mean(0) / 255
    expected = [both[0], both[1] + both[2], both[3]]
    np.testing.assert_allclose(values(shown, "keys"), expected, atol=0.005001)
    assert "mean of 2 heads" in texts(shown, "#spoken")[0]


def test_lines_are_as_opaque_as_the_weight_and_only_the_looked_at_words(shown):
    shown.click(radio("unit", "pieces"))
    count = "document.querySelectorAll('#lines path').length"
    weights = WEIGHTS["cross"][1, 0] / 255
    shown.send("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert shown.evaluate(count) == (weights >= 0.03).sum()
    shown.click(word("queries", 3))
    opacities = shown.evaluate(
        "[...document.querySelectorAll('#lines path')].map((e) => e.getAttribute('stroke-opacity'))"
    )
    expected = [weight for weight in weights[2] if weight >= 0.03]
    np.testing.assert_allclose([float(one) for one in opacities], expected, atol=0.0006)
    shown.press("Escape")
    assert shown.evaluate(count) == (weights >= 0.03).sum()


def test_a_removed_heads_output_stands_beside_the_whole_models(shown):
    shown.click(grid_head(2, 1))
    rows = texts(shown, "#outputs dd")
    assert [text.strip() for text in rows[2:]] == ["ein Hund", "ein <b>Hase</b>"]
    assert texts(shown, "#outputs del") == ["Hund"]
    assert texts(shown, "#outputs ins") == ["<b>Hase</b>"]
    assert texts(shown, "#chances td") == ["−3.50", "−5.75", "−2.25"] * 2
    shown.click(grid_head(1, 2))
    assert texts(shown, "#outputs del") == texts(shown, "#outputs ins") == []
    assert texts(shown, "#outputs small") == ["the same"]
    assert texts(shown, "#chances td:last-child") == ["+0.25"] * 2


def test_a_hostile_sentence_is_shown_and_runs_nothing(shown):
    shown.click("#list label:nth-child(2)")
    assert texts(shown, "#outputs dd")[0] == HOSTILE
    assert texts(shown, "h1 span") == [HOSTILE]
    shown.click(grid_head(2, 1))
    assert "".join(texts(shown, "#outputs ins")).startswith("</script><script>window.ran")
    assert shown.evaluate("document.querySelectorAll('img, b img, main script').length") == 0


def test_what_would_run_beside_the_script_is_refused(browser, file):
    browser.open(file)
    browser.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 3';"
        "document.body.append(s); const i = document.createElement('img');"
        "i.setAttribute('onerror', 'window.ran = 4'); i.src = 'data:,'; document.body.append(i);"
    )
    browser.tick()
    assert browser.evaluate("window.ran") is None
    refused = [entry["entry"]["text"] for entry in browser.of("Log.entryAdded")]
    for what in ("inline script", "inline event handler"):
        assert any(what in text and "Content Security Policy" in text for text in refused)


def test_typing_finds_a_sentence_or_says_how_to_add_it(shown):
    def typed(text):
        shown.evaluate(f"document.querySelector('#search').value = {json.dumps(text)}")
        shown.evaluate("document.querySelector('#search').dispatchEvent(new Event('input'))")

    typed("the CAT")
    assert texts(shown, "#list span") == ["the cat"]
    typed("it's a dog")
    assert texts(shown, "#found") == ["This sentence is not in this page."]
    command = "printf '%s\\n' 'it'\\''s a dog' | python -m viewer"
    assert texts(shown, "#absent-command") == [command]
    assert not shown.evaluate("document.querySelector('#absent').hidden")
    typed("")
    assert shown.evaluate("document.querySelector('#absent').hidden")


def test_keys_alone_reach_words_and_heads(shown):
    shown.evaluate("document.querySelector('#queries button').focus()")
    shown.press("ArrowDown")
    assert texts(shown, "#spoken")[0].startswith("“Hund” looks at")
    shown.evaluate("document.querySelector('#grid [tabindex=\"0\"]').focus()")
    shown.press("ArrowUp")
    focused = shown.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Layer 1, head 1: −0.50 nats without it"


def test_address_keeps_what_is_chosen(browser, file):
    browser.open(file, "#sentence=2&kind=encoder&layer=2&head=2&unit=pieces&of=reference&shown=all")
    assert texts(browser, "#lines-title") == ["Layer 2, encoder-attention"]
    assert texts(browser, "#removed-title") == ["Without head 2 of layer 2, encoder-attention"]
    assert texts(browser, '.chip[aria-pressed="true"]') == ["Head 1", "Head 2"]
    assert texts(browser, "#queries bdi") == ["the", "ca", "t", "end"]
    before = browser.evaluate("location.hash")
    browser.open(file, before)
    assert browser.evaluate("location.hash") == before
    browser.open(file, "#sentence=99&kind=__proto__&layer=-1&head=x&shown=7")
    assert texts(browser, "#lines-title") == ["Layer 2, cross-attention"]


def test_address_says_the_unit_both_ways(browser, file):
    browser.open(file, "#sentence=1&kind=encoder&unit=pieces")
    assert texts(browser, "#keys bdi") == ["the", "ca", "t", "end"]
    browser.evaluate("location.hash = '#sentence=1&kind=encoder&unit=words'")
    browser.tick()
    assert texts(browser, "#keys bdi") == ["the", "cat", "end"]


def test_skip_link_leaves_what_is_chosen(shown):
    shown.click(radio("kind", "encoder"))
    shown.click(grid_head(1, 2))
    before = [shown.evaluate("location.hash"), *texts(shown, "#lines-title, #removed-title")]
    shown.evaluate("document.querySelector('.skip').click()")
    shown.tick()
    after = [shown.evaluate("location.hash"), *texts(shown, "#lines-title, #removed-title")]
    assert after == before
    assert "sentence=1&kind=encoder&layer=1&head=2" in before[0]
    assert shown.evaluate("document.activeElement.id") == "attention"


@pytest.mark.parametrize("width", [360, 800, 1100, 1600])
def test_nothing_is_cut_off_at_any_width(browser, file, width):
    browser.send(
        "Emulation.setDeviceMetricsOverride",
        **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.open(file, "#sentence=2")
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.evaluate(over) <= 0
    browser.send("Emulation.clearDeviceMetricsOverride")


def test_controls_have_names(shown):
    nodes = shown.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "radio", "searchbox", "radiogroup", "list", "table"}
    found = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert {node["role"]["value"] for node in found} == roles
    assert [node for node in found if not node.get("name", {}).get("value")] == []
