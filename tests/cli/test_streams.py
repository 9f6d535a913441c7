"""Verbs under locales without Chinese: what cannot be printed is escaped, and files are in UTF-8."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
CONSOLES = {
    "ascii locale": ASCII,
    "ascii console": {"PYTHONIOENCODING": "ascii"},
    "gbk console": {"PYTHONIOENCODING": "gbk"},
}
ROW = {"prompt": "你好吗？", "chosen": "我很好。😀", "rejected": "走开。"}
Verb = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def verb(tmp_path: Path) -> Verb:
    """Runs `truing ARGS` in a folder of its own, with changes to the environment."""

    def run(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[bytes]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("LC_", "LANG", "TRUING_LANG"))
        }
        command = [sys.executable, "-m", "truing", *args]
        whole = {**clean, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **env}
        return subprocess.run(command, capture_output=True, env=whole, cwd=tmp_path, check=False)

    return run


def write(path: Path, *rows: dict) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path.name


def escaped(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "backslashreplace")


@pytest.mark.parametrize("console", CONSOLES)
def test_rows_are_shown_with_escapes_for_what_the_console_does_not_have(
    verb: Verb, tmp_path: Path, console: str
):
    done = verb(CONSOLES[console], "data", "show", write(tmp_path / "行.jsonl", ROW))
    assert done.returncode == 0, done.stderr
    encoding = "gbk" if console == "gbk console" else "ascii"
    assert escaped("user: 你好吗？\n→ 1: 我很好。😀\n→ 2: 走开。\n", encoding) in done.stdout
    assert escaped("next: truing data check 行.jsonl", encoding) in done.stderr


def test_a_bad_row_in_chinese_is_told_and_set_aside(verb: Verb, tmp_path: Path):
    name = write(tmp_path / "行.jsonl", *[ROW] * 3, {"prompt": "没有回答", "别的": "列"})
    done = verb(ASCII, "data", "check", name, "--bad-rows", "skip")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    aside = (tmp_path / "行.jsonl.quarantine.jsonl").read_text("utf-8")
    assert "没有回答" in aside


def test_json_stays_json_on_a_console_without_chinese(verb: Verb, tmp_path: Path):
    done = verb(ASCII, "data", "stats", write(tmp_path / "行.jsonl", ROW))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == 1


def test_an_error_names_a_chinese_file(verb: Verb):
    done = verb(ASCII, "check", "配方.yaml")
    assert done.returncode == 2
    assert escaped("config: 配方.yaml does not exist", "ascii") in done.stderr


def test_an_adapter_whose_base_has_a_chinese_path_is_exported(verb: Verb, model_folder: Path, tmp_path: Path):
    base = tmp_path / "模型"
    base.symlink_to(model_folder)
    policy = AutoModelForCausalLM.from_pretrained(base)
    adapter = get_peft_model(policy, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path / "adapter")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    raw = json.loads(config.read_bytes()) | {"base_model_name_or_path": str(base)}
    config.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")  # as other toolkits write it
    done = verb(ASCII, "export", "adapter", "输出")
    assert done.returncode == 0, done.stderr
    assert "模型" in (tmp_path / "输出" / "README.md").read_text("utf-8")
