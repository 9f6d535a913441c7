"""Rows as tokens in the terminal: tokens with loss are green, the others dim."""

import re
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from truing.cli.language import here
from truing.cli.show import console
from truing.data.tokens import pieces
from truing.data.trees import Tree

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return text that cannot steer a terminal: control and direction characters become code points."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show_trees(trees: Sequence[Tree], tokenizer: Any) -> None:
    """Print every branch of every tree, with trained tokens coloured (or in ⟦ ⟧ without colour)."""
    plain = not console.is_terminal or console.no_color
    for number, tree in enumerate(trees, start=1):
        for b, parts in enumerate(pieces(tree, tokenizer)):
            line = Text(f"[{number}.{b + 1}] ", style="bold")
            for piece, scored in parts:
                shown = visible(piece).replace("\n", "↵\n")
                line.append(f"⟦{shown}⟧" if plain and scored else shown, style="green" if scored else "dim")
            console.print(line, soft_wrap=True)
    console.print(here("green (or ⟦ ⟧): tokens that carry loss"), style="dim")
