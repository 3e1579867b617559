"""One HTML file that shows `Content`, reads nothing else, and lets nothing else run.

What sentences say is data and never markup: it stands in a block of JSON in which no character can
end the block, and the page's script sets text only. A policy names the hashes of the one script
and the one style sheet, so a browser refuses whatever else would run or be fetched.
"""

import base64
import hashlib
import importlib.resources
import json
import re

from experiment.analysis.viewer.data import Content

_SCRIPTS = (
    *("words.js", "drawing.js", "state.js"),
    *("controls.js", "columns.js", "heads.js", "viewer.js"),
)
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def page(content: Content) -> bytes:
    """Returns the file. Its `content` is that of `look`, with `add` of the command."""
    style = _part("viewer.css")
    script = "\n".join(_part(name) for name in _SCRIPTS)
    parts = {
        "policy": "; ".join(
            (
                "default-src 'none'",
                f"script-src {_hash(script)}",
                f"style-src {_hash(style)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        "style": style,
        "script": script,
        "data": as_data(content),
    }
    # In one pass: what a sentence holds is not searched for places to put something.
    html = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _part("viewer.html"))
    return html.encode()


def as_data(content: Content) -> str:
    r"""Returns JSON that may stand between script tags, whatever is in it.

    Example:
      >>> print(as_data({"source": "a</script>\u2028&"}))
      {"source":"a\u003c/script\u003e\u2028\u0026"}
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _part(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
