"""Options of a recipe as flags of another program's command line."""

import json
from collections.abc import Mapping
from typing import Any

from truing.core.errors import ConfigError
from truing.core.messages import message

Options = Mapping[str, Any]


def flags_of(task: str, options: Options, link: str, ours: set[str]) -> list[str]:
    """Return options as flags; no flag may be one of `ours`."""
    for key in options:
        if key.replace("-", "_") in ours:
            raise ConfigError(
                message(
                    "options of the task {task!r} has {key!r}, which truing sets itself",
                    task=task,
                    key=key,
                ),
                hint=message(
                    "limit and few_shot are options of the task, samples and temperature of the recipe"
                ),
            )
    return present(options, link)


def present(options: Options, link: str) -> list[str]:
    """Return `{batch_size: 8, trace: true}` as `--batch_size 8 --trace`; None and false are left out."""
    call: list[str] = []
    for key, value in options.items():
        if value is None or value is False:
            continue
        call.append("--" + key.replace("_", link))
        call += [] if value is True else [_plain(value)]
    return call


def pairs(task: str, options: Options, key: str) -> list[str]:
    """Return `{dtype: float32}` as `dtype=float32`."""
    found = options.get(key, {})
    if not isinstance(found, Mapping):
        raise ConfigError(
            message("{key} of the task {task!r} is {found!r}", key=key, task=task, found=found),
            hint=f"{key}: {{dtype: float32}}",
        )
    return [f"{name}={_plain(value)}" for name, value in found.items()]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
