"""The names that a chat template finds beside its row: transformers' globals and its filter `tojson`."""

import json
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import SecurityError
from jinja2.utils import Namespace

from truing.data.measures import TooMuchError, number


class PublicNamespace(Namespace):
    """Jinja's namespace, without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *given = args
        attributes = dict(*given, **kwargs)
        for name in attributes:
            _require_public(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _require_public(name)
        Namespace.__setitem__(self, name, value)


def _require_public(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace of a chat template cannot hold {name!r}")


def attributes(namespace: Namespace) -> dict[str, Any]:
    """Return what a namespace holds."""
    return getattr(namespace, "_Namespace__attrs")  # noqa: B009 - mangled here otherwise


class _Dict:
    """The global `dict`, without the attributes of a type."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


def _raise(words: str) -> None:
    raise TemplateError(words)


def _now(format: str) -> str:
    if len(format) > 100:
        raise TooMuchError
    return datetime.now().strftime(format)


def tojson(
    x: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    marks = "".join([indent if isinstance(indent, str) else "", *(separators or ())])
    if max(number(indent), len(marks)) > 100:
        raise TooMuchError
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


GLOBALS: dict[str, Any] = {
    "raise_exception": _raise,
    "strftime_now": _now,
    "dict": _Dict(),
    "namespace": PublicNamespace,
}
