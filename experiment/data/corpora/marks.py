"""Marks in a source: a piece of its own in front of whatever is to be labelled.

A mark can be told from all text: where a text has the same sign, it is read as another one.
"""

from experiment.data.corpora.text_lines import is_empty

MARK = "▸"
_IN_TEXT = "▹"  # what a MARK of the text itself becomes


def marked_words(text: str) -> str:
    """Returns a text with a mark before each word.

    Example:
      >>> marked_words("The baker  ▸ sleeps")
      '▸ The ▸ baker ▸ ▹ ▸ sleeps'
    """
    return " ".join(f"{MARK} {_without_marks(word)}" for word in text.split())


def marked_sentence(text: str) -> str:
    """Returns a text with one mark before it; where there is nothing to read, nothing.

    Example:
      >>> marked_sentence("The baker sleeps"), marked_sentence(" ")
      ('▸ The baker sleeps', '')
    """
    return f"{MARK} {_without_marks(text)}" if not is_empty(text) else ""


def unmarked(source: str) -> str:
    """Returns the words of a marked text.

    Example:
      >>> unmarked("▸ The ▸ baker")
      'The baker'
    """
    return " ".join(word for word in source.split() if word != MARK)


def _without_marks(text: str) -> str:
    return text.replace(MARK, _IN_TEXT)
