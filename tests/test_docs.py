"""Documentation describes the present: the code it quotes is the code that runs."""

import ast
import re
import signal
from collections.abc import Callable
from pathlib import Path

from truing.core.errors import TruingError

from .tables import each

ROOT = Path(__file__).parent.parent
# A path below src/truing, or of another folder of the repository.
MARKED = r"```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)```"
QUOTES = [
    (page, name, body)
    for page in [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for name, body in re.findall(MARKED, page.read_text(), re.DOTALL)
]


def test_something_is_quoted():
    assert len(QUOTES) >= 2


@each(("page", "name", "body"), QUOTES)
def test_a_quote_is_in_the_source(page: Path, name: str, body: str):
    path = next(path for path in (ROOT / "src" / "truing" / name, ROOT / name) if path.exists())
    source = {line.strip() for line in path.read_text().splitlines()}
    for line in body.strip().splitlines():
        assert line.strip() in source, f"{page.name} quotes a line that {name} no longer has: {line}"


READMES = [(ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md")]
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
VERBS = {
    "truing judge": "judges",
    "truing feedback": "feedback",
    "truing constitution": "constitution",
    "truing red-team": "red-team",
    "truing data negatives": "negatives",
    "truing data refusals": "refusals",
    "truing run recipes/harden.yaml": "harden",
}


def printed(text: str) -> list[str]:
    """The commands of the blocks, without comments."""
    blocks = "".join(block for language, block in BLOCK.findall(text) if not language)
    return [line.partition("#")[0].strip() for line in blocks.splitlines()]


def pages(text: str) -> set[str]:
    """The pages that are linked, in whatever language."""
    return {page.replace(".zh-CN", "") for page in re.findall(r"\]\((\w[^)]*\.md)", text)}


def table_rows(text: str) -> list[int]:
    """The number of cells of each row."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


@each("part", [printed, pages, table_rows])
def test_both_readmes_have_the_same(part: Callable[[str], object]):
    english, chinese = map(part, READMES)
    assert english == chinese


@each("text", READMES, ids=lambda text: text[:20])
def test_a_readme_names_every_verb_in_its_walk_and_in_its_table(text: str):
    for verb, page in VERBS.items():
        assert any(f"{line} ".startswith(f"{verb} ") for line in printed(text)), verb
        rows = [line for line in text.splitlines() if re.match(rf"\|[^|]*\| `{verb}`", line)]
        assert any(f"(docs/{page}.md)" in row for row in rows), verb


PAGE = (ROOT / "docs" / "reliability.md").read_text()
NUMBERED = {"R": 13, "S": 2, "N": 3, "D": 6, "J": 6, "X": 9}
IDS = [f"{kind}{number}" for kind, most in NUMBERED.items() for number in range(1, most + 1)]
PROMISES = {row[1]: row[0] for row in re.finditer(r"^\| ([A-Z]\d+) \|.*\|$", PAGE, re.MULTILINE)}
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_fault_and_attack_has_its_promise_and_its_test():
    assert list(PROMISES) == IDS
    for name, row in PROMISES.items():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4 and all(cells) and NAMED.search(cells[3]), name


@each(("path", "name"), sorted(set(NAMED.findall(PAGE))))
def test_a_test_that_holds_a_promise_exists(path: str, name: str):
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def exit_codes(kind: type[TruingError] = TruingError) -> set[int]:
    return {kind.exit_code}.union(*(exit_codes(one) for one in kind.__subclasses__()))


@each("page", ["first-run.md", "first-run.zh-CN.md"])
def test_every_exit_code_is_explained_in_both_languages(page: str):
    _, section = re.split(r"## (?:Exit codes|退出码)\n", (ROOT / "docs" / page).read_text())
    told = {
        int(code)
        for cell in re.findall(r"^\| ([\d、, ]+) \|", section, re.MULTILINE)
        for code in re.findall(r"\d+", cell)
    }
    assert told == exit_codes() | {0, 128 + signal.SIGINT, 128 + signal.SIGTERM}
