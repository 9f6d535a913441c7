"""Templates and static files of an app, read once from the packages that hold them.

`web/templates` and `web/static` belong to every app. A part of an app has its own, in folders of the same two
names: those of `truing.web.runs` are the template `runs/list.html.j2` and the file `/static/runs/page.js`.
Files are served from memory by their names alone, so no request reaches the disk.

Scripts say `t("…")` too. The words of an app's scripts, translated, stand in each page as a block of JSON.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from truing.core.words import spoken, t, translated
from truing.text.markup import shown, words
from truing.text.shown import clipped, language

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
TOKENS = ("truing.reports", "templates/tokens.css")  # the colours that pages share with reports
_SAID = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class StaticFile:
    """A file that every visitor may read."""

    content: bytes
    kind: str  # its Content-Type
    tag: str  # its ETag


@cache
def static_files(packages: tuple[str, ...]) -> Mapping[str, StaticFile]:
    """Return every static file of the app whose parts lie in `packages`, by its path below /static."""
    package, place = TOKENS
    found = {"tokens.css": resources.files(package).joinpath(place).read_bytes()}
    for package in ("truing.web", *packages):
        folder = resources.files(package).joinpath("static")
        prefix = "" if package == "truing.web" else package.rpartition(".")[2] + "/"
        found |= {prefix + name: content for name, content in _files(folder)}
    return {
        name: StaticFile(
            content, TYPES[name.rpartition(".")[2]], f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        )
        for name, content in found.items()
    }


def _files(folder: Traversable) -> list[tuple[str, bytes]]:
    if not folder.is_dir():
        return []
    return [(one.name, one.read_bytes()) for one in folder.iterdir() if one.name.rpartition(".")[2] in TYPES]


def said_in_script(source: str) -> list[str]:
    """Return the texts that a script gives to its function `t`, in order and each once."""
    return list(dict.fromkeys(json.loads(f'"{said}"') for said in _SAID.findall(source)))


class Pages:
    """The templates of an app, and the words of its scripts."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.static = static_files(tuple(packages))
        parts: dict[str, BaseLoader] = {name.rpartition(".")[2]: PackageLoader(name) for name in packages}
        self.environment = Environment(
            loader=ChoiceLoader([PackageLoader("truing.web"), PrefixLoader(parts)]),
            autoescape=True,
            finalize=shown,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters.update(clipped=clipped, language=language, t=t)
        self.environment.globals.update(t=words, data=data)
        scripts = [file.content.decode() for name, file in self.static.items() if name.endswith(".js")]
        self._said = [text for script in scripts for text in said_in_script(script)]

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a page in the language spoken."""
        told = {text: found for text in self._said if (found := translated(text, spoken())) != text}
        return self.environment.get_template(template).render(page_language=spoken(), words=told, **values)


def data(name: str, content: Any) -> Markup:
    """Return `content` as a block of JSON with the id `name`, which no browser executes."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(text))  # noqa: S704
