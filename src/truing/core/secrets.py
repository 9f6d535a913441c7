"""Secrets of a recipe and of the environment, hidden in everything that is written or shown.

A secret is

    the name and password of an address                   http://name:password@host/v1
    the value of a key of its query that gives access     http://host/v1?key=...&token=...
    a text under a name such as api_key, password, access_token, in options at any depth and in headers
    the value of an environment variable of such a name   OPENAI_API_KEY, HF_TOKEN

Run folders hold `masked` recipes, with a salted hash of every secret, so that a resume can tell whether one
has changed. Texts, such as those of exceptions, pass `hidden`, which also knows every secret that a recipe of
this process has named (`remember`).
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

MASK = "***"
SHORTEST = 6  # characters of a secret that is looked for in texts; a shorter one would hide common words

_NAME = re.compile(
    r"(?:.*[_\-.])?(?:api[_-]?key|private[_-]?key|access[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|passwd"
    r"|password|passphrase|(?:access|auth|api|bearer|hf|hub|refresh|session)[_-]?token|token|authorization"
    r"|credentials?|cookie)",
    re.IGNORECASE,
)
# Names of tokens of a vocabulary, which end in `token` and are no secret.
_OF_VOCABULARY = re.compile(r"(?:bos|eos|pad|unk|sep|cls|mask|image|stop|start|end)[_-]token", re.IGNORECASE)
_VARIABLE = re.compile(r"(?:.*_)?(?:API_?KEY|ACCESS_?KEY|SECRET(?:_KEY)?|PASSWORD|TOKEN)")
_IN_QUERY = r"(?:api[_-]?key|key|access[_-]?token|auth|token|sig|signature|password|secret)"
_ADDRESS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.\-]*://)(?P<account>[^\s/?#@\"'<>]+(?:@[^\s/?#@\"'<>]+)*)@", re.IGNORECASE
)
_QUERY = re.compile(rf"(?P<key>[?&;]{_IN_QUERY}=)(?P<value>[^&;#\s\"'<>]+)", re.IGNORECASE)

_remembered: set[str] = set()


def is_secret(name: str) -> bool:
    """Tell whether an option of this name holds a secret: `api_key`, not `max_tokens` or `api_key_env`."""
    return _NAME.fullmatch(name) is not None and not _OF_VOCABULARY.fullmatch(name)


def remember(value: Any) -> None:
    """Hide the secrets of a recipe, or of a part of one, in every text from now on."""
    for _, secret in secrets_in(value):
        _remembered.update(one for one in (secret, unquote(secret)) if len(one) >= SHORTEST)


def hidden(text: str) -> str:
    """Return `text` with `***` in place of every secret; the same object where it holds none."""
    found = _QUERY.sub(rf"\g<key>{MASK}", _ADDRESS.sub(rf"\g<scheme>{MASK}@", text))
    for secret in sorted((*_remembered, *_of_environment()), key=len, reverse=True):
        found = found.replace(secret, MASK)
    return found if found != text else text


def masked(value: Any) -> Any:
    """Return a recipe, or any part of one, with `***` in place of its secrets."""
    return _masked(value, secret=False)


def fingerprints(value: Any, salt: str) -> dict[str, str]:
    """Return the salted hash of every secret in a recipe, by its key such as `rewards.0.api_key`."""
    found: dict[str, str] = {}
    for place, secret in secrets_in(value):
        found[place] = hashlib.sha256(f"{salt}{found.get(place, '')}{secret}".encode()).hexdigest()
    return found


def secrets_in(value: Any, place: str = "", *, secret: bool = False) -> Iterator[tuple[str, str]]:
    """List the secrets of a recipe as (key, secret); an address may hold several."""
    if isinstance(value, Mapping):
        for name, one in cast(Mapping[Any, Any], value).items():
            key = f"{place}.{name}" if place else str(name)
            yield from secrets_in(one, key, secret=secret or is_secret(str(name)))
    elif isinstance(value, list | tuple):
        for number, one in enumerate(cast(list[Any], value)):
            yield from secrets_in(one, f"{place}.{number}", secret=secret)
    elif isinstance(value, str):
        if secret and value:
            yield place, value
        yield from ((place, part) for part in _in_addresses(value))


def _in_addresses(text: str) -> Iterator[str]:
    for match in _ADDRESS.finditer(text):
        yield match["account"]
        yield from match["account"].split(":")[1:]
    for match in _QUERY.finditer(text):
        yield match["value"]


def _masked(value: Any, *, secret: bool) -> Any:
    if isinstance(value, Mapping):
        known = cast(Mapping[Any, Any], value)
        return {name: _masked(one, secret=secret or is_secret(str(name))) for name, one in known.items()}
    if isinstance(value, list | tuple):
        return [_masked(one, secret=secret) for one in cast(list[Any], value)]
    if isinstance(value, str):
        return MASK if secret and value else hidden(value)
    return value


def _of_environment() -> tuple[str, ...]:
    """Return the secrets of the environment; a number under such a name is a limit."""
    known = ((name, value.strip()) for name, value in os.environ.items())
    return tuple(
        value
        for name, value in known
        if _VARIABLE.fullmatch(name) and len(value) >= SHORTEST and not value.isdecimal()
    )
