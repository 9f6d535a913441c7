"""Pages can be read in Chinese: each of their sentences has a translation, and none is left over."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

import truing
from truing.core.messages import Sentence
from truing.core.pages_zh import ZH
from truing.core.told_zh import ZH as TERMINAL
from truing.core.words import speaking, spoken, t
from truing.evals.numbers import Number
from truing.evals.tasks import moved, responses, versus
from truing.pipelines import safety
from truing.reports.alarms import DONE, TITLES
from truing.reports.charts import PANELS, SIDES
from truing.reports.records import DRIFT_NOTES
from truing.training.health import RULES
from truing.web.pages import said_in_script

from ..tables import each

PACKAGE = Path(truing.__file__).parent
HEALTH = [
    *sorted((PACKAGE / "training").glob("health*.py")),
    *(PACKAGE / "runs" / name for name in ("care.py", "displacement.py")),
]
SOURCES = [
    path for room in ("evals", "reports", "stats", "web") for path in sorted((PACKAGE / room).rglob("*.py"))
]
SOURCES += [
    PACKAGE / name
    for name in (
        "pipelines/quickstart_report.py",
        "pipelines/safety.py",
        "pipelines/harden/gates.py",
        "pipelines/harden/page.py",
        "pipelines/votes/tables.py",
        "text/shown.py",
    )
]
TEMPLATES = [path for room in ("reports", "web") for path in sorted((PACKAGE / room).rglob("*.j2"))]
SCRIPTS = sorted((PACKAGE / "web").rglob("*.js"))
LANGUAGES = ("en", "zh")
SPEAKING = [
    *(
        path
        for room in ("evals", "pipelines", "reports", "web")
        for path in sorted((PACKAGE / room).rglob("*.py"))
    ),
    PACKAGE / "stats/told.py",
]
# Sentences that stay as they are, by a piece of them, and why.
UNTOLD = {
    "sha256 ": "the name of a digest",
    'attachment; filename="': "a header that browsers read",
    ": sha256 ": "the name of a digest",
    " nats": "a unit",
    "event: ": "a field of server-sent events",
    "truing report ": "a command",
    "--language ": "a flag of a command",
    "--model ": "a flag of a command",
    "--minutes ": "a flag of a command",
    "default-src 'none'; script-src ": "a policy that browsers read",
    ": {dtype: float32}": "a line of a recipe",
    ". Learns from ": "a comment of a recipe, which is in English",
    " Or ": "a comment of a recipe",
    " Default: ": "a comment of a recipe",
}
# Raised for mistakes of ours, or in the files that ship with the package: nobody else meets them.
OURS = {"ValueError"}
SHIPPED = PACKAGE / "evals/suites"
WORDS = re.compile(r"[A-Za-z]{2,}")


def numbers() -> list[Number]:
    tasks = [responses.harmlessness(LANGUAGES), moved.kl(LANGUAGES), moved.tax(LANGUAGES)]
    return [
        *(number for task in tasks for number in task.numbers),
        *responses.OVER_REFUSAL,
        responses.OVER_REFUSAL_ORDINARY,
        *responses.HELPFULNESS,
        *responses.HONESTY,
        *responses.DEGENERATION,
        *versus.WIN_RATE,
        *versus.REWARD,
        *safety.NUMBERS,
    ]


def told_by_tables() -> set[str]:
    """Return the texts that are translated through a variable, from the tables that hold them."""
    panels = {panel.title for panel in PANELS} | set(SIDES)
    health = set(TITLES.values()) | set(DONE.values()) | {rule.advice for rule in RULES.values()}
    explained = {
        text.template if isinstance(text, Sentence) else text
        for one in numbers()
        for text in (one.title, one.explains)
    }
    return panels | health - {""} | set(DRIFT_NOTES.values()) | explained


def said_in_python(path: Path) -> Iterator[str]:
    """The texts that stand in a call of `t` or `part`, as they are or behind an `if`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "part"):
            first = node.args[0]
            for part in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                if isinstance(part, ast.Constant):
                    yield str(part.value)


def said_in_template(path: Path) -> Iterator[str]:
    """The texts that a template gives to the function `t`, which takes no others: they are markup."""
    for call in Environment().parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            first = call.args[0]
            for part in (first.expr1, first.expr2) if isinstance(first, nodes.CondExpr) else (first,):
                assert isinstance(part, nodes.Const), f"{path.name}:{call.lineno}: not a text of the template"
                yield part.value


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_of_a_template_is_translated():
    said = {text for path in TEMPLATES for text in said_in_template(path)}
    assert len(said) > 80
    assert said - ZH.keys() == set()


def test_every_text_of_a_script_is_translated():
    said = {text for path in SCRIPTS for text in said_in_script(path.read_text(encoding="utf-8"))}
    assert said and said - ZH.keys() == set()


def test_every_sentence_made_for_a_page_is_translated():
    said = {text for path in (*SOURCES, *HEALTH) for text in said_in_python(path)}
    assert len(said) > 60
    assert said - ZH.keys() == set()


def test_every_number_panel_and_note_is_translated():
    assert told_by_tables() - ZH.keys() == set()


def test_every_health_rule_has_a_title():
    assert TITLES.keys() == RULES.keys()


def test_no_translation_is_left_over():
    held = {
        node.value
        for path in (*SOURCES, *HEALTH)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = held | told_by_tables() | {text for path in TEMPLATES for text in said_in_template(path)}
    used |= {text for path in SCRIPTS for text in said_in_script(path.read_text(encoding="utf-8"))}
    assert ZH.keys() - used == set()


def test_every_text_with_placeholders_is_translated():
    """Also one that reaches `t` through a variable."""
    for path in (*SOURCES, *HEALTH):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path in SOURCES and "core.words import" not in path.read_text(encoding="utf-8"):
            continue
        aside = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        aside |= {id(p) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for p in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in aside:
                filled = re.search(r"(?<!%)\{[a-z_]+[:}]", node.value)
                if re.fullmatch(r"/\S*", node.value):  # the path of a route
                    continue
                assert filled is None or node.value in ZH.keys() | TERMINAL.keys(), (
                    f"{path.name}:{node.lineno}: {node.value}"
                )


def sentences_put_together(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the words of every text that an f-string, `+`, `%` or `join` makes of words and values.

    A text without white space is a name: of a file, a metric, an element of a page.
    """
    ours = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OURS
        for below in ast.walk(node)
    }
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = [node.func.value] if node.func.attr in ("join", "format") else []
        words = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
        if id(node) not in ours and any(map(WORDS.search, words)) and re.search(r"\s", "".join(words)):
            yield node.lineno, next(one for one in words if WORDS.search(one))


@each(
    ("code", "found"),
    [
        ("f'{n} rows'", [" rows"]),
        ("f'{n} of {m}: {what}'", [" of "]),
        ("'a row of ' + name", ["a row of "]),
        ("'%s rows' % n", ["%s rows"]),
        ("' and '.join(parts)", [" and "]),
        ("f'{name}.jsonl'", []),
        ("', '.join(names)", []),
        ("message('{n} rows', n=n)", []),
        ("raise ValueError(f'{n} rows')", []),
    ],
)
def test_a_sentence_that_is_put_together_is_recognised(code: str, found: list[str]):
    assert [words for _, words in sentences_put_together(ast.parse(code))] == found


def test_no_sentence_is_put_together_where_no_language_sees_it():
    """`t` and `message` take a whole sentence with placeholders; a made one is in no table."""
    found = [
        (path, line, words)
        for path in SPEAKING
        if not path.is_relative_to(SHIPPED)
        for line, words in sentences_put_together(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert [f"{path.name}:{line}: {words}" for path, line, words in found if words not in UNTOLD] == []
    assert UNTOLD.keys() - {words for _, _, words in found} == set(), "no exception is left over"


def test_a_translation_fills_no_more_than_its_text():
    assert {
        text: fields(chinese) - fields(text) for text, chinese in ZH.items() if fields(chinese) - fields(text)
    } == {}


@each("text", sorted(ZH))
def test_a_number_keeps_its_form(text):
    formats = {(name, form) for _, name, form, _ in string.Formatter().parse(text) if form}
    assert {(n, form) for _, n, form, _ in string.Formatter().parse(ZH[text]) if form} <= formats


def test_a_language_is_spoken_until_its_block_ends():
    with speaking("zh"):
        assert (spoken(), t("{n} more", n=3)) == ("zh", "还有 3 条")
        with speaking("en"):
            assert t("{n} more", n=3) == "3 more"
        assert t("no page says this {x}") == "no page says this {x}"
    assert (spoken(), t("Before")) == ("en", "Before")
