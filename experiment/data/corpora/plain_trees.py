"""What every parser is trained on and scored by: a tree without traces, functions and indices."""

from experiment.data.corpora.trees import HOLDS, OPENS, Tree, walked

EMPTY = "-NONE-"  # the tag of what is not in the sentence: traces, left out subjects
TOP = "TOP"
ROOTS = ("", TOP, "ROOT", "S1")  # what treebanks call the bracket around a whole sentence
_BEHIND_A_LABEL = "-=|"  # functions, indices, a second label


def plain(tree: Tree) -> Tree | None:
    """Returns the tree as parsers are scored by it, or None where no word is left.

    Empty elements go, and with them the brackets that hold nothing else; of a phrase's label
    what stands before the first "-", "=" or "|" is kept: "NP" of "NP-SBJ-1". The bracket around
    the sentence goes if it holds one phrase, else it is called "TOP". Tags stay as they are, and so
    do chains of single children, "NP" over "NP" among them: they count when brackets are compared.

    Example:
      >>> from experiment.data.corpora.trees import bracketed, parsed
      >>> text = "( (S (NP-SBJ (NP (PRP he))) (VP (VBD fled) (NP-1 (-NONE- *))) (. .)) )"
      >>> print(*(bracketed(plain(tree)) for tree in parsed([text], "example")))
      (S (NP (NP (PRP he))) (VP (VBD fled)) (. .))
    """
    opened: list[list[Tree]] = [[]]  # children so far
    for event, part in walked(tree):
        if event == OPENS:
            opened.append([])
        elif event == HOLDS:
            opened[-1] += [part] * (part.label != EMPTY)
        elif children := opened.pop():
            opened[-1].append(Tree(bare(part.label), tuple(children)))
    if not opened[0]:
        return None
    (root,) = opened[0]
    if root.word:
        return Tree(TOP, (root,))
    if root.label not in ROOTS:
        return root
    first = root.children[0]
    return Tree(TOP, root.children) if len(root.children) > 1 or first.word else first


def bare(label: str) -> str:
    """Returns a phrase's label without functions and indices.

    Example:
      >>> [bare(label) for label in ("NP-SBJ-1", "NP=2", "ADVP|PRT", "-LRB-", "S")]
      ['NP', 'NP', 'ADVP', '-LRB-', 'S']
    """
    if label.startswith(tuple(_BEHIND_A_LABEL)):
        return label
    return label[: next((i for i, sign in enumerate(label) if sign in _BEHIND_A_LABEL), None)]
