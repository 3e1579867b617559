"""What is said of work in progress, told apart."""

from collections.abc import Callable

Say = Callable[[str], None]


def begun_with(before: str, say: Say) -> Say:
    """Returns what says `before` in front of each line.

    Example:
      >>> begun_with("seed 1: ", print)("step 50")
      seed 1: step 50
    """
    return lambda line: say(before + line)
