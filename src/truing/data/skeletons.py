"""Chat templates that write the words of a turn, as they are or stripped, and look at nothing but its role.

What such a template writes is fixed for an order of roles, but for the words: it is rendered once for each
order, and the words are put in. `writes_words_alone` proves this by the template's syntax tree. It knows
few constructs, those of ChatML and its like, and takes any other template for one that looks at words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, TemplateError, nodes

from truing.core.records import Message

PROBE = "\U000f0000"  # stands before and after the words that a template is tried with
_SPACE = "\u2008"  # is lost where words are stripped
_MARK = re.compile(f"({_SPACE}?){PROBE}([0-9]{{8}}){PROBE}({_SPACE}?)")
_KNOWN = (
    nodes.Add, nodes.And, nodes.Assign, nodes.Call, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const,
    nodes.ExprStmt, nodes.Filter, nodes.For, nodes.Getattr, nodes.Getitem, nodes.If, nodes.Name, nodes.Not,
    nodes.Operand, nodes.Or, nodes.Output, nodes.Template, nodes.TemplateData, nodes.Test,
)  # fmt: skip
_LOOP = ("first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex", "revindex0")
_FILTERS = ("count", "default", "length", "trim")  # the same for the same input, at any time
_TESTS = ("defined", "none", "undefined")

Path = tuple[nodes.Node, ...]  # a node's ancestors, its parent last


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The text of a template for one order of roles: words stand between neighbours of `fixed`."""

    fixed: tuple[str, ...]
    places: tuple[tuple[int, bool], ...]  # the turn whose words stand there, and whether these are stripped

    def text(self, turns: Sequence[Message]) -> str:
        """Put the words of turns in their places."""
        parts = [self.fixed[0]]
        for (turn, stripped), behind in zip(self.places, self.fixed[1:], strict=True):
            words = turns[turn].content
            parts += (words.strip() if stripped else words, behind)
        return "".join(parts)


def probes(count: int) -> list[str]:
    """Return words for so many turns, which no template writes by itself."""
    return [f"{PROBE}{index:08}{PROBE}" for index in range(count)]


def skeleton_of(write: Callable[[list[str]], str], count: int) -> Skeleton:
    """Return the skeleton of what `write` makes of the words of so many turns."""
    text = write([f"{_SPACE}{words}{_SPACE}" for words in probes(count)])
    fixed, before, turns = (tuple(_MARK.split(text)[kind::4]) for kind in range(3))
    return Skeleton(fixed, tuple((int(turn), not space) for turn, space in zip(turns, before, strict=True)))


def writes_words_alone(source: str) -> bool:
    """Tell whether a template, given turns of a role and words, writes the words and looks at roles alone."""
    try:
        tree = Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False).parse(source)  # noqa: S701
    except (TemplateError, RecursionError):
        return False
    if PROBE in source or _SPACE in source:
        return False
    return _Reader(_turns_of(tree)).reads_roles(tree, ())


def _turns_of(tree: nodes.Template) -> set[str]:
    """Return the names that loops give to turns."""
    return {
        loop.target.name
        for loop in tree.find_all(nodes.For)
        if isinstance(loop.target, nodes.Name) and _is_messages(loop.iter)
    }


def _is_messages(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "messages" and node.ctx == "load"


def _key(node: nodes.Node) -> object:
    """Return the key that an expression takes of an object: `role` of both `turn.role` and `turn['role']`."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return node.arg.value
    return None


@dataclass(frozen=True)
class _Reader:
    """A reader of a template's tree."""

    turns: set[str]  # names of turns

    def reads_roles(self, node: nodes.Node, above: Path) -> bool:
        """Tell whether a node and all in it look at roles alone."""
        if not isinstance(node, _KNOWN) or not self._is_allowed(node, above):
            return False
        return all(self.reads_roles(one, (*above, node)) for one in node.iter_child_nodes())

    def _is_allowed(self, node: nodes.Node, above: Path) -> bool:
        match node:
            case nodes.Name(name="messages"):
                return node.ctx == "load" and self._of_all(above)
            case nodes.Name(name="loop"):
                return node.ctx == "load" and isinstance(above[-1], nodes.Getattr) and self._of_loop(above)
            case nodes.Name() if node.name in self.turns:
                if node.ctx == "store":
                    return isinstance(above[-1], nodes.For) and _is_messages(above[-1].iter)
                return self._of_turn(above)
            case nodes.For():
                return isinstance(node.target, nodes.Name) and not node.recursive
            case nodes.Assign():
                return isinstance(node.target, nodes.Name)
            case nodes.Call():
                raises = isinstance(node.node, nodes.Name) and node.node.name == "raise_exception"
                return raises or self._strips(node)
            case nodes.Filter():
                return node.name in _FILTERS
            case nodes.Test():
                return node.name in _TESTS
        return True

    def _of_all(self, above: Path) -> bool:
        """Tell whether the use of `messages` shows a count or roles alone."""
        parent = above[-1]
        if isinstance(parent, nodes.Getitem):
            return isinstance(_key(parent), int) and self._of_turn(above[:-1])
        if isinstance(parent, nodes.Filter):
            return parent.name in ("length", "count")
        return isinstance(parent, nodes.For | nodes.Not | nodes.If)

    def _of_loop(self, above: Path) -> bool:
        name = _key(above[-1])
        return name in _LOOP and (name not in ("nextitem", "previtem") or self._of_turn(above[:-1]))

    def _of_turn(self, above: Path) -> bool:
        """Tell whether the use of a turn shows its role, or writes its words as they are."""
        parent = above[-1]
        if isinstance(parent, nodes.Test):
            return True
        if _key(parent) == "role":
            return True
        if _key(parent) != "content":
            return False
        around = list(above[:-1])
        if self._strips(around[-1]):
            around.pop()
        elif isinstance(around[-1], nodes.Getattr) and self._strips(around[-2]):
            del around[-2:]
        while isinstance(around[-1], nodes.Add | nodes.Concat):
            around.pop()
        return isinstance(around[-1], nodes.Output)

    def _strips(self, node: nodes.Node) -> bool:
        """Tell whether a node is `x | trim` or `x.strip()`."""
        match node:
            case nodes.Filter(name="trim") | nodes.Call(node=nodes.Getattr(attr="strip")):
                return not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
        return False
