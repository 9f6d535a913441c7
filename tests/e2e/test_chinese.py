"""The first hour on a Chinese terminal: what a verb prints holds no English sentence."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer import rich_utils

from truing.cli import language
from truing.cli.language import console_language
from truing.cli.main import VERBS
from truing.models.machine import cpu_line

# Typed as they stand, and a name.
AS_IT_IS = re.compile(
    r"`[^`]*`|<[^>]*>|下一步: .*|(?:用法|示例)：.*"
    r"|--bad-rows skip|JSON Schema|truing (?:eval|data(?: merge)?)"  # a line may end within
)
ENGLISH = re.compile(r"\b[A-Za-z]{2,}(?: [A-Za-z]{2,})+\b")


@pytest.fixture
def chinese(here: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs `truing ARGS` as `here` does, on a Chinese terminal; returns all that it printed."""
    monkeypatch.setenv("TRUING_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "80")
    for title in language._TITLES:  # restored afterwards
        monkeypatch.setattr(rich_utils, title, getattr(rich_utils, title))
    console_language.cache_clear()

    def run(*args: object, code: int = 0) -> str:
        ended = here(*args)
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    yield run
    console_language.cache_clear()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Twelve pairs in Chinese."""
    made = [{"prompt": f"第{i}题？", "chosen": f"是{i}。", "rejected": "不知道。"} for i in range(12)]
    path = tmp_path / "对.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    return path


def english(told: str) -> list[str]:
    """Two or more English words in a row, but for commands and the name of the processor."""
    return ENGLISH.findall(AS_IT_IS.sub("", told.replace(cpu_line(), "")))


def test_english_is_found():
    assert english("共 8 步；the result is in `truing train r.yaml`") == ["the result is in"]


def test_from_check_to_report(chinese, recipe, rows):
    stuck = {"rules": {"stuck_at_ln2": {"steps": 3, "width": 0.5}}}
    still = {"learning_rate": 1e-9, "items_per_step": 3, "epochs": 2}
    path = recipe(data={"train": [str(rows)], "eval_fraction": 0.25}, health=stuck, optim=still)
    checked, trained = chinese("check", path), chinese("train", path)
    assert "第一步    损失 0.693147" in checked
    assert "健康：stuck_at_ln2，自第 " in trained
    for told in (checked, trained, chinese("report", "run"), chinese("doctor", "run"), chinese("doctor")):
        assert english(told) == []
        assert re.search(r"[\u4e00-\u9fff]", told)


def test_the_cause_of_a_number_that_is_not_finite_is_told(chinese, recipe, rows):
    blown = {"learning_rate": 1e30, "items_per_step": 3, "epochs": 2, "warmup": 0}
    said = "".join(chinese("train", recipe(data={"train": [str(rows)]}, optim=blown), code=4).split())
    assert "损失为nan" in said and "最先出现在" in said and "原因在学习率" in said
    assert "请用更低的学习率继续" in said


def test_rows_that_are_lost_to_their_length_are_told(chinese, recipe, rows):
    path = recipe(data={"train": [str(rows)], "max_tokens": 5})
    told = chinese("check", path, code=3)
    assert "data.max_tokens 为 5 时，12 行中有 12 行因太长而丢失，超过 1 %（12 too-long）" in told
    assert english(told) == []


def test_what_an_evaluation_prints(chinese, model_folder, moved_folder, tmp_path):
    asked = {"degeneration": {"max_new_tokens": 2}, "tax": {}}
    path = tmp_path / "e.json"
    gates = {"degeneration/cut": {"below": -1.0}, "degeneration": {"below": -1.0}}
    models = {"model": str(moved_folder), "against": str(model_folder)}
    path.write_text(json.dumps({**models, "tasks": asked, "languages": ["zh"], "gates": gates}))
    told = chinese("eval", path, code=7)
    assert "退化的回答" in told
    assert "要求整个区间低于" in told
    assert english(told) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["train"], "缺少参数 'recipe'"),
        (["train", "a.yaml", "--foo"], "没有 --foo 这个选项"),
        (["train", "a.yaml", "--ouput", "b"], "没有 --ouput 这个选项（是不是：--output？）"),
        (["trian"], "没有 'trian' 这个命令；是不是 'train'？"),
        (["quickstart", "--minutes", "0"], "'--minutes' 的值不对：应不小于 1"),
        (["sample", "m", "--k", "x"], "'--k' 的值不对：应为整数"),
        (["report", "r", "--language", "fr"], "'--language' 的值不对：'fr' 不在 'en', 'zh' 之中"),
        (["data", "show", "-n"], "选项 '-n' 后面要有一个值"),
        (["schema", "x"], "多余的参数（x）"),
        (["schema", "--json=3"], "没有 --json 这个选项"),
    ],
)
def test_a_mistake_on_the_command_line(chinese, args, said):
    told = chinese(*args, code=2)
    assert told.startswith(f"usage: {said}\n")
    assert english(told) == []


def test_every_help_is_whole_and_chinese(chinese):
    data = [
        ["data"],
        *(["data", name] for name in ("show", "check", "convert", "merge", "stats", "negatives", "refusals")),
    ]
    typed = {"evaluate": "eval", "red_team": "red-team"}
    verbs = [[], *([typed.get(verb.__name__, verb.__name__)] for verb in VERBS), *data]

    for verb in verbs:
        told = chinese(*verb, "-h")
        assert "用法：" in told
        assert english(told) == [], verb
        assert "…" not in told, f"a text of {verb} is cut off"
