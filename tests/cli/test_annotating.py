"""`truing annotate PROMPTS --models A B`: what goes into the project, and what the server is given."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from truing.cli import annotating
from truing.cli.annotate import app
from truing.cli.annotating import vote_numbers
from truing.core.errors import UsageError
from truing.store.items import ItemPurpose
from truing.store.project import open_store

Run = Callable[..., list[str]]


@pytest.fixture
def annotate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the verb without its server; returns the links that it printed."""
    served: dict[str, Any] = {}

    def serve(title: str, parts: Callable[[], Any], *, opened: Callable[[str], None], **rules: Any) -> None:
        served.update(rules, parts=parts())
        opened("http://here")

    monkeypatch.setattr(annotating, "serve_pages", serve)

    def run(*arguments: object) -> list[str]:
        typer.main.get_command(app).main([str(one) for one in arguments], standalone_mode=False)
        assert served["open_paths"] == ("/join",) and len(served["parts"]) == 1
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("http://here/join/")]

    return run


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_two_models_answer_the_prompts_of_a_project_once(annotate, model_folder, tmp_path):
    prompts = write(tmp_path / "prompts.jsonl", *({"prompt": f"Question {n}?"} for n in range(3)))
    project = tmp_path / "project.db"
    flags = ["--project", project, "--max-new-tokens", 4, "--overlap", 2, "--people", 3]
    links = annotate(prompts, "--models", model_folder, model_folder, *flags)
    assert len(set(links)) == 3
    with open_store(project, create=False) as store:
        (first, *_), settings = list(store.items()), store.settings
        assert (settings.kinds, settings.overlap, settings.name) == (("pair",), 2, "project")
        assert store.count_items()[ItemPurpose.REAL] == 3
        assert [one.model for one in first.responses] == [str(model_folder)] * 2
        assert store.claim(links[0].rpartition("/")[2], "Ada").name == "Ada"
    write(prompts, *({"prompt": f"Question {n}?"} for n in range(4)))
    annotate(prompts, *flags, "--models", model_folder, model_folder, "--overlap", 3)
    with open_store(project, create=False) as store:
        assert store.count_items()[ItemPurpose.REAL] == 4, "only the new prompt is asked"
        assert store.settings.overlap == 3


def test_rows_with_responses_ask_what_fits_them(annotate, tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text("*Be kind.*", encoding="utf-8")
    rows = write(tmp_path / "rows.jsonl", {"prompt": "q", "responses": ["a", "b", "c"], "ranks": [1, 2, 3]})
    project = tmp_path / "project.db"
    annotate("--responses", rows, "--project", project, "--guidelines", guide, "--people", 0)
    with open_store(project, create=False) as store:
        (item,) = store.items()
        assert (item.kind, store.settings.guidelines) == ("ranking", "*Be kind.*")
        tables = vote_numbers(store)
    assert tables[0]["rows"] and set(tables[0]) >= {"title", "explains", "columns", "least", "most"}
    assert annotate("--project", project, "--people", 0) == []


def test_lists_of_responses_need_no_order(annotate, tmp_path):
    rows = write(tmp_path / "rows.jsonl", {"prompt": "q", "responses": ["a", "b", "c"]})
    project = tmp_path / "project.db"
    annotate("--responses", rows, "--project", project, "--people", 0)
    with open_store(project, create=False) as store:
        (item,) = store.items()
    assert (item.kind, [one.text for one in item.responses]) == ("ranking", ["a", "b", "c"])


def test_responses_of_rows_apart_stand_beside_each_other(annotate, tmp_path):
    """Those that `truing sample` writes: a row for each response."""
    said = [{"prompt": f"q{n}", "response": f"{word} {n}"} for n in range(2) for word in ("yes", "no")]
    rows, project = write(tmp_path / "rows.jsonl", *said), tmp_path / "project.db"
    annotate("--responses", rows, "--project", project)
    with open_store(project, create=False) as store:
        items = list(store.items())
        assert [item.kind for item in items] == ["pair", "pair"]
        assert [one.text for one in items[1].responses] == ["yes 1", "no 1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prompts.jsonl"], "belong together"),
        (["--models", "a", "b"], "belong together"),
        (["--people", "1"], "nothing to vote on"),
        (["--kind", "essay"], "expected pair"),
        (["--guidelines", "absent.md"], "cannot be read"),
    ],
)
def test_mistakes_are_told(annotate, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        annotate("serve", *arguments)
