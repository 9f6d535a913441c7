"""Tokens of near-identical pairs that keep their loss. Letters are tokens; unscored ones are capitals."""

import pytest

from truing.data.differing import only_differing
from truing.data.trees import Branch, Tree


def branch(text: str) -> Branch:
    return Branch([ord(letter) for letter in text.lower()], [letter.islower() for letter in text])


def pair(chosen: str, rejected: str) -> Tree:
    return Tree([1, 2], (branch(chosen), branch(rejected)), (0.5, 0.0))


def shown(tree: Tree) -> tuple[str, ...]:
    """The scored letters, a dot in place of others."""
    return tuple(
        "".join(chr(token) if mark else "." for token, mark in zip(b.tokens, b.scored, strict=True))
        for b in tree.branches
    )


@pytest.mark.parametrize(
    ("chosen", "rejected", "scored"),
    [
        pytest.param("abcde", "abxde", ("..c..", "..x.."), id="substitution"),
        pytest.param("abcde", "abde", ("..c..", "..d."), id="insertion: the token after the gap counts"),
        pytest.param("abde", "abcde", ("..d.", "..c.."), id="deletion"),
        pytest.param("abcxyz", "abcpq", ("...xyz", "...pq"), id="shared beginning"),
        pytest.param("axbyc", "apbqc", (".x.y.", ".p.q."), id="two places"),
        pytest.param("abc", "xyz", ("abc", "xyz"), id="nothing shared"),
        pytest.param("abCxe", "abCye", ("...x.", "...y."), id="unscored and shared"),
        pytest.param("aBcde", "aXcpe", ("...d.", "...p."), id="unscored and different"),
    ],
)
def test_what_keeps_its_loss(chosen: str, rejected: str, scored: tuple[str, str]):
    tree = pair(chosen, rejected)
    found = only_differing(tree)
    assert shown(found) == scored
    assert [b.tokens for b in found.branches] == [b.tokens for b in tree.branches]
    assert (found.prompt, found.labels) == (tree.prompt, tree.labels)


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(pair("abXd", "abYd"), id="they differ in unscored tokens alone"),
        pytest.param(pair("abc", "abcd"), id="one is the other's beginning and says nothing instead"),
        pytest.param(pair("abc", "abc"), id="they do not differ"),
        pytest.param(Tree([1], (branch("ab"),)), id="one branch"),
        pytest.param(Tree([1], (branch("ab"), branch("ac"), branch("ad"))), id="three branches"),
    ],
)
def test_what_stays_as_it_is(tree: Tree):
    assert only_differing(tree) is tree
