"""Pairs whose responses are nearly the same: learn only from the tokens in which they differ.

On such a pair a preference loss pushes the shared tokens down together with the rejected ones, and the
policy unlearns to speak (arXiv:2402.13228 section 3). Tokens without loss are not pushed.
"""

from dataclasses import replace
from difflib import SequenceMatcher

from truing.data.trees import Branch, Tree


def only_differing(tree: Tree) -> Tree:
    """Return the pair with loss on those tokens alone that one response has and the other lacks.

    Where a response lacks a token that the other adds, its token after the gap carries loss: the response
    says that token instead. Trees without exactly two branches, and pairs in which a response would keep no
    scored token, are returned unchanged.
    """
    if len(tree.branches) != 2:
        return tree
    first, second = tree.branches
    matcher = SequenceMatcher(None, list(first.tokens), list(second.tokens), autojunk=False)
    differs: tuple[set[int], set[int]] = set(), set()
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag != "equal":
            differs[0].update(range(start, max(end, start + 1)))
            differs[1].update(range(other_start, max(other_end, other_start + 1)))
    scored = [
        [mark and at in places for at, mark in enumerate(branch.scored)]
        for branch, places in zip(tree.branches, differs, strict=True)
    ]
    if not all(map(any, scored)):
        return tree
    return replace(tree, branches=(Branch(first.tokens, scored[0]), Branch(second.tokens, scored[1])))
