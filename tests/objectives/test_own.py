"""Losses of the user's own: found, checked by their signature, tried on made-up rows, trained."""

import hashlib
import math
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch

from truing.config.lent import lend
from truing.core.errors import ConfigError
from truing.losses.preference import dpo
from truing.methods.offline import COUPLED, OFFLINE, Chosen, choose
from truing.objectives.binding import defaults_of
from truing.objectives.mixing import Part
from truing.objectives.probe import is_coupled
from truing.objectives.shapes import PAIR, RANKING, SCORED, SCORED_PAIR, UNPAIRED, Shape

from ..tables import each

GOOD = "def f(policy, ref, *, beta=0.1):\n    return -beta * (policy.gap - ref.gap)\n"
NUMBERS = count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a new name into an empty working directory and gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    made: list[str] = []

    def write(source: str, name: str | None = None) -> str:
        made.append(name or f"losses_{next(NUMBERS)}")
        (tmp_path / f"{made[-1]}.py").write_text(source)
        return made[-1]

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def chosen(module: Callable[..., str]):
    """Chooses the function `f` of a module with this source."""

    def choose_f(source: str, method: str = "dpo", hyper: dict | None = None) -> Chosen:
        return choose(method, f"{module(source)}:f", hyper or {})

    return choose_f


def test_a_function_in_the_working_directory_is_a_loss_like_any_other(module, tmp_path):
    name = module(GOOD)
    found = choose("dpo", f"{name}:f", {"beta": 0.5, "sft_weight": 0.1})
    assert found.name == f"{name}:f"
    assert (found.hyper, found.options["sft_weight"]) == ({"beta": 0.5}, 0.1)
    assert (found.shape, found.needs_reference, found.coupled) == (PAIR, True, False)
    assert found.files == {f"{name}:f": hashlib.sha256(GOOD.encode()).hexdigest()}
    assert sys.path[-1] == str(tmp_path), "last, so that nothing installed is hidden"


def test_a_function_on_the_python_path_is_a_loss_too():
    found = choose("dpo", "truing.losses.preference:dpo", {})
    assert found.loss is dpo
    assert found.hyper == defaults_of(dpo)


def test_an_own_loss_in_a_mix(module):
    name = module("def f(policy, *, beta=0.3):\n    return -beta * policy.gap\n")
    found = choose("dpo", {f"{name}:f": 2, "dpo": 1}, {})
    assert found.name == f"1 dpo + 2 {name}:f"
    assert found.hyper["beta"] == {"dpo": 0.1, f"{name}:f": 0.3}
    assert list(found.files) == [f"{name}:f"]
    assert found.needs_reference


@pytest.mark.parametrize(
    ("signature", "value", "shape"),
    [
        ("scores", "-scores.gap", SCORED_PAIR),
        ("scores, margin", "margin - scores.gap", SCORED_PAIR),
        ("scores, probability", "-probability * scores.gap", SCORED_PAIR),
        ("scores, ranks, group", "torch.zeros(len(group.unique())).index_add(0, group, scores)", RANKING),
        ("scores, target", "(scores - target).abs()", SCORED),
    ],
)
def test_the_first_shape_that_supplies_every_name_is_taken(chosen, signature, value, shape: Shape):
    found = chosen(f"import torch\ndef f({signature}):\n    return {value}\n", "reward")
    assert found.shape is shape


def test_in_a_mix_the_shape_is_the_one_that_suits_all_parts(module):
    name = module("def f(scores):\n    return scores.abs()\n")
    assert choose("reward", {f"{name}:f": 0.1, "squared_error": 1.0}, {}).shape is SCORED


@pytest.mark.parametrize(
    ("source", "coupled"),
    [
        ("return -policy.gap", False),
        ("return -(policy.gap - policy.gap.mean())", True),
        ("return -policy.gap / policy.gap.std()", True),
        ("return -policy.gap * (policy.gap.argsort().argsort() + 1)", True),
        ("return -policy.gap - torch.rand(len(policy.gap))", True),  # nobody can tell noise from neighbours
    ],
)
def test_whether_items_look_at_each_other_is_found_out(chosen, source, coupled: bool):
    before = torch.random.get_rng_state()
    assert chosen(f"import torch\ndef f(policy):\n    {source}\n").coupled == coupled
    assert torch.equal(torch.random.get_rng_state(), before), "the run's random numbers are its own"


@each("method", OFFLINE)
def test_of_every_loss_of_the_tables_it_is_found_out_rightly(method: str):
    for shape, table in OFFLINE[method].tables:
        for name, loss in table.items():
            assert is_coupled(Part(name, loss, (shape,)), shape, defaults_of(loss)) == (name in COUPLED), name


@pytest.mark.parametrize(
    ("method", "takes", "value"),
    [
        ("sft", "logps", "-logps / logps.mean()"),
        ("reward", "scores, target", "scores - scores.mean() - target"),
    ],
)
def test_where_items_cannot_look_at_each_other_that_is_refused(chosen, method: str, takes: str, value: str):
    with pytest.raises(ConfigError, match=f"another loss when others stand beside it, and {method} shows"):
        chosen(f"def f({takes}):\n    return {value}\n", method)


def test_labelled_responses_without_a_reference(chosen):
    found = chosen("def f(policy, desirable):\n    return policy.where(~desirable, -policy)\n", "kto")
    assert (found.shape, found.needs_reference, found.needs_mismatched) == (UNPAIRED, False, False)


def test_the_baseline_is_made_with_the_reference(chosen):
    found = chosen("def f(policy, kl):\n    return (kl - policy).sigmoid()\n", "kto")
    assert (found.needs_reference, found.needs_mismatched) == (True, True)


F = "def f(policy):\n    return "
IMPORT = r"losses_\d+ cannot be imported: "
ONE = "expected one number per pair, a tensor of shape "
WRONG = [
    (
        "def f(policy, reference): ...",
        r"takes policy, reference; dpo supplies policy, ref, lengths, weights, probability; .* mean 'ref'\?",
    ),
    (
        "def f(chosen, loser): ...",
        "f takes chosen, loser; dpo supplies policy, ref, lengths, weights, probability$",
    ),
    ("def f(ref): ...", "f does not take policy, so nothing would be learnt"),
    ("def f(): ...", "f does not take policy, so nothing would be learnt"),
    ("def f(policy, beta=0.1): ...", r"f takes beta=0.1: a hyper-parameter stands behind a bare \*"),
    ("def f(policy, *rest): ...", r"f takes \*rest: arguments are to be named"),
    ("def f(policy, **rest): ...", r"f takes \*\*rest: arguments are to be named"),
    ("def f(policy, /): ...", "f takes policy: arguments are to be named"),
    ("def f(policy, *, beta): ...", "f takes beta: a hyper-parameter needs a default"),
    ("def f(policy, *, beta=None): ...", "f takes beta=None: the default of a hyper-parameter is a number"),
    ("def f(policy, *, sft_weight=1.0): ...", "f takes sft_weight=1.0: that key of loss: is taken"),
    ("def f(policy, *, name=1.0): ...", "f takes name=1.0: that key of loss: is taken"),
    ("f = 3", "f is of type int, and not a function"),
    ("def g(policy): ...", r"losses_\d+.py has no 'f'$"),
    ("def ff(policy): ...", r"has no 'f'; did you mean 'ff'\?"),
    ("1 / 0", IMPORT + "ZeroDivisionError: division by zero"),
    ("raise SystemExit('bye')", IMPORT + "SystemExit: bye"),
    ("import no_such", IMPORT + "ModuleNotFoundError: No module named 'no_such'"),
    ("def f(policy:", IMPORT + r"SyntaxError: .*\(losses_\d+.py, line 1\)"),
    (F + "policy.gap.mean()", r"gives a tensor of shape \[\] and dtype float32: " + ONE + r"\[7\]"),
    (F + "policy.gap[:1].expand(7)", r"gives a tensor of shape \[7\] .*: " + ONE + r"\[1\]"),
    (F + "policy.gap.squeeze()", r"gives a tensor of shape \[\] .*: " + ONE + r"\[1\]"),
    (F + "policy", "gives a Pair: " + ONE),
    (F + "None", "gives a NoneType: " + ONE),
    (F + "policy.gap > 0", r"gives a tensor of shape \[7\] and dtype bool: " + ONE),
    (F + "policy.gap.detach()", "gives numbers without a gradient: they are to be made of policy, attached"),
    (F + "policy.gap + unheard", r"f fails on 7 made-up rows: NameError: .* \(losses_\d+.py:2\)"),
    (F + "policy.gap @ policy.gap[:3]", r"f fails on 7 made-up rows: RuntimeError: .* \(losses_\d+.py:2\)"),
]


@pytest.mark.parametrize(("source", "message"), WRONG, ids=[message for _, message in WRONG])
def test_mistakes_say_what_came_and_what_is_expected(chosen, source: str, message: str):
    with pytest.raises(ConfigError, match=message):
        chosen(source)


def test_the_documentation_lists_what_is_supplied():
    page = (Path(__file__).parents[2] / "docs" / "methods" / "losses.md").read_text()
    for method in OFFLINE.values():
        for shape, _ in method.tables:
            names = ", ".join(f"`{name}`" for name in shape.supplies)
            rows = [line for line in page.splitlines() if f"| {names} |" in line]
            assert [row for row in rows if f"`{method.name}`" in row], (method.name, names)


def test_names_supplied_by_different_shapes_do_not_go_together(chosen):
    with pytest.raises(ConfigError) as caught:
        chosen("def f(scores, margin, target):\n    pass\n", "reward")
    assert str(caught.value).endswith(
        "takes scores, margin, target; "
        "reward supplies scores, margin, probability or scores, ranks, group or scores, target"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_lossez:f", "there is no module 'my_lossez'; did you mean 'my_losses'?"),
        ("my_losses.py:f", "there is no module 'my_losses.py'"),
        ("xyz.abc:f", "there is no module 'xyz'"),
        (
            "truing.losses.preferences:f",
            "there is no module 'truing.losses.preferences'; did you mean 'preference'?",
        ),
        ("my-losses:f", "'my-losses:f' names no function"),
        ("my_losses:", "'my_losses:' names no function"),
        ("my_losses:f:g", "'my_losses:f:g' names no function"),
    ],
)
def test_a_module_that_is_not_there_is_told_with_the_nearest(module, name: str, message: str):
    module(GOOD, "my_losses")
    with pytest.raises(ConfigError) as caught:
        choose("dpo", name, {})
    assert str(caught.value) == message


def test_a_builtin_has_no_file_and_no_names_that_fit():
    with pytest.raises(ConfigError, match="math:sqrt takes x: arguments are to be named"):
        choose("dpo", lend(math.sqrt), {})


def test_a_number_is_no_function(module):
    module("PI = 3.14\n", "my_numbers")
    with pytest.raises(ConfigError, match="my_numbers:PI is of type float, and not a function"):
        choose("dpo", "my_numbers:PI", {})
