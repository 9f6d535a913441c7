"""Win rates and rewards of two real (tiny) models, judged by reward, by a model here, and by a server."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from truing.config.evaluation import EvalRecipe
from truing.core.errors import ConfigError, DataError, RewardError
from truing.evals.pair_judges import length_decides
from truing.evals.run import Evaluation, evaluate, require_passed, write_evaluation
from truing.evals.tasks.table import build_tasks
from truing.judges.cache import ANSWERS, AnswerCache
from truing.models.contents import contents_of_source
from truing.reports.evaluation import evaluation_report

from ...serving import Server, completion

Judging = Callable[[str], str]  # the question to the answer


def quiet(*_: object) -> None:
    """Tells nobody."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"How do I bake {what}?"}) + "\n" for what in "abcdef"))
    return path


@pytest.fixture
def server() -> Iterator[Callable[[Judging], str]]:
    """Starts a judge behind an OpenAI-compatible address."""
    started: list[Server] = []

    def start(judging: Judging) -> str:
        started.append(Server(lambda asked: completion(judging(asked.body["messages"][-1]["content"]))))
        return f"{started[-1].url}/v1"

    yield start
    for one in started:
        one.close()


@pytest.fixture
def won(model_folder: Path, moved_folder: Path, rows: Path, tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluates the moved model against the other with this judge."""

    def run(judge: dict[str, object], **more: object) -> Evaluation:
        options = {"judge": judge, "rows": [str(rows)], "max_new_tokens": 8, **more}
        asked = {"model": str(moved_folder), "against": str(model_folder), "output": str(tmp_path / "eval")}
        recipe = EvalRecipe(**asked, tasks={"win_rate": options})
        return evaluate(recipe, quiet, quiet)

    return run


def opinions(done: Evaluation) -> list[float | None]:
    return [mark.values["win"] for mark in done.results["win_rate"].scored[0].marks[0]]


def test_by_reward_the_higher_score_wins(won, reward_folder: Path, model_folder: Path, rows: Path) -> None:
    done = won({"name": "model", "path": str(reward_folder)})
    scored = done.results["win_rate"].scored[0]
    told = [mark.note.split(" to ") for mark in scored.marks[0]]
    assert opinions(done) == [float(float(ours) > float(theirs)) for ours, theirs in told]
    assert [mark.values["win"] for mark in scored.marks[1]] == [1 - (one or 0) for one in opinions(done)]
    (rate, *_) = done.findings
    assert rate.policy.interval is not None
    assert rate.policy.interval.estimate == pytest.approx(sum(one or 0 for one in opinions(done)) / 6)


def test_a_server_that_always_prefers_a_place_decides_nothing(won, server) -> None:
    url = server(lambda question: "VERDICT: A")
    done = won({"name": "server", "model": "wise", "base_url": url, "api_key_env": None})
    assert opinions(done) == [0.5] * 6
    assert "6 contradicting" in done.notes[0]
    assert "Position bias: wise contradicts itself in 6 of 6 comparisons" in done.notes[1]
    assert "6 times it names the first place twice, 0 times the second" in done.notes[1]
    assert done.notes[2] == "The win rate says little of the answers."
    assert done.findings[0].policy.missing == 0


def test_a_judge_that_decides_nothing_makes_the_result_void(won, server, tmp_path) -> None:
    """No win rate of 50 %, no exit code 0: what was said stands in the files, with the reason."""
    url = server(lambda question: "I would rather not say.")
    done = won({"name": "server", "model": "wise", "base_url": url, "api_key_env": None, "retries": 0})
    assert done.findings == []
    assert opinions(done) == [None] * 6
    with pytest.raises(RewardError, match=r"win_rate is void: 6 of 6 answers have no verdict.*10%") as caught:
        require_passed(done)
    assert caught.value.exit_code == 6
    write_evaluation(done, tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())
    assert (found["passed"], list(found["void"]), found["numbers"]) == (False, ["win_rate"], {})
    assert len((tmp_path / "items.jsonl").read_text().splitlines()) == 12
    assert evaluation_report(done).notes[0].startswith("Void: win_rate: 6 of 6 answers have no verdict")


@pytest.mark.parametrize(("max_errors", "void"), [(0.1, True), (0.5, False)])
def test_the_share_of_errors_that_is_borne_is_an_option(won, server, max_errors, void) -> None:
    """Two of the six pairs are refused: a third."""
    url = server(lambda question: "no" if "bake a?" in question or "bake b?" in question else "VERDICT: TIE")
    judge = {"name": "server", "model": "wise", "base_url": url, "api_key_env": None, "retries": 0}
    done = won(judge, max_errors=max_errors)
    assert bool(done.void) is void
    assert void or done.findings[0].policy.missing == 2


def test_nothing_is_asked_twice_after_a_kill(won, server, tmp_path: Path) -> None:
    """The judge dies after five of twelve answers. An evaluation that was killed then asks nobody twice.

    One that came to its end forgets what failed, and asks the other seven.
    """
    asked: list[str] = []

    def dies(question: str) -> str:
        asked.append(question)
        return "VERDICT: TIE" if len(asked) <= 5 else "I am gone"

    url = server(dies)
    judge = {"name": "server", "model": "wise", "base_url": url, "api_key_env": None, "retries": 0}
    won(judge | {"concurrency": 1})
    assert len(set(asked)) == 12
    kept = set(asked[:5])
    asked.clear()
    won(judge | {"concurrency": 1})
    assert asked == []
    AnswerCache(tmp_path / "eval" / ANSWERS).forget_failures()
    won(judge | {"concurrency": 1})
    assert len(asked) == 7 and not kept & set(asked)


def test_a_local_judge_is_asked_again_when_its_weights_change(tmp_path, model_folder, moved_folder) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "judge"))
    before = contents_of_source(str(folder))
    shutil.copyfile(moved_folder / "model.safetensors", folder / "model.safetensors")
    assert contents_of_source(str(folder))["weights"] != before["weights"]


@pytest.mark.parametrize(
    ("longer_wins", "told"),
    [(20, "the longer answer wins 20 of 20"), (0, "the shorter answer wins 20 of 20"), (12, None)],
)
def test_a_taste_for_length_is_named(longer_wins: int, told: str | None) -> None:
    """Of twenty comparisons the model's answer is the longer one in half; 12 of 20 may be luck."""
    gaps = [5, -5] * 10
    preferences = [float((place < longer_wins) == (gap > 0)) for place, gap in enumerate(gaps)]
    notes = length_decides(preferences, gaps)
    assert bool(notes) is (told is not None)
    assert told is None or told in notes[0]


def test_what_is_done_stays_when_a_later_task_fails(
    server, model_folder: Path, moved_folder: Path, rows: Path, tmp_path: Path
) -> None:
    url = server(lambda question: "I would rather not say.")
    judge = {"name": "server", "model": "wise", "base_url": url, "api_key_env": None, "max_requests": 1}
    asked = {"rows": [str(rows)], "max_new_tokens": 8}
    recipe = EvalRecipe(
        model=str(moved_folder),
        against=str(model_folder),
        tasks={"degeneration": asked, "win_rate": asked | {"judge": judge}},
    )
    with pytest.raises(RewardError, match="max_requests = 1"):
        evaluate(recipe, quiet, quiet, keep=lambda part: write_evaluation(part, tmp_path))
    found = json.loads((tmp_path / "results.json").read_text())
    assert (found["unfinished"], found["passed"]) == (["win_rate"], False)
    assert {number["task"] for number in found["numbers"].values()} == {"degeneration"}
    rows_kept = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert len(rows_kept) == 12


def test_a_judge_that_fails_on_some_leaves_them_out(won, server) -> None:
    url = server(lambda question: "no" if "bake a?" in question else "VERDICT: TIE")
    judge = {"name": "server", "model": "wise", "base_url": url, "api_key_env": None, "retries": 0}
    done = won(judge, max_errors=0.2)
    assert opinions(done) == [None, *[0.5] * 5]
    measured = done.findings[0].policy
    assert (measured.missing, measured.worst, measured.best) == (1, 2.5 / 6, 3.5 / 6)


@pytest.mark.parametrize("template", [None, "$response VERDICT?"])
def test_a_model_on_this_machine_is_asked_too(won, model_folder: Path, tmp_path: Path, template) -> None:
    """A random judge says no verdict; the usual question does not even fit into what it reads."""
    judge: dict[str, object] = {"name": "local", "path": str(model_folder), "max_new_tokens": 2}
    if template is not None:
        (tmp_path / "short.md").write_text(template)
        judge["template"] = str(tmp_path / "short.md")
    done = won(judge)
    assert opinions(done) == [None] * 6
    assert done.void["win_rate"].startswith("6 of 6 answers have no verdict")


def test_the_mean_reward_has_its_correlation_with_length(
    model_folder: Path, reward_folder: Path, rows: Path
) -> None:
    options = {"path": str(reward_folder), "rows": [str(rows)], "max_new_tokens": 12}
    recipe = EvalRecipe(model=str(model_folder), tasks={"reward": options}, samples=4, temperature=1.0)
    done = evaluate(recipe, quiet, quiet)
    mean = done.findings[0]
    values = [mark.values["reward"] for mark in done.results["reward"].scored[0].marks[0]]
    assert len(values) == 24 and mean.policy.interval is not None
    assert mean.policy.interval.estimate == pytest.approx(sum(v for v in values if v is not None) / 24)
    for length in done.findings[1:]:
        assert length.policy.interval is not None and -1 < length.policy.interval.estimate < 1


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ({}, "no judge None; known: local, model, server"),
        ({"name": "sever"}, "did you mean 'server'"),
        ({"name": "server"}, "needs model"),
        ({"name": "model", "path": "x", "rubrik": "y"}, "not 'rubrik'"),
    ],
)
def test_a_judge_is_checked_before_anything_is_asked(judge: dict, said: str) -> None:
    recipe = EvalRecipe(model="a", against="b", tasks={"win_rate": {"judge": judge}})
    with pytest.raises(ConfigError, match=said):
        build_tasks(recipe)


def test_annotations_of_alpaca_eval_are_read_and_nobody_is_asked(tmp_path: Path) -> None:
    """Preferences 1.9, 1.25 and 2 are .9, .25 and 1: 71.67 %, two wins of three. Neither model exists."""
    path = tmp_path / "annotations.json"
    rows = [
        {"instruction": f"p{i}", "output_1": "a" * 3, "output_2": "b" * (i + 2), "preference": preference}
        for i, preference in enumerate([1.9, 1.25, 2.0])
    ]
    path.write_text(json.dumps(rows))
    recipe = EvalRecipe(model="nowhere", tasks={"win_rate": {"annotations": str(path)}})
    done = evaluate(recipe, quiet, quiet)
    assert done.findings[0].policy.interval is not None
    assert done.findings[0].policy.interval.estimate == pytest.approx(0.71667, abs=1e-5)
    assert "71.67 %" in done.notes[0] and "discrete 66.67 %" in done.notes[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "has no judge"),
        ({"annotations": "a.json", "judge": {"name": "model", "path": "p"}}, "leave out judge"),
    ],
)
def test_a_win_rate_is_judged_or_read(options: dict, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_tasks(EvalRecipe(model="m", against="b", tasks={"win_rate": options}))
    assert said in f"{caught.value} {caught.value.hint}"


def test_annotations_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    path.write_text('{"instruction": "p"}')
    recipe = EvalRecipe(model="nowhere", tasks={"win_rate": {"annotations": str(path)}})
    with pytest.raises(DataError, match="no list of annotations"):
        evaluate(recipe, quiet, quiet)


def test_a_judge_that_is_one_of_the_models_is_not_loaded_again(
    won, model_folder: Path, moved_folder: Path, loads: list[str]
) -> None:
    won({"name": "local", "path": str(model_folder), "max_new_tokens": 4})
    assert sorted(loads) == sorted([str(model_folder), str(moved_folder)])
