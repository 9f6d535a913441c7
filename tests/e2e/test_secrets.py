"""Planted secrets stay out of everything that a run writes and shows (X7)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.reports.writing import write_page

from ..serving import Reply, Request, Server, as_json, completion

TRUST = "--trust-code"
PLANTED = {"key": "sk-planted-4711", "password": "planted-pass-word", "query": "planted-query-key"}
OWN = """
def kept_out(responses, api_key=None):
    return [float(len(text) % 7) for text in responses]

def quoting(responses, api_key=None, url=""):
    raise RuntimeError(f"login with {api_key} at {url} failed")
"""


@pytest.fixture
def settings(tmp_path: Path, model_folder: Path) -> dict:
    (tmp_path / "own_rewards.py").write_text(OWN)
    (tmp_path / "asked.jsonl").write_text("".join(f'{{"prompt": "what is {n}?"}}\n' for n in range(4)))
    return {
        "method": "grpo",
        "data": {"train": [str(tmp_path / "asked.jsonl")]},
        "rewards": [{"name": "own_rewards:kept_out", "api_key": PLANTED["key"]}],
        "sampling": {"max_new_tokens": 4},
        "online": {"group_size": 2},
        "optim": {"learning_rate": 1e-3, "items_per_step": 2, "max_steps": 1},
    }


def leaks(folder: Path, *texts: str) -> list[str]:
    """Name every file below a folder, and every text, that holds a planted secret."""
    found = [str(path) for path in folder.rglob("*") if path.is_file() and _leaks(path.read_bytes())]
    return found + [text for text in texts if _leaks(text.encode())]


def _leaks(content: bytes) -> bool:
    return any(secret.encode() in content for secret in PLANTED.values())


def test_a_run_keeps_the_key_of_an_own_reward_and_writes_it_nowhere(
    recipe: Callable[..., Path], truing: Callable, settings: dict, tmp_path: Path
) -> None:
    path = recipe("first.json", **settings)
    done = truing("train", path, TRUST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    write_page(run, None, "en")
    shown = truing("check", path, "--print-config", cwd=tmp_path)
    assert "***" in shown.stdout
    assert not leaks(run, done.stdout, done.stderr, shown.stdout)

    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["rewards"][0]["api_key"] == "***"
    other = settings | {"rewards": [{"name": "own_rewards:kept_out", "api_key": "sk-renewed-4712"}]}
    other["optim"] = settings["optim"] | {"max_steps": 2}
    again = truing("train", recipe("again.json", **other), TRUST, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "rewards.0.api_key" in again.stderr
    assert "sk-renewed-4712" not in again.stderr + (run / "config.json").read_text()


def test_a_failure_that_quotes_secrets_is_told_without_them(
    recipe: Callable[..., Path], truing: Callable, settings: dict, tmp_path: Path
) -> None:
    url = f"https://host/v1?token={PLANTED['query']}"
    failing = {"name": "own_rewards:quoting", "api_key": PLANTED["key"], "url": url}
    done = truing("train", recipe(**settings | {"rewards": [failing]}), TRUST, cwd=tmp_path)
    assert done.returncode == 6, done.stderr
    assert "login with *** at https://host/v1?token=*** failed" in done.stderr
    assert "***" in (tmp_path / "run" / "status.json").read_text()
    assert not leaks(tmp_path / "run", done.stdout, done.stderr)


def test_the_password_of_a_server_is_told_nowhere(
    recipe: Callable[..., Path], truing: Callable, settings: dict, tmp_path: Path
) -> None:
    server = f"http://ann:{PLANTED['password']}@127.0.0.1:9"
    sampling = settings["sampling"] | {"servers": [server], "wait": 1}
    done = truing("train", recipe(**settings | {"sampling": sampling}), TRUST, cwd=tmp_path)
    assert done.returncode != 0
    assert "http://***@127.0.0.1:9" in done.stderr
    assert not leaks(tmp_path / "run", done.stdout, done.stderr)


def test_the_key_of_a_judge_and_a_token_of_the_environment_are_written_nowhere(
    recipe: Callable[..., Path], truing: Callable, settings: dict, tmp_path: Path
) -> None:
    """A judge answers for a step, and then quotes its key in errors: checkpoints, its answers, the report."""
    key, token = PLANTED["key"], PLANTED["password"]
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.headers["authorization"])
        if len(asked) <= 4:
            return completion("SCORE: 7")
        said = f"{request.headers['authorization']} is worn out at {request.path}"
        return as_json({"error": {"message": said, "code": None}}, 500)

    server = Server(answer)
    url = f"{server.url}/v1?api_key={PLANTED['query']}"
    judge = {"name": "judge", "model": "wise", "base_url": url, "api_key_env": "PLANTED_KEY", "retries": 0}
    changes = {"rewards": [judge], "checkpoint": {"every": 1}}
    changes["optim"] = settings["optim"] | {"max_steps": 2}
    env = {"PLANTED_KEY": key, "HF_TOKEN": token, "NO_PROXY": "127.0.0.1"}
    done = truing("train", recipe(**settings | changes), TRUST, cwd=tmp_path, env=env)
    server.close()
    assert done.returncode == 6, done.stderr
    assert set(asked) == {f"Bearer {key}"} and "is worn out" in done.stderr
    run = tmp_path / "run"
    assert (run / "checkpoints" / "step-000001").is_dir() and (run / "judge.sqlite").is_file()
    write_page(run, None, "en")
    assert not leaks(run, done.stdout, done.stderr)
