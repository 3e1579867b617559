"""Sequences of tokens back to trees, whatever a model says; and trees from no model at all."""

import re
from collections.abc import Sequence

from experiment.data import PUNCTUATION, TOP, WORD, Tree, linearised

# A bracket that is not closed yet: its label and its children so far.
_Open = tuple[str, list[Tree]]
# A label that holds a bracket or a space would not be read again as one.
_OPENING, _TAG = re.compile(r"\([^()\s]+"), re.compile(r"[^()\s]+")


def delinearised(tokens: Sequence[str], words: Sequence[str], *, tagged: bool = False) -> Tree:
    """Returns the tree over exactly `words` that `linearised` wrote as `tokens`.

    Tokens that are no such tree are made one, and `is_repaired` tells; the rules, in this order:

    1. A closing bracket closes the innermost open one of its label, and all that is open inside;
       where none has its label it is dropped. So is any token that stands for nothing in a tree,
       and any that stands for a word when all words are used up.
    2. At the end all open brackets are closed, and those without a word are dropped.
    3. What is not one bracket is put into one called "TOP".
    4. Words that are left over become the last children of the outermost bracket.

    A tag is called by its token: "XX" but for punctuation. If `tagged`, whatever has no bracket in
    it is a tag and stands for a word.

    Example:
      >>> from experiment.data import bracketed
      >>> bracketed(delinearised("(S (NP XX )VP XX".split(), "the cat sleeps".split()))
      '(S (NP (XX the) (XX cat)) (XX sleeps))'
    """
    opened: list[_Open] = [(TOP, [])]
    left = list(reversed(words))
    for token in tokens:
        if _OPENING.fullmatch(token):
            opened.append((token[1:], []))
        elif token[0] == ")":
            if token[1:] in [label for label, _ in opened[1:]]:
                while _close(opened) != token[1:]:
                    pass
        elif left and (_TAG.fullmatch(token) if tagged else token in (WORD, *PUNCTUATION)):
            opened[-1][1].append(Tree(token, (), left.pop()))
    while len(opened) > 1:
        _close(opened)
    over = tuple(Tree(WORD, (), word) for word in reversed(left))
    ((_, found),) = opened
    if len(found) == 1 and not found[0].word:
        return Tree(found[0].label, found[0].children + over)
    return Tree(TOP, (*found, *over))


def aligned(tokens: Sequence[str], words: Sequence[str]) -> list[str]:
    """Returns what a sequence with words in it says of `words`, as `linearised` would write it.

    Which word each is said for is told by the alignment of least edit distance (Levenshtein 1966):
    another word in its place costs 1, one too many 1, one too few 1. Those too many are dropped;
    those too few go where the word before them is, at the beginning where the word after them is.

    Example:
      >>> " ".join(aligned("(S (NP cad )NP (VP sleeps )VP )S".split(), "the cat sleeps on".split()))
      '(S (NP XX XX )NP (VP XX XX )VP )S'
    """
    leaves = [place for place, token in enumerate(tokens) if _TAG.fullmatch(token)]
    more = _more_words([tokens[place] for place in leaves], words)
    stands_for = {leaves[number]: beside for number, beside in more.items()}
    dropped, found = set(leaves) - stands_for.keys(), []
    for place, token in enumerate(tokens):
        if place in stands_for:
            before, after = stands_for[place]
            leaf = token if token in PUNCTUATION else WORD
            found += [*(before * [WORD]), leaf, *(after * [WORD])]
        elif place not in dropped:
            found.append(token)
    return found


def _more_words(said: Sequence[str], words: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Returns, for each word said that stands for one, for how many more: before it and after it.

    The keys are places in `said`, those too many left out.
    """
    costs = [list(range(len(words) + 1))]
    for number, token in enumerate(said, 1):
        row = [number]
        for place, word in enumerate(words):
            changed = costs[-1][place] + (not _means(token, word))
            row.append(min(changed, costs[-1][place + 1] + 1, row[-1] + 1))
        costs.append(row)
    found: dict[int, tuple[int, int]] = {}
    i, j, after = len(said), len(words), 0  # `after`: words passed that none was said for
    while i and j:
        if costs[i][j] == costs[i - 1][j - 1] + (not _means(said[i - 1], words[j - 1])):
            i, j = i - 1, j - 1
            found[i], after = (0, after), 0
        elif costs[i][j] == costs[i][j - 1] + 1:
            j, after = j - 1, after + 1
        else:
            i -= 1
    if found:
        first = min(found)
        found[first] = (j + after, found[first][1])
    return found


def _means(token: str, word: str) -> bool:
    """Returns whether a token that is said is this word; punctuation is said by its tag."""
    if token in PUNCTUATION:
        return not any(character.isalnum() for character in word)
    return token in (word, WORD)


def is_repaired(tree: Tree, tokens: Sequence[str], *, tagged: bool = False) -> bool:
    """Returns whether `delinearised` had to change `tokens` to make this tree of them."""
    return linearised(tree, tagged=tagged) != list(tokens)


def right_branching(words: Sequence[str]) -> Tree:
    """Returns the tree that knows only that English branches to the right.

    The sentence is an S, and what follows each of its words but the last two is a VP, so that no
    bracket holds one word only. Marks at the end that have no letter and no digit belong to the S.

    Example:
      >>> " ".join(linearised(right_branching("he has a dog .".split())))
      '(S XX (VP XX (VP XX XX )VP )VP XX )S'
    """
    end = len(words)
    while end > 1 and not any(character.isalnum() for character in words[end - 1]):
        end -= 1
    tags = [Tree(WORD, (), word) for word in words]
    branch = tags[max(end - 1, 0) : end]
    for tag in reversed(tags[: max(end - 1, 0)]):
        branch = [tag, branch[0] if len(branch) == 1 else Tree("VP", tuple(branch))]
    return Tree("S", (*branch, *tags[end:]))


def _close(opened: list[_Open]) -> str:
    """Closes the innermost bracket, drops it if it is empty, and returns its label."""
    label, children = opened.pop()
    if children:
        opened[-1][1].append(Tree(label, tuple(children)))
    return label
