"""The file: whatever a sentence says stays a sentence, and nothing else is read."""

import base64
import hashlib
import html.parser
import json
import re

import pytest

from experiment.analysis.viewer.page import as_data, page

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]><img src=x onerror=alert(1)>",
    "\"'`${alert(1)}` {{script}} {{data}} \\u003c & &lt;",
    "line\u2028and\u2029paragraph\u202eturned",
    "رجل يرتدي قبعة برتقالية",
    "\ud800 a lone half of a pair",
)


class Parts(html.parser.HTMLParser):
    """The tags of a file with their attributes, and what stands in scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.inside, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = (tag, dict(attributes).get("type")) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.inside[self._open] = self.inside.get(self._open, "") + data


@pytest.mark.parametrize("sentence", HOSTILE)
def test_a_sentence_comes_back_as_it_was(sentence):
    parts = Parts(page({"sentences": [sentence]}).decode())
    assert json.loads(parts.inside["script", "application/json"]) == {"sentences": [sentence]}
    assert [tag for tag, _ in parts.tags].count("script") == 2


def test_data_has_no_sign_that_could_end_it():
    assert not re.search(r"[<>&\u2028\u2029]", as_data({"sentences": HOSTILE}))


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError):
        as_data({"log_prob": float("nan")})


def test_policy_names_the_one_script_and_the_one_style():
    parts = Parts(page({}).decode())
    (policy,) = (
        attributes["content"]
        for tag, attributes in parts.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashed = {
        name: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for name, text in (
            ("script-src", parts.inside["script", None]),
            ("style-src", parts.inside["style", None]),
        )
    }
    others = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    assert rules == hashed | others


def test_nothing_else_is_read():
    text = page({}).decode()
    parts = Parts(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|@font-face", text)
    reads = {"src", "srcset", "data", "action", "style", "poster"}
    for tag, attributes in parts.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not reads & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")


def test_script_sets_text_and_never_markup():
    text = page({}).decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.search(r"new Function|setTimeout|createContextualFragment|srcdoc", text)
