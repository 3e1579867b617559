"""A strict reader of bracketed trees, as treebanks keep them: `( (S (NP (DT the) (NN cat))) )`."""

import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from experiment.data.corpora.text_lines import read_lines

MAX_DEPTH = 500  # brackets within each other; sentences have some dozens
_TOKEN = re.compile(r"[()]|[^() \t]+")  # no other space ends a word: a word may hold one


class Tree(NamedTuple):
    """A bracket: a word with its tag, or a phrase. The outermost may have an empty label."""

    label: str
    children: tuple["Tree", ...] = ()
    word: str = ""  # of a tag

    def words(self) -> list[str]:
        """Returns the words of the sentence, in order."""
        return [tree.word for tree in self.tags()]

    def tags(self) -> list["Tree"]:
        """Returns the brackets that hold a word, in order."""
        found, left = [], [self]
        while left:
            tree = left.pop()
            if tree.word:
                found.append(tree)
            left += reversed(tree.children)
        return found


OPENS, HOLDS, CLOSES = "opens", "holds", "closes"


def walked(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Yields what stands in a tree, from left to right, whatever its depth.

    A phrase comes twice, as it OPENS and as it CLOSES; a tag comes once, as it HOLDS its word.
    """
    left = [(OPENS, tree)]
    while left:
        event, part = left.pop()
        if part.word:
            yield HOLDS, part
            continue
        yield event, part
        if event == OPENS:
            left.append((CLOSES, part))
            left += [(OPENS, child) for child in reversed(part.children)]


class _Open(NamedTuple):
    """A bracket that is not closed yet."""

    place: str
    parts: list[str]  # the label, then the word
    children: list[Tree]


def read_trees(path: pathlib.Path) -> Iterator[Tree]:
    """Yields the trees of a file, holding one at a time in memory; one may go over many lines.

    Raises:
      ValueError: if the file cannot be read, holds no tree, or a bracket is not one of a label and
        a word, or of a label and brackets; the message names file, line and column.
    """
    for _, tree in read_placed_trees(path):
        yield tree


def read_placed_trees(path: pathlib.Path) -> Iterator[tuple[str, Tree]]:
    """Yields the trees of a file as `read_trees` does, each behind the place where it begins."""
    is_empty = True
    for placed_tree in _placed(read_lines(path), str(path)):
        is_empty = False
        yield placed_tree
    if is_empty:
        raise ValueError(f"{path} must have at least one tree; it has none.")


def parsed(lines: Iterable[str], name: str) -> Iterator[Tree]:
    """Yields the trees of a text as `read_trees` does; errors call it `name`."""
    for _, tree in _placed(lines, name):
        yield tree


def _placed(lines: Iterable[str], name: str) -> Iterator[tuple[str, Tree]]:
    opened: list[_Open] = []
    for line_number, line in enumerate(lines, 1):
        for token in _TOKEN.finditer(line):
            place = f"{name}, line {line_number}, column {token.start() + 1}"
            if token[0] == "(":
                if len(opened) == MAX_DEPTH:
                    raise ValueError(f"{place}: more than {MAX_DEPTH} brackets in each other.")
                opened.append(_Open(place, [], []))
            elif not opened:
                what = "a bracket is closed" if token[0] == ")" else f"{token[0][:40]!r} stands"
                raise ValueError(f"{place}: {what} outside of any tree. Take it out.")
            elif token[0] != ")":
                _take(opened[-1], token[0], place)
            else:
                bracket = opened.pop()
                tree = _closed(bracket, outermost=not opened)
                if opened:
                    _adopt(opened[-1], tree, place)
                else:
                    yield bracket.place, tree
    if opened:
        raise ValueError(
            f"{opened[0].place}: the tree that begins here is never closed: {len(opened)} closing "
            "brackets are missing at the end."
        )


def bracketed(tree: Tree) -> str:
    """Returns a tree on one line, such that it is read again as it is."""
    pieces: list[str] = []
    left: list[Tree | str] = [tree]
    while left:
        each = left.pop()
        if isinstance(each, str):
            pieces.append(each)
        elif each.word:
            pieces.append(f" ({each.label} {each.word})")
        else:
            pieces.append(f" ({each.label}")
            left += [")", *reversed(each.children)]
    return "".join(pieces)[1:]


def _take(bracket: _Open, token: str, place: str) -> None:
    if bracket.children:
        raise ValueError(
            f"{place}: {token[:40]!r} stands among brackets. A bracket must hold a label and a "
            "word, or a label and brackets."
        )
    if len(bracket.parts) == 2:
        raise ValueError(
            f"{place}: {token[:40]!r} is a second word in a bracket that has "
            f"{bracket.parts[1][:40]!r}. Give each word a bracket of its own."
        )
    bracket.parts.append(token)


def _adopt(bracket: _Open, tree: Tree, place: str) -> None:
    if len(bracket.parts) == 2:
        raise ValueError(
            f"{place}: a bracket stands beside the word {bracket.parts[1][:40]!r}. A bracket must "
            "hold a label and a word, or a label and brackets."
        )
    bracket.children.append(tree)


def _closed(bracket: _Open, *, outermost: bool) -> Tree:
    if not bracket.children and len(bracket.parts) < 2:
        raise ValueError(
            f"{bracket.place}: the bracket that begins here is empty. It must hold a label and a "
            "word, or a label and brackets."
        )
    if not bracket.parts and not outermost:
        raise ValueError(f"{bracket.place}: the bracket that begins here has no label.")
    label, word = (*bracket.parts, "", "")[:2]
    return Tree(label, tuple(bracket.children), word)
