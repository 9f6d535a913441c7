"""Messages stay English in logs and files and are told in Chinese where a terminal asks for it."""

import ast
import json
import json.scanner
import re
import string
from pathlib import Path

import pytest

import truing
from truing.config.config import load_recipe
from truing.core import told_zh, votes_zh
from truing.core.errors import ConfigError, DataError
from truing.core.messages import OR, joined, message, recognised, told
from truing.core.pages_zh import ZH as PAGES
from truing.core.told_zh import ZH
from truing.core.words import add_words
from truing.data.kinds import PANDAS
from truing.data.load import load_records

PACKAGE = Path(truing.__file__).parent
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if not path.name.endswith("_zh.py")]
# All of what these say to people has a translation.
COVERED = [
    "core/encodings.py",
    "core/workers.py",
    "core/ranks.py",
    "config/documents.py",
    "config/foreign_file.py",
    "config/options.py",
    "config/yaml_mistakes.py",
    "data/beside.py",
    "data/chunks.py",
    "data/detect.py",
    "data/fields.py",
    "data/formats.py",
    "data/frames.py",
    "data/kinds.py",
    "data/limits.py",
    "data/load.py",
    "data/packed.py",
    "data/read.py",
    "data/read_columns.py",
    "data/read_csv.py",
    "data/read_json.py",
    "data/refusals.py",
    "data/rows.py",
    "data/shards.py",
    "data/spelled.py",
    "data/turns.py",
    "data/votes.py",
    "store/answers.py",
    "store/argilla.py",
    "store/counts.py",
    "store/database.py",
    "store/foreign.py",
    "store/given.py",
    "store/items.py",
    "store/label_studio.py",
    "store/migrations.py",
    "store/people.py",
    "store/project.py",
    "store/settling.py",
    "store/tables.py",
    "store/votes.py",
    "runs/votes.py",
    "cli/annotate.py",
    "losses/unpaired.py",
    "models/described.py",
    "models/folders.py",
    "models/gpus.py",
    "models/precision.py",
    "models/recompute.py",
    "models/results.py",
    "models/scoring.py",
    "models/sources.py",
    "models/world.py",
    "rewards/model.py",
    "training/health.py",
    "training/hooks.py",
    "runs/care.py",
    "runs/plans.py",
    "runs/crew.py",
    "runs/critics.py",
    "runs/idle.py",
    "runs/online_opening.py",
    "runs/online_session.py",
    "runs/policies.py",
    "runs/rehearsal.py",
    "runs/rows.py",
    "runs/session.py",
    "runs/stored.py",
    "runs/taught.py",
    "evals/bench.py",
    "evals/drift.py",
    "evals/instructions.py",
    "evals/notes.py",
    "evals/pair_judges.py",
    "evals/questions.py",
    "evals/reward_summary.py",
    "evals/rewards.py",
    "evals/run.py",
    "evals/safety.py",
    "evals/tasks/responses.py",
    "evals/tasks/outside.py",
    "evals/tasks/outside_options.py",
    "evals/tasks/outside_read.py",
    "evals/tasks/table.py",
    "evals/tasks/versus.py",
    "pipelines/budget.py",
    "pipelines/quickstart.py",
    "pipelines/stages.py",
    "reports/compare/read.py",
    "reports/page.py",
    "reports/run.py",
    "runs/train.py",
    "cli/annotating.py",
    "cli/data.py",
    "cli/doctor.py",
    "cli/evaluate.py",
    "cli/init.py",
    "cli/pipeline.py",
    "cli/report.py",
    "cli/score.py",
    "cli/show.py",
    "cli/system.py",
    "cli/talk.py",
    "api/evaluating.py",
    "api/given.py",
    "api/opening.py",
    "api/sampling.py",
    "api/scoring.py",
    "api/training.py",
    "config/lent.py",
    "evals/own_judge.py",
    "evals/scored.py",
    "reports/writing.py",
    "sampling/fleet.py",
    "sampling/http.py",
    "sampling/listing.py",
    "sampling/replies.py",
    "sampling/servers.py",
    "sampling/shelf.py",
    "sampling/spreading.py",
    "sampling/streamed.py",
    "sampling/streaming.py",
    "sampling/weights.py",
    "cli/training.py",
    "synthesis/constitution/principles.py",
    "synthesis/constitution/by_rule.py",
    "synthesis/constitution/by_model.py",
    "synthesis/constitution/revising.py",
    "synthesis/constitution/counts.py",
    "synthesis/constitution/run.py",
    "pipelines/constituting.py",
    "cli/constitution.py",
    "redteam/declining.py",
    "models/finite.py",
    "training/step.py",
    "runs/diagnosis.py",
    "runs/repeated.py",
    "runs/causes.py",
    "redteam/failures.py",
    "redteam/harmless.py",
    "redteam/refusals.py",
    "cli/refusals.py",
    "cli/harden.py",
    "pipelines/harden/plan.py",
    "pipelines/harden/rounds.py",
    "pipelines/harden/run.py",
    "cli/arena.py",
    "web/arena/contest.py",
    "web/arena/models.py",
    "web/arena/router.py",
    "cli/voting.py",
    "pipelines/votes/judged.py",
    "pipelines/votes/loop.py",
    "pipelines/votes/priorities.py",
    "pipelines/votes/summary.py",
    "stats/agreement_table.py",
    "stats/model_strengths.py",
    "stats/raters.py",
    "stats/ratings.py",
    "web/serve.py",
]
PYTHONS = [Path(json.decoder.__file__), Path(json.scanner.__file__)]
SAME = {"bfloat16"}  # a name
COMMANDS = {"iconv -f GB18030 -t UTF-8 {source} > {target}", PANDAS}  # the same in every language


@pytest.fixture(autouse=True)
def _spoken():
    add_words("zh", ZH)


def constants(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def fields(text: str) -> set[tuple[str, str | None]]:
    return {(name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None}


def test_a_message_is_its_english_sentence():
    made = message("{n} rows in {path}", n=3, path="a{b}.jsonl")
    assert made == "3 rows in a{b}.jsonl"
    assert told(made, "zh") == made, "a template that no table has stays English"
    assert message("{not filled}") == "{not filled}"


def test_a_message_is_told_with_the_messages_inside_it():
    inner = message("{path} does not exist", path="label")
    outer = message("{path}: {what}", path="a", what=inner)
    assert outer == "a: label does not exist"
    assert told(outer, "zh") == "a：label 不存在", "a field of a person's own is not translated"
    assert told(outer, "en") == outer


def test_messages_in_a_row_are_told_with_what_stands_between_them():
    both = joined(OR, [message("a number"), message("a list")])
    assert both == "a number or a list"
    assert told(both, "zh") == "数字，或列表"


def test_a_text_is_recognised_as_the_message_it_was():
    templates = ("{path} does not exist", "{place}: {what}")
    found = recognised("a.yaml: b does not exist", templates)
    assert found == "a.yaml: b does not exist"
    assert told(found, "zh") == "a.yaml：b 不存在", "a field is recognised too"
    assert recognised("something else", templates) == "something else"


def test_an_error_of_a_recipe_is_told_line_by_line(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text("method: dpo\npolicy: m\nlearning_rate: 1e-5\noptim: {epochs: many}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert told(caught.value.message, "zh").splitlines()[1:] == [
        f"{path}:3：没有 'learning_rate' 这个键；是不是 'optim.learning_rate'？",
        f"{path}:4：optim.epochs 的值是 'many'，应为数字",
    ]


def test_an_error_of_rows_is_told_with_those_rows(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "chosen": "c", "rejected": "c"}\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_records(path)
    assert told(caught.value.message, "zh").startswith(f"{path}：1 行中没有一行可用。")
    assert "rows.jsonl:1：identical-pair：chosen 与 rejected 相同：'c'" in told(caught.value.message, "zh")


def test_every_message_of_these_files_is_translated():
    for name in COVERED:
        path = PACKAGE / name
        said = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "message":
                first = node.args[0]
                either = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                said |= {str(text.value) for text in either if isinstance(text, ast.Constant)}
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                said |= {text for text in [str(node.value.value)] if re.search(r"\{[a-z]\w*[!:}]", text)}
        assert said - ZH.keys() - PAGES.keys() - COMMANDS - SAME - {""} == set(), name


def test_no_translation_is_left_over():
    assert ZH.keys() - set().union(*map(constants, [*SOURCES, *PYTHONS])) == set()


def test_a_translation_fills_no_more_than_its_text():
    assert {text: chinese for text, chinese in ZH.items() if fields(chinese) - fields(text)} == {}


def test_pages_and_terminal_translate_one_text_alike():
    assert {
        text: (ZH[text], PAGES[text]) for text in ZH.keys() & PAGES.keys() if ZH[text] != PAGES[text]
    } == {}


def test_no_key_stands_twice():
    core = Path(told_zh.__file__).parent
    text = Path(told_zh.__file__).read_text(encoding="utf-8")
    joined_in = re.findall(r"^from truing\.core\.(\w+_zh) import", text, re.MULTILINE)
    assert len(joined_in) > 8
    tables = [
        node
        for name in (*joined_in, "told_zh")
        for node in ast.walk(ast.parse((core / f"{name}.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
    ]
    told_alone = len(ZH) + len(votes_zh.VOTE_TABLES_ZH)
    assert sum(len(table.keys) for table in tables) == told_alone
