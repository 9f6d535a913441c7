"""The folder tree is the architecture: imports go down this list, never up or sideways."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "truing"
FILES = sorted(PACKAGE.rglob("*.py"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
TREES = {path: ast.parse(text) for path, text in TEXTS.items()}
TESTS = ROOT / "tests"
SCRIPTS = [
    path for name in ("benchmarks", "docs", "examples") for path in sorted((ROOT / name).rglob("*.py"))
]
LAYERS = [
    {"cli"},
    {"api"},
    {"web", "pipelines"},
    {"runs"},
    {"rollouts", "reports"},
    {"redteam"},
    {"synthesis"},
    {"methods", "evals"},
    {"objectives", "rewards"},
    {"training", "sampling"},
    {"models", "judges"},
    {"kernels", "losses"},
    {"data"},
    {"store"},
    {"stats", "text"},
    {"config"},
    {"core"},
]
# The heads of older reward models lie in .bin files. With weights_only=True torch builds tensors and nothing
# else: a pickle that would call a function is refused.
MAY_LOAD_TENSORS = {"models/reward_heads.py"}
LIGHT = {"core", "config", "stats", "text"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Modules that run what they read, and calls that run text; names as `known_as` resolves them.
UNPICKLERS = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
RUNNERS = re.compile(
    r"(builtins\.)?(eval|exec|compile|__import__)"
    r"|torch\.(load|serialization\.load|jit\.load|hub\.load|package\..*)"
    r"|yaml\.(load|load_all|unsafe_load|unsafe_load_all|full_load|full_load_all)"
    r"|os\.(system|popen)|subprocess\.(getoutput|getstatusoutput)|(asyncio\.)?create_subprocess_shell"
    r"|(pandas|pd)\.read_pickle|code\.(interact|InteractiveConsole)|runpy\..*"
)


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


QUESTION = re.compile(r"\s*(What|Whether|How|Where|Who|When|Why|Which)\b")


def test_no_room_holds_more_than_12_percent_of_the_lines():
    lines: Counter[str] = Counter()
    for path in FILES:
        lines[path.relative_to(PACKAGE).parts[0]] += TEXTS[path].count("\n")
    room, most = lines.most_common(1)[0]
    assert most <= 0.12 * lines.total(), f"{room} has {most} of {lines.total()} lines"


def test_there_is_something_to_check():
    assert len(FILES) > 30


def test_imports_point_down():
    upward = []
    for path in FILES:
        here = path.relative_to(PACKAGE).parts[0]
        for module in imported_modules(TREES[path]):
            package, _, rest = module.partition(".")
            there = rest.partition(".")[0]
            if package == "truing" and there and there != here and LEVEL[there] <= LEVEL.get(here, -1):
                upward.append(f"{name_of(path)} may not import {module}")
    assert upward == []


def module_of(path: Path) -> str:
    return ".".join(("truing", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imported_at_once(nodes: list[ast.stmt]) -> Iterator[str]:
    """Yield the imports of a module and of its types; an import inside a function comes later."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from imported_at_once([one for one in ast.walk(node) if isinstance(one, ast.stmt)][1:])


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Every set of modules that reach each other, of two or more."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        waiting, seen = [start], set()
        while waiting:
            for other in graph[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        reached[start] = seen
    return {
        frozenset(other for other in seen if start in reached[other])
        for start, seen in reached.items()
        if start in seen
    }


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": set()}, set()),
        ({"a": {"b"}, "b": {"a"}}, {frozenset("ab")}),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, {frozenset("abc")}),
    ],
)
def test_a_circle_of_any_length_is_found(graph: dict[str, set[str]], found: set[frozenset[str]]):
    assert circles(graph) == found


def test_no_modules_import_each_other():
    """Types too: a circle behind TYPE_CHECKING is two modules that cannot be read apart."""
    names = {module_of(path) for path in FILES}
    graph = {
        module_of(path): {name for name in imported_at_once(TREES[path].body) if name in names}
        - {module_of(path)}
        for path in FILES
    }
    assert circles(graph) == set()


def test_files_and_functions_stay_small():
    long = [f"{name_of(path)}: {lines} lines" for path in FILES if (lines := TEXTS[path].count("\n")) > 400]
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= 60:
                    long.append(f"{name_of(path)}:{node.lineno}: {node.name}")
    assert long == []


def test_rooms_without_torch_know_none():
    heavy = {"torch", "transformers", "peft", "accelerate"}
    found = {
        name_of(path): known
        for path, tree in TREES.items()
        if path.relative_to(PACKAGE).parts[0] in LIGHT
        and (known := heavy & {module.partition(".")[0] for module in imported_modules(tree)})
    }
    assert found == {}


def known_as(tree: ast.Module) -> dict[str, str]:
    """Map the names that imports make to what they stand for, such as `t` to `torch`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_true(node: ast.expr) -> bool:
    """Return whether an argument may be true: only a written False, None or 0 is not."""
    return not (isinstance(node, ast.Constant) and not node.value)


def dangers(tree: ast.Module, *, tensors: bool) -> Iterator[str]:
    """Yield the lines that evaluate, unpickle or start a shell; `tensors` may be loaded as such.

    A name counts wherever it stands, so a function that is passed on or kept under another name is found too.
    """
    names = known_as(tree)
    weights_only: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if tensors and ast.unparse(given.get("weights_only", ast.Constant(None))) == "True":
                weights_only.add(node.func)
            for word in ("shell", "allow_pickle"):
                if word in given and is_true(given[word]):
                    yield f"line {node.lineno}: {word}"
        elif isinstance(node, ast.Name | ast.Attribute) and node not in weights_only:
            if isinstance(node.ctx, ast.Store):  # a field of that name
                continue
            first, *rest = ast.unparse(node).split(".")
            if RUNNERS.fullmatch(name := ".".join([names.get(first, first), *rest])):
                yield f"line {node.lineno}: {name}"
    yield from sorted(UNPICKLERS & {module.partition(".")[0] for module in imported_modules(tree)})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("eval(text)", ["line 1: eval"]),
        ("exec(text)", ["line 1: exec"]),
        ("__import__(name)", ["line 1: __import__"]),
        ("compile(text, '', 'exec')", ["line 1: compile"]),
        ("import builtins\nbuiltins.eval(text)", ["line 2: builtins.eval"]),
        ("run = eval", ["line 1: eval"]),
        ("map(eval, texts)", ["line 1: eval"]),
        ("model.eval()", []),
        ("re.compile(text)", []),
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("import joblib.hashing", ["joblib"]),
        ("import marshal as m", ["marshal"]),
        ("torch.load(path)", ["line 1: torch.load"]),
        ("torch.load(path, weights_only=True)", ["line 1: torch.load"]),
        ("from torch import load\nload(path)", ["line 2: torch.load"]),
        ("from torch import load as read\nread(path)", ["line 2: torch.load"]),
        ("import torch as t\nt.load(path)", ["line 2: torch.load"]),
        ("from torch.serialization import load\nload(path)", ["line 2: torch.serialization.load"]),
        ("safetensors.torch.load(data)", []),
        ("json.load(file)", []),
        ("import yaml\nyaml.load(text)", ["line 2: yaml.load"]),
        ("from yaml import unsafe_load as load\nload(text)", ["line 2: yaml.unsafe_load"]),
        ("yaml.safe_load(text)", []),
        ("import os\nos.system(text)", ["line 2: os.system"]),
        (
            "from os import system, popen\nsystem(text)\npopen(text)",
            ["line 2: os.system", "line 3: os.popen"],
        ),
        ("subprocess.run(command, shell=True)", ["line 1: shell"]),
        ("subprocess.run(command, shell=as_text)", ["line 1: shell"]),
        ("subprocess.run(command, shell=False)", []),
        ("numpy.load(path, allow_pickle=True)", ["line 1: allow_pickle"]),
        ("'no eval(x) here'", []),
    ],
)
def test_what_evaluates_is_recognised(code: str, told: list[str]):
    assert list(dangers(ast.parse(code), tensors=False)) == told


def test_only_weights_are_loaded_where_tensors_may_be():
    code = "torch.load(path, weights_only=True)\ntorch.load(path, weights_only=False)\ntorch.load(path)"
    assert list(dangers(ast.parse(code), tensors=True)) == ["line 2: torch.load", "line 3: torch.load"]


def test_nothing_shipped_evaluates_or_unpickles():
    """X2: no pickle, no eval, no shell; docstrings may speak of them."""
    found = {
        name_of(path): told
        for path, tree in TREES.items()
        if (told := list(dangers(tree, tensors=name_of(path) in MAY_LOAD_TENSORS)))
    }
    assert found == {}


def test_no_archive_is_unpacked():
    """X4: a file of an archive is read as a stream; its name never becomes a path."""
    unpacked = {"extract", "extractall", "unpack_archive"}
    found = {
        f"{name_of(path)}:{node.lineno}": node.attr
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in unpacked
    }
    assert found == {}


def opens_text_by_locale(call: ast.Call) -> bool:
    """Return whether a call reads or writes text in whatever encoding the locale has."""
    if any(keyword.arg == "encoding" for keyword in call.keywords):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    if name in ("read_text", "write_text"):
        return len(call.args) < (1 if name == "read_text" else 2)
    if name in ("open", "fdopen"):
        modes = [
            arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        return "b" not in str(modes) if modes else not call.args or isinstance(call.func, ast.Name)
    return any(keyword.arg == "text" and ast.unparse(keyword.value) == "True" for keyword in call.keywords)


@pytest.mark.parametrize(
    ("call", "by_locale"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('rb')", False),
        ("path.open('a')", True),
        ("RunFolder.open(path)", False),
        ("subprocess.run(command, text=True)", True),
        ("Bar(text=labels)", False),
    ],
)
def test_what_opens_text_by_the_locale_is_recognised(call: str, by_locale: bool):
    assert opens_text_by_locale(ast.parse(call, mode="eval").body) is by_locale


def test_no_file_is_opened_in_the_encoding_of_the_locale():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in [*FILES, *SCRIPTS]
        for node in ast.walk(TREES.get(path) or ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text_by_locale(node)
    ]
    assert found == []


def type_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Name and line of the classes, aliases and type variables of a module that others may import.

    An alias is what is assigned to a name in CamelCase.
    """
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [node.name] if isinstance(node, ast.ClassDef) else []
        for target in [*targets, *([node.target] if isinstance(node, ast.AnnAssign) else [])]:
            if isinstance(target, ast.Name) and re.search("^[A-Z].*[a-z]", target.id):
                names.append(target.id)
        yield from ((name, node.lineno) for name in names if not name.startswith("_"))


def test_classes_aliases_and_variables_are_types():
    source = (
        "class A: ...\nclass _B: ...\nCount = int\nRow: TypeAlias = dict\nMOST = 3\nT = TypeVar('T')\nx = 1\n"
    )
    assert [name for name, _ in type_names(ast.parse(source))] == ["A", "Count", "Row"]


def test_a_type_name_has_one_meaning():
    """A reader who meets a name knows which of the package it is; two of one name need a telling one."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for name, line in type_names(TREES[path]):
            places.setdefault(name, []).append(f"{name_of(path)}:{line}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield text and line of every docstring in a module, those below an assignment too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", [])
        for line in body if isinstance(body, list) else []:
            if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
                yield str(line.value.value), line.lineno


def test_every_docstring_is_found():
    source = '"""A"""\nx = 1\n"""B"""\nclass C:\n    """D"""\n    def e(self):\n        """F"""\n'
    assert sorted(docstrings(ast.parse(source))) == [("A", 1), ("B", 3), ("D", 5), ("F", 7)]


def test_docstrings_open_with_a_verb_or_a_noun():
    """Those of the package, of its tests, and of the scripts beside it."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in [*FILES, *SCRIPTS, *sorted(TESTS.rglob("*.py"))]
        for text, line in docstrings(TREES.get(path) or ast.parse(path.read_text(encoding="utf-8")))
        if QUESTION.match(text)
    ]
    assert found == []


# Modules without a test file of their own name: a package's docstring or its names, and tables of words that
# tests/reports/test_words.py and tests/core/test_messages.py read row by row.
WITHOUT_TEST = re.compile(r"__init__\.py$|_zh\.py$")
ELSEWHERE = {"__main__.py": "test_main.py"}  # `python -m truing`


def test_every_module_has_its_test_file_at_the_mirrored_path():
    missing = [
        f"{name} lacks tests/{test}"
        for name in map(name_of, FILES)
        if not WITHOUT_TEST.search(name)
        and not (
            TESTS / (test := ELSEWHERE.get(name, str(Path(name).with_name(f"test_{Path(name).name}"))))
        ).exists()
    ]
    assert missing == []
