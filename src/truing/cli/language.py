"""The language that the terminal is spoken to in: `TRUING_LANG` (en or zh), else the locale's."""

import os
from functools import cache
from typing import Any

from truing.cli.streams import shows
from truing.core.languages import LANGUAGES, Language
from truing.core.messages import told
from truing.core.words import add_words

_NAMES = ("TRUING_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@cache
def console_language() -> Language:
    """English where the locale's language is not known, or the terminal does not have its characters."""
    asked = next((value for name in _NAMES if (value := os.environ.get(name))), "").lower()
    found = _beginning(asked)
    if found == "en" or not shows("中文"):
        return "en"
    from truing.cli.help_zh import HELP
    from truing.core.told_zh import ZH

    add_words(found, {**ZH, **HELP})
    return found


def _beginning(name: str) -> Language:
    """The language that the name of a locale begins with, else English."""
    for one in LANGUAGES:
        if name.startswith(one):
            return one
    return "en"


def here(text: str) -> str:
    """`text` in the language of this terminal."""
    return told(text, console_language())


def told_help(command: Any) -> Any:
    """A command of click's with its help, and that of all below it, in the language of this terminal."""
    if console_language() == "en":
        return command
    for name in ("help", "short_help", "epilog"):
        if text := getattr(command, name):
            setattr(command, name, here(text))
    for parameter in command.params:
        if parameter.help:
            parameter.help = here(parameter.help)
    for below in getattr(command, "commands", {}).values():
        told_help(below)
    return command
