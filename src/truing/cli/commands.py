"""Commands to print, quoted so that a person can copy them into a shell."""

import re
import shlex
import sys
from pathlib import Path

_PLAIN = re.compile(r"[\w@%+=:,./-]+")  # letters of any script: no shell takes them for anything else


def command(verb: str, *arguments: object, **flags: object) -> str:
    """Return `truing VERB` with quoted arguments and flags, without flags of None, False or an empty list.

    `set_=["a=1", "b=2"]` is `--set a=1 --set b=2`, and True is a flag without a value.
    """
    words = [f"truing {verb}", *(quoted(str(argument)) for argument in arguments)]
    for name, given in flags.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        for value in given if isinstance(given, list) else [given]:
            if value is True:
                words.append(flag)
            elif value is not None and value is not False:
                words += [flag, quoted(str(value))]
    return " ".join(words)


def opening(page: Path) -> str:
    """Return the command that opens a page in the browser."""
    return f"{'open' if sys.platform == 'darwin' else 'xdg-open'} {quoted(str(page))}"


def quoted(text: str) -> str:
    """Return `text` as one word of a shell."""
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)
