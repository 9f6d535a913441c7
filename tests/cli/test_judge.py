"""`truing judge` on the terminal: numbers, a plan that asks nothing, exit codes, and the next command."""

import json
from pathlib import Path

import pytest
from tests.serving import Server, completion

from truing.cli.main import main


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A judge that finds the first place better, a file of pairs, and the requests that came."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    requests: list[object] = []
    server = Server(lambda request: (requests.append(request.body), completion("VERDICT: A"))[1])
    rows = [{"prompt": f"Why {i}?", "chosen": "good", "rejected": "bad"} for i in range(4)]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = "api_key_env: null, price_prompt: 1, price_completion: 1"
    yield f"{{model: wise, base_url: '{server.url}/v1', {options}}}", requests
    server.close()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["truing", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_file_is_judged_and_the_next_command_is_named(asked, monkeypatch, capsys):
    role, requests = asked
    assert run(monkeypatch, "judge", "pairs.jsonl", "--judge", role, "--audit") == 0
    told = "".join(capsys.readouterr())
    assert len(requests) == 8
    assert "4 of 4 items have a verdict" in told
    assert "wise goes by places: 4 of 4 verdicts change" in told
    assert "truing train recipes/dpo.yaml --set" in told
    assert Path("judged/rows.jsonl").exists()


def test_a_dry_run_says_requests_tokens_and_money(asked, monkeypatch, capsys):
    role, requests = asked
    assert run(monkeypatch, "judge", "pairs.jsonl", "--judge", role, "--dry-run") == 0
    told = "".join(capsys.readouterr())
    assert "wise: 8 questions, 0 of them answered already; 8 requests" in told
    assert "8192 of answers" in told
    assert "at most 0.0" in told
    assert requests == []
    assert not Path("judged").exists()
    assert run(monkeypatch, "judge", "pairs.jsonl", "--judge", role, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["judges"][0]["requests"] == 8


def test_a_budget_that_is_used_up_is_exit_code_6(asked, monkeypatch, capsys):
    role, requests = asked
    short = role.replace("price_prompt", "max_requests: 3, price_prompt")
    assert run(monkeypatch, "judge", "pairs.jsonl", "--judge", short, "--json") == 6
    assert json.loads(capsys.readouterr().out)["stopped"]
    assert len(requests) == 3
    assert run(monkeypatch, "judge", "pairs.jsonl", "--judge", role, "--json") == 0
    assert len(requests) == 8
