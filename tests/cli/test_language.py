"""The terminal is spoken to in the language that TRUING_LANG or the locale asks for, where it can show it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from truing.cli import language
from truing.cli.language import console_language


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch):
    """The language with these variables and no other of a locale."""

    def ask(*, shows: bool = True, **variables: str) -> str:
        for name in language._NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(language, "shows", lambda text: shows)
        console_language.cache_clear()
        return console_language()

    yield ask
    console_language.cache_clear()


def test_the_variable_of_truing_goes_before_the_locale(asked):
    assert asked() == "en"
    assert asked(LANG="zh_CN.UTF-8") == "zh"
    assert asked(LANG="zh_CN.UTF-8", LC_ALL="C") == "en"
    assert asked(LANG="zh_CN.UTF-8", TRUING_LANG="en") == "en"
    assert asked(LANG="de_DE.UTF-8", TRUING_LANG="zh") == "zh"
    assert asked(LANG="de_DE.UTF-8") == "en"


def test_a_terminal_without_chinese_is_spoken_to_in_english(asked):
    assert asked(TRUING_LANG="zh", shows=False) == "en"


def test_an_error_its_hint_and_the_next_step_are_chinese(tmp_path: Path):
    env = {**os.environ, "TRUING_LANG": "zh", "PYTHONIOENCODING": "utf-8"}
    (tmp_path / "r.yaml").write_text("method：dpo\n", encoding="utf-8")
    (tmp_path / "行.jsonl").write_text('{"prompt": "p", "chosen": "c", "rejected": "r"}\n', encoding="utf-8")

    def told(*args: str) -> str:
        command = [sys.executable, "-m", "truing", *args]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", env=env, cwd=tmp_path, check=False
        ).stderr

    assert told("check", "r.yaml").splitlines() == [
        "读取 r.yaml …",
        "config: r.yaml:1：'method' 后面是全角冒号“：”",
        "  → 请改成半角冒号加空格：`method: …`",
    ]
    assert "\n下一步: truing data stats 行.jsonl\n      长度、语言、几乎相同的偏好对\n" in told(
        "data", "check", "行.jsonl"
    )
