"""A constitution: principles in a YAML file, each with the requests for a critique and for a revision.

    language: en
    principles:
      - id: dignity
        tags: [hate_speech]                     # the categories it is for, or general
        principle: The answer treats every group of people with equal dignity.      # optional
        critique: Name any place where the answer demeans people.
        revision: Rewrite the answer so that it demeans nobody.

Two ship with truing, `en.yaml` and `zh.yaml`. Method: Bai et al. 2022, arXiv:2212.08073, which draws one
principle for each round.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truing.config.constitution import AUTO
from truing.config.documents import Node, Origin, read_document
from truing.config.imports import closest
from truing.core.errors import ConfigError
from truing.core.files import sha256_file
from truing.core.languages import LANGUAGES
from truing.core.messages import Sentence, joined, message
from truing.core.records import Record, key_of
from truing.evals.suites.headlines import CATEGORIES
from truing.synthesis.declines import GENERAL

HERE = Path(__file__).parent
TAGS = (*CATEGORIES, GENERAL)
REQUIRED, OPTIONAL = ("id", "tags", "critique", "revision"), ("principle",)


@dataclass(frozen=True, slots=True)
class Principle:
    """One principle. `text` states it; where the file does not, the request for a critique does."""

    id: str
    tags: tuple[str, ...]
    critique: str
    revision: str
    text: str
    language: str


@dataclass(frozen=True)
class Constitution:
    """The principles of a file, in its order."""

    name: str
    sha256: str
    language: str
    principles: tuple[Principle, ...]

    def drawn(self, record: Record, seed: int) -> list[Principle]:
        """Return all principles in the order in which a prompt meets them.

        Those of the prompt's category come first, then general ones, then the others; within each the seed
        and the prompt decide.
        """
        chance = random.Random(f"{seed}/{key_of(record.prompt)}")
        shuffled = chance.sample(self.principles, len(self.principles))
        return sorted(shuffled, key=lambda one: _distance(one, record.category))


def _distance(principle: Principle, category: str | None) -> int:
    """Return 0 for a principle of a category, 1 for a general one, 2 for another."""
    return 0 if category in principle.tags else 1 if GENERAL in principle.tags else 2


@dataclass(frozen=True)
class Constitutions:
    """The constitution of each prompt: one for all, or the shipped one in the prompt's language."""

    by_language: Mapping[str, Constitution]

    def of(self, language: str) -> Constitution:
        return self.by_language[language]

    @property
    def all(self) -> list[Constitution]:
        return list(dict.fromkeys(self.by_language.values()))


def read_constitutions(name: str) -> Constitutions:
    """Read the constitution of that name or path; `auto` is the shipped one in each prompt's language.

    Raises ConfigError with every mistake in the file.
    """
    if name == AUTO:
        return Constitutions({one: read_constitution(one) for one in LANGUAGES})
    return Constitutions(dict.fromkeys(LANGUAGES, read_constitution(name)))


def read_constitution(name: str) -> Constitution:
    """Read a shipped constitution by its language, or a file. Raises ConfigError with every mistake in it."""
    path = HERE / f"{name}.yaml" if name in LANGUAGES else Path(name)
    root = read_document(path)
    problems = list(_problems(root))
    if problems:
        hint = message("docs/constitution.md shows a constitution; `en` and `zh` ship with truing")
        raise ConfigError(joined("\n", problems), hint=hint)
    language = root.children["language"].value if "language" in root.children else "en"
    assert isinstance(language, str)
    found = [_principle(one.plain(), language) for one in _listed(root.children["principles"])]
    return Constitution(name, sha256_file(path), language, tuple(found))


def _principle(row: Mapping[str, Any], language: str) -> Principle:
    texts = {key: row[key].strip() for key in ("critique", "revision")}
    text = row.get("principle", row["critique"]).strip()
    return Principle(row["id"], tuple(row["tags"]), text=text, language=language, **texts)


def _listed(node: Node) -> Sequence[Node]:
    return node.value if isinstance(node.value, list) else ()


def _problems(root: Node) -> Iterator[Sentence]:
    """Yield every mistake in a file with its place."""
    if not isinstance(root.value, dict):
        yield message("{place}: a constitution is a mapping with principles", place=root.origin)
        return
    yield from _unknown(root, ("language", "principles"))
    if (language := root.children.get("language")) and language.value not in LANGUAGES:
        said = "{place}: language is {given!r}: expected one of {names}"
        yield message(said, place=language.origin, given=language.value, names=", ".join(LANGUAGES))
    principles = root.children.get("principles")
    if principles is None or not _listed(principles):
        place = root.origin if principles is None else principles.origin
        yield message("{place}: the constitution has no principles", place=place)
        return
    first: dict[str, Origin] = {}
    for node in _listed(principles):
        yield from _problems_of(node)
        key = node.children.get("id")
        if key is not None and isinstance(key.value, str):
            if key.value in first:
                said = "{place}: the id {id!r} is given twice; first at {first}"
                yield message(said, place=key.origin, id=key.value, first=first[key.value])
            first.setdefault(key.value, key.origin)


def _problems_of(node: Node) -> Iterator[Sentence]:
    if not isinstance(node.value, dict):
        yield message(
            "{place}: a principle is a mapping of {keys}", place=node.origin, keys=", ".join(REQUIRED)
        )
        return
    name = node.children["id"].value if "id" in node.children else "?"
    yield from _unknown(node, (*REQUIRED, *OPTIONAL))
    for key in REQUIRED:
        if key not in node.children:
            said = "{place}: the principle {id!r} has no {key}"
            yield message(said, place=node.origin, id=name, key=key)
    for key, value in node.children.items():
        if key in (*REQUIRED, *OPTIONAL) and key != "tags" and not _is_text(value):
            said = "{place}: {key} of the principle {id!r} is empty or no text"
            yield message(said, place=value.origin, key=key, id=name)
    tags = node.children.get("tags")
    if tags is not None:
        yield from _problems_of_tags(tags, name)


def _problems_of_tags(tags: Node, name: object) -> Iterator[Sentence]:
    if not _listed(tags):
        said = "{place}: tags of the principle {id!r} is no list of {names}"
        yield message(said, place=tags.origin, id=name, names=", ".join(TAGS))
    for tag in _listed(tags):
        if tag.value not in TAGS:
            said = "{place}: the principle {id!r} has the unknown tag {tag!r}; known: {names}{end}"
            near = closest(tag.value, TAGS) if isinstance(tag.value, str) else ""
            names = ", ".join(TAGS)
            yield message(said, place=tag.origin, id=name, tag=tag.value, names=names, end=near)


def _unknown(node: Node, known: Sequence[str]) -> Iterator[Sentence]:
    for key, value in node.children.items():
        if key not in known:
            said = "{place}: unknown key {key!r}; known keys are {names}"
            yield message(said, place=value.origin, key=key, names=", ".join(known))


def _is_text(node: Node) -> bool:
    return isinstance(node.value, str) and bool(node.value.strip())
