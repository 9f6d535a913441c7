"""The language of the terminal: `TRUING_LANG` (en or zh), else the locale's."""

import os
import re
from functools import cache
from typing import Any

from truing.cli.streams import shows
from truing.core.errors import UsageError
from truing.core.languages import LANGUAGES, Language
from truing.core.messages import message, recognised, told
from truing.core.words import add_words

# Texts of Typer's around a help, by the names of its module `rich_utils`.
_TITLES = (
    "ARGUMENTS_PANEL_TITLE",
    "OPTIONS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "REQUIRED_LONG_STRING",
    "DEFAULT_STRING",
)
_CLAUSE = re.compile(r"([，；。：])(?=\S)")
_NAMES = ("TRUING_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@cache
def console_language() -> Language:
    """Return the terminal's language: English for an unknown locale or a terminal without its characters."""
    asked = next((value for name in _NAMES if (value := os.environ.get(name))), "").lower()
    found = _beginning(asked)
    if found == "en" or not shows("中文"):
        return "en"
    from truing.cli.help_zh import HELP, TYPER

    add_words(found, {**HELP, **TYPER})
    return found


def _beginning(name: str) -> Language:
    """Return the language at the beginning of a locale's name, else English."""
    for one in LANGUAGES:
        if name.startswith(one):
            return one
    return "en"


def here(text: str) -> str:
    """Return `text` in the language of this terminal."""
    return told(text, console_language())


def told_help(command: Any) -> Any:
    """Translate a Typer command's help, and the help of its subcommands, to the terminal's language."""
    if console_language() == "en":
        return command
    from typer import rich_utils

    for name in _TITLES:
        setattr(rich_utils, name, here(getattr(rich_utils, name)))
    _tell_help(command)
    return command


def _tell_help(command: Any) -> None:
    usage, help_option = command.get_usage, command.get_help_option
    command.get_usage = lambda context: _typers(usage(context))
    command.get_help_option = lambda context: _told_parameter(help_option(context))
    for name in ("help", "short_help", "epilog", "options_metavar", "subcommand_metavar"):
        if text := getattr(command, name, None):
            setattr(command, name, _breakable(_typers(text)))
    for parameter in command.params:
        _told_parameter(parameter)
    for below in getattr(command, "commands", {}).values():
        _tell_help(below)


def _told_parameter(parameter: Any) -> Any:
    if parameter.help:
        parameter.help = _breakable(here(parameter.help))
    return parameter


def _breakable(text: str) -> str:
    """Return `text` with a space after each clause of Chinese: rich breaks lines at spaces alone."""
    return _CLAUSE.sub(r"\1 ", text)


def _typers(text: str) -> str:
    """Return a sentence of Typer's in the language of this terminal."""
    if console_language() == "en":
        return text
    from truing.cli.help_zh import TYPER

    return here(recognised(text, TYPER))


def told_usage(error: Any) -> UsageError:
    """Return a Typer error for a wrong command line as a UsageError that tells the usage."""
    said = _typers(error.format_message().rstrip("."))
    context = error.ctx
    if context is None:
        return UsageError(said)
    asked = f"{context.command_path} {context.help_option_names[0]}"
    usage = context.get_usage().strip()
    return UsageError(said, hint=message("{usage}; `{help}` says more", usage=usage, help=asked))
