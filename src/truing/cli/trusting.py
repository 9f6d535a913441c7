"""`--trust-code`, and the question about code that a recipe names."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from truing.cli.language import here
from truing.cli.show import say
from truing.core.messages import message
from truing.core.ranks import launched

if TYPE_CHECKING:
    from truing.config.trust import NamedCode

TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Run the code that the recipe names as module:function, unasked.")
]


def settle_trust(trust_code: bool) -> None:
    """Trust all code that recipes name, or ask about it where a person sits at the terminal."""
    from truing.config.trust import ask_with, trust_all

    if trust_code:
        trust_all()
    elif launched().size == 1 and sys.stdin.isatty() and sys.stderr.isatty():
        ask_with(_ask)


def _ask(code: "NamedCode") -> bool:
    say(message("this recipe runs the code of {path} (sha256 {hash})", path=code.file, hash=code.sha256))
    return typer.confirm(
        here("Have you read it, and shall it run, now and as long as it stays as it is?"), err=True
    )
