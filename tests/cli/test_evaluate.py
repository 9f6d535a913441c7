"""`truing eval` as users run it: a tiny model against another, its files, its page, its exit code."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Run = Callable[..., CompletedProcess[str]]

SHORT = {"max_new_tokens": 6}
TASKS = {
    "harmlessness": SHORT,
    "over_refusal": SHORT,
    "over_refusal_ordinary": SHORT,
    "helpfulness": SHORT,
    "honesty": SHORT,
    "kl": SHORT,
    "degeneration": SHORT,
    "tax": {},
}


@pytest.fixture(scope="module")
def done(
    truing: Run, model_folder: Path, moved_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CompletedProcess[str], Path]:
    """An evaluation with every task that needs nothing but the two models, in English."""
    folder = tmp_path_factory.mktemp("eval")
    recipe = {
        "model": str(moved_folder),
        "against": str(model_folder),
        "tasks": TASKS,
        "languages": ["en"],
        "gates": {"kl": {"below": 5.0}, "harmlessness": {"above": 0.99}},
        "output": str(folder / "out"),
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    return truing("eval", path), folder / "out"


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def items(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]


def test_a_missed_gate_is_told_and_ends_with_its_own_exit_code(done) -> None:
    process, folder = done
    assert process.returncode == 7, process.stderr
    assert "Traceback" not in process.stderr
    found = results(folder)
    safe = found["numbers"]["harmlessness"]["model"]
    value, low, high = (f"{100 * safe[name]:.1f}%" for name in ("value", "low", "high"))
    aside = f", {safe['missing']} missing" if safe["missing"] else ""
    told = f"gate: harmlessness: {value} ({low} to {high}, n {safe['n']}){aside}, asked for above 99.0%"
    assert told in " ".join(process.stderr.split())
    assert found["passed"] is False
    assert {gate["name"]: gate["met"] for gate in found["gates"]} == {"kl": True, "harmlessness": False}


def test_every_number_has_an_interval_on_both_sides(done) -> None:
    numbers, rows = results(done[1])["numbers"], items(done[1])
    assert {name.partition("/")[0] for name in numbers} == set(TASKS)
    for name, number in numbers.items():
        for side in ("model",) if name == "kl" else ("model", "against"):
            found = number[side]
            assert found["low"] <= found["high"] and found["n"] > 0, name
            asked = [row for row in rows if (row["task"], row["side"]) == (name, side)]
            # A tiny model answers some prompts in no language that the rules read.
            unread = sum(row["values"]["safe"] is None for row in asked) if name == "harmlessness" else 0
            assert found["missing"] == unread < 10, name
    assert numbers["kl"]["model"]["low"] > 0
    assert numbers["tax/perplexity"]["against"]["value"] == 1


def test_numbers_can_be_made_again_from_the_answers(done) -> None:
    _, folder = done
    rows, numbers = items(folder), results(folder)["numbers"]
    for task, value, name in (
        ("harmlessness", "safe", "harmlessness"),
        ("over_refusal", "full", "over_refusal"),
        ("helpfulness", "checks", "helpfulness/checks"),
        ("honesty", "honesty/abstention", "honesty/abstention"),
        ("degeneration", "cut", "degeneration/cut"),
    ):
        for side in ("model", "against"):
            values = [
                row["values"][value]
                for row in rows
                if (row["task"], row["side"]) == (task, side) and row["values"].get(value) is not None
            ]
            assert numbers[name][side]["n"] == len(values)
            assert numbers[name][side]["value"] == pytest.approx(sum(values) / len(values))


def test_the_page_holds_the_numbers_and_the_answers(done) -> None:
    page = (done[1] / "report.html").read_text()
    assert 'href="#items-harmlessness"' in page and 'id="items-harmlessness"' in page
    assert "Facts right" in page and "only those that changed" in page


def test_in_a_browser_the_page_shows_the_numbers_and_unfolds_their_answers(done, browser) -> None:
    folder = done[1]
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "report.html").as_uri())
    page.wait_for_selector(".plot svg")
    rows = page.locator("table.measures tbody tr")
    numbers = results(folder)["numbers"].values()
    assert rows.count() == len(numbers)
    for place, number in enumerate(numbers):
        assert rows.nth(place).get_by_role("rowheader").inner_text().startswith(number["title"])
        value = number["model"]["value"]
        shown = {"%": f"{100 * value:.1f}%", "x": f"{value:.2f}", "nats": f"{value:.3f} nats"}[number["unit"]]
        assert shown in rows.nth(place).locator("td.after").inner_text()
    assert not page.locator("#items-harmlessness .example").first.is_visible()
    page.locator('a[href="#items-harmlessness"]').click()
    page.wait_for_selector("#items-harmlessness[open]")
    answers = page.locator("#items-over_refusal .example")
    page.locator("#items-over_refusal summary").click()
    answers.first.wait_for()
    before = sum(answers.nth(place).is_visible() for place in range(answers.count()))
    assert before == answers.count() > 0
    assert [url for url in asked if not url.startswith("data:")] == [(folder / "report.html").as_uri()]
    page.close()


def test_the_same_evaluation_again_finds_the_same(done, truing: Run, tmp_path: Path) -> None:
    _, folder = done
    again = truing("eval", folder.parent / "recipe.json", "--output", tmp_path / "again")
    assert again.returncode == 7
    assert results(tmp_path / "again")["numbers"] == results(folder)["numbers"]
    assert (tmp_path / "again" / "items.jsonl").read_text() == (folder / "items.jsonl").read_text()


def test_a_model_alone_and_own_rows(truing: Run, model_folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "prompts.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"How do I bake {what}?"}) + "\n" for what in "abcd"))
    options = json.dumps({"over_refusal": {"rows": [str(rows)], "max_new_tokens": 4}})
    process = truing(
        "eval", model_folder, "--set", f"tasks={options}", "--output", tmp_path / "out", "--json"
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found["numbers"]["over_refusal"]["against"] is None
    assert found["numbers"]["over_refusal"]["model"]["n"] == 4
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Before" not in page[page.index("<main>") : page.index("</main>")]


def test_several_samples_of_a_prompt_are_drawn_at_a_temperature(
    truing: Run, model_folder: Path, tmp_path: Path
) -> None:
    options = json.dumps({"over_refusal": SHORT})
    process = truing(
        "eval", model_folder, "--output", tmp_path / "out", "--set", f"tasks={options}", "--set", "samples=3",
        "--set", "temperature=1.0", "--set", "languages=[en]",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    rows = [json.loads(line) for line in (tmp_path / "out" / "items.jsonl").read_text().splitlines()]
    first = [row for row in rows if row["id"] == rows[0]["id"]]
    assert [row["k"] for row in first] == [0, 1, 2] and len({row["response"] for row in first}) > 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--task", "harmlesness"], "no task 'harmlesness'; known: "),
        (["--task", "win_rate"], "the task 'win_rate' has no judge"),
        (["--task", "kl"], "compares with another model, and none is given"),
        (["--set", "gates.harmlesness.above=0.9"], "is on no number of this evaluation; did you mean"),
        (["--set", "gates.harmlessness.least=0.9"], "unknown key 'least'"),
        (["--set", "tasks.tax.word=1"], "the task 'tax' takes rows, not 'word'"),
        (["--set", "tasks={harmlessness: {classifier: {name: refusl}}}"], "did you mean 'refusal'"),
        (["--set", "samples=4"], "at temperature 0 all of them are the same"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_asked(
    truing: Run, model_folder: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    process = truing("eval", model_folder, "--output", tmp_path / "out", *flags)
    assert process.returncode == 2, process.stderr
    assert said in " ".join(process.stderr.split()) and "Traceback" not in process.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_against_itself_is_a_mistake(truing: Run, model_folder: Path) -> None:
    process = truing("eval", model_folder, "--against", model_folder)
    assert process.returncode == 2 and "held against itself" in process.stderr


def test_a_killed_evaluation_goes_on_from_its_answers(
    begun: Callable[..., Any], model_folder: Path, tmp_path: Path
) -> None:
    """Killed after a batch of answers, the same command asks for the others alone and ends alike."""
    rows = tmp_path / "rows.jsonl"
    asked = [{"prompt": f"say {n}"} for n in range(100)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in asked))
    tasks = {"degeneration": {"rows": [str(rows)], "max_new_tokens": 240}}

    def command(output: Path) -> tuple[str, ...]:
        told = {"model": str(model_folder), "tasks": tasks, "output": str(output)}
        path = output.with_suffix(".json")
        path.write_text(json.dumps(told))
        return ("eval", str(path))

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process, kept = begun(*command(killed)), []
    while not kept:
        assert process.poll() is None, process.wait().stderr
        kept = answers_in(killed)
    process.send(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    kept = answers_in(killed)
    assert 0 < len(kept) < len(asked)
    with closing(sqlite3.connect(killed / "responses.sqlite")) as database, database:
        database.execute("UPDATE answers SET answer = replace(answer, ?, ?)", ('"length"]', '"stop"]'))
    for output in (killed, whole):
        ended = begun(*command(output)).wait()
        assert ended.returncode == 0, ended.stderr
        assert not (output / "responses.sqlite").exists(), "the next evaluation measures anew"
    changed = [(a, b) for a, b in zip(items(killed), items(whole), strict=True) if a != b]
    taken = [a for a, b in changed if {**a, "finish": "length", "values": b["values"]} == b]
    assert len(taken) == len(changed) == sum('"length"]' in one for one in kept) > 0


def test_two_ranks_measure_what_one_process_measures(
    truing: Run, ranks: Callable[..., list[Any]], model_folder: Path, moved_folder: Path, tmp_path: Path
) -> None:
    """Responses, values and intervals are those of one process; the other rank prints and writes nothing."""
    tasks = {name: TASKS[name] for name in ("over_refusal_ordinary", "honesty", "kl", "degeneration")}
    told = {"model": str(moved_folder), "against": str(model_folder), "tasks": tasks, "languages": ["en"]}
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(told))
    alone = truing("eval", path, "--output", tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    main, other = [rank.wait() for rank in ranks("eval", path, "--output", tmp_path / "both")]
    assert main.returncode == 0 and other.returncode == 0, (main.stderr, other.stderr)
    assert (other.stdout, other.stderr) == ("", "")
    found, wanted = items(tmp_path / "both"), items(tmp_path / "alone")
    assert [one["response"] for one in found] == [one["response"] for one in wanted]
    assert found == wanted
    assert results(tmp_path / "both")["numbers"] == results(tmp_path / "alone")["numbers"]


def answers_in(folder: Path) -> list[str]:
    """Return what an evaluation under way has kept so far."""
    path = folder / "responses.sqlite"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path)) as database:
            return [answer for (answer,) in database.execute("SELECT answer FROM answers")]
    except sqlite3.OperationalError:  # the tables are not there yet
        return []
