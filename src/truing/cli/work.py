"""The part that is the same in all verbs that make rows with models: their argument and their flags."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from truing.cli.show import console, say
from truing.core.errors import UsageError
from truing.core.messages import message

if TYPE_CHECKING:
    from truing.reports.records import Report

RECIPE_ENDS = (".yaml", ".yml")


def asked_in(
    what: str, set_: list[str] | None, key: str = "prompts", **flags: Any
) -> tuple[Path | None, list[str]]:
    """Return the file of a recipe, if `what` is one, and everything else as overrides of its keys.

    `what` is a recipe, or the value of `key`: a file where that is `prompts` or `rows`. A flag of None is not
    given.
    """
    is_recipe = what.endswith(RECIPE_ENDS)
    given = {} if is_recipe else {key: [what] if key in ("prompts", "rows") else role(what)}
    given |= {name: value for name, value in flags.items() if value not in (None, [])}
    overrides = [f"{name}={json.dumps(value)}" for name, value in given.items()]
    return (Path(what) if is_recipe else None), [*overrides, *(set_ or [])]


def role(text: str) -> str | Mapping[str, Any]:
    """Return a role of a flag: a name or folder as it stands, or a mapping in YAML's braces.

    Raises UsageError for braces that hold no mapping.
    """
    if not text.lstrip().startswith("{"):
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(
            message("{text} is no mapping: {error}", text=text, error=" ".join(str(error).split())),
            hint="'{name: server, model: qwen3, base_url: http://localhost:8000/v1}'",
        ) from error
    return value


def roles(texts: list[str] | None) -> list[str | Mapping[str, Any]]:
    """Return the roles of a flag that may be repeated."""
    return [role(text) for text in texts or []]


def show_report(report: "Report") -> None:
    """Print the numbers of a report, if it has any, its summary, its alarms and its notes."""
    from truing.reports.console import print_measures

    if report.measures:
        print_measures(report.measures, console)
    if report.summary:
        say(report.summary)
    for alarm in report.alarms:
        say(message("warning: {what}", what=alarm.saw))
    for note in report.notes:
        say(note)
