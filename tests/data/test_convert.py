"""Records back into rows: exact rows by hand, and every target read again to the same record."""

import json
from dataclasses import replace

import pytest

from truing.core.errors import DataError, StorageError, UsageError
from truing.core.records import Message, Record, Response, RubricItem, reply, user
from truing.data.convert import WRITERS, convert, write_jsonl
from truing.data.detect import detect
from truing.data.load import load_records

from ..tables import each

PAIR = Record(user("q"), (reply("good"), reply("bad")), margin=1.5, category="c", place="a.jsonl:3")
DEMO = Record(user("q"), (reply("r"),))
PROMPT = Record(user("q"), category="c")
UNPAIRED = Record(user("q"), (reply("r", label=False),))
HISTORY = (Message("system", "s"), Message("user", "q1"), Message("assistant", "r1"), Message("user", "q2"))
LONG_PAIR = Record(HISTORY, (reply("good"), reply("bad")))
LONG_DEMO = Record(
    user("q1"), (Response((Message("assistant", "r1"), Message("user", "q2"), Message("assistant", "r2"))),)
)
RANKING = Record(user("q"), tuple(reply(text, rank=rank) for rank, text in enumerate("abc")))


def test_messages():
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]
    assert list(convert([DEMO], "messages")) == [{"messages": chat}]
    assert list(convert([UNPAIRED], "messages")) == [{"messages": chat, "label": False}]


def test_prompt_completion_is_text_unless_one_record_needs_messages():
    assert list(convert([DEMO], "prompt-completion")) == [{"prompt": "q", "completion": "r"}]
    rows = list(convert([DEMO, LONG_DEMO], "prompt-completion"))
    assert rows[0] == {
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "r"}],
    }
    assert [turn["content"] for turn in rows[1]["completion"]] == ["r1", "q2", "r2"]


def test_preference():
    row = {"prompt": "q", "chosen": "good", "rejected": "bad", "margin": 1.5, "category": "c"}
    assert list(convert([PAIR], "preference")) == [row]
    best_and_worst = {"prompt": "q", "chosen": "a", "rejected": "c"}
    assert list(convert([RANKING], "preference")) == [best_and_worst]


def test_a_probability_is_written_under_its_first_name_and_fits_no_labels():
    soft = replace(PAIR, probability=0.7, margin=None, category=None)
    row = {"prompt": "q", "chosen": "good", "rejected": "bad", "chosen_probability": 0.7}
    assert list(convert([soft], "preference")) == [row]
    with pytest.raises(
        DataError, match=r"a\.jsonl:3: a pair with the probability 0\.7 does not fit unpaired"
    ):
        convert([soft], "unpaired")
    assert len(list(convert([replace(soft, probability=1.0)], "unpaired"))) == 2


def test_a_rubric_is_written_with_the_prompt():
    judged = replace(PROMPT, rubric=(RubricItem("is short"), RubricItem("is true", 2.0, True)), category=None)
    written = [
        {"text": "is short", "weight": 1.0, "must": False},
        {"text": "is true", "weight": 2.0, "must": True},
    ]
    assert list(convert([judged], "prompt")) == [{"prompt": "q", "rubric": written}]


def test_a_pair_is_two_unpaired_rows():
    assert list(convert([PAIR], "unpaired")) == [
        {"prompt": "q", "completion": "good", "label": True, "category": "c"},
        {"prompt": "q", "completion": "bad", "label": False, "category": "c"},
    ]
    assert list(convert([UNPAIRED], "unpaired")) == [{"prompt": "q", "completion": "r", "label": False}]


def test_paddle():
    assert list(convert([DEMO], "paddle")) == [{"src": "q", "tgt": "r"}]
    assert list(convert([LONG_DEMO], "paddle")) == [{"src": ["q1", "q2"], "tgt": ["r1", "r2"]}]
    assert list(convert([LONG_PAIR], "paddle")) == [
        {"src": ["q1", "q2"], "tgt": ["r1"], "system": "s", "response": ["good", "bad"], "sort": [1, 0]}
    ]
    assert next(convert([RANKING], "paddle"))["sort"] == [2, 1, 0]


def test_paddle_refuses_ties_and_tools():
    tied = Record(user("q"), (reply("a", rank=0), reply("b", rank=1), reply("c", rank=1)), place="x:1")
    with pytest.raises(DataError, match="x:1: two responses share a rank"):
        list(convert([tied], "paddle"))
    turns = (Message("assistant", "f()"), Message("tool", "1"), Message("assistant", "r"))
    with pytest.raises(DataError, match="tool"):
        list(convert([Record(user("q"), (Response(turns),))], "paddle"))


def test_sharegpt():
    assert list(convert([PAIR], "sharegpt")) == [
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
            "margin": 1.5,
            "category": "c",
        }
    ]


def test_prompt_drops_the_responses():
    assert list(convert([PAIR, PROMPT], "prompt")) == [{"prompt": "q", "category": "c"}] * 2


@pytest.mark.parametrize(
    ("record", "name"), [(PROMPT, "preference"), (DEMO, "unpaired"), (PAIR, "prompt-completion")]
)
def test_kinds_that_do_not_fit_are_refused(record, name):
    with pytest.raises(DataError, match=f"does not fit {name}, which takes") as caught:
        convert([record], name)
    assert "records fit" in caught.value.hint


def test_text_without_a_prompt_and_unknown_names_are_refused():
    with pytest.raises(DataError, match="plain text"):
        convert([Record((), (reply("text"),))], "messages")
    with pytest.raises(UsageError, match="excel"):
        convert([DEMO], "excel")


def normal(record: Record) -> Record:
    """Ranks that only repeat the order are not part of what a file says."""
    responses = tuple(Response(each.turns, label=each.label) for each in record.responses)
    return Record(record.prompt, responses, record.margin, record.category)


ALL = [PAIR, DEMO, PROMPT, UNPAIRED, LONG_PAIR, LONG_DEMO, RANKING]
# These three write less than, or something other than, the record: their rows are checked above.
LOSSY = [("preference", RANKING), ("unpaired", PAIR), ("unpaired", LONG_PAIR)]
LOSSY += [("prompt", record) for record in ALL if record is not PROMPT]
ROUND = [
    (record, name)
    for name, writer in WRITERS.items()
    for record in ALL
    if record.kind in writer.kinds and (name, record) not in LOSSY
]


@each(("record", "name"), ROUND)
def test_what_was_written_is_read_again(record, name):
    rows = list(convert([record], name))
    assert [normal(detect(rows).read(row)) for row in rows] == [normal(record)]


def test_write_jsonl_and_read_it_again(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    assert write_jsonl(path, convert([Record(user("你好"), (reply("r"),))], "messages")) == 1
    assert "你好" in path.read_text(encoding="utf-8")
    assert load_records(path).records[0].prompt == user("你好")
    assert [each.name for each in path.parent.iterdir()] == ["out.jsonl"]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "out.jsonl"
    write_jsonl(path, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_jsonl(path, rows())
    assert json.loads(path.read_text()) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        write_jsonl(tmp_path / "file" / "out.jsonl", [])


CALL = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]
WHOLE = {
    "id": 7,
    "chat_template_kwargs": {"enable_thinking": False},
    "tools": [{"name": "f"}],
    "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "bad", "reasoning_content": "why", "weight": 0},
        {"role": "user", "content": "again", "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": CALL},
    ],
}


def test_no_key_of_a_turn_and_no_column_is_lost():
    record = detect([WHOLE]).read(WHOLE)
    assert list(convert([record], "messages")) == [WHOLE]
    (shared,) = convert([record], "sharegpt")
    assert shared["conversations"][3] == {"from": "gpt", "value": None, "tool_calls": CALL}
    assert {key: shared[key] for key in ("id", "tools", "chat_template_kwargs")} == {
        key: WHOLE[key] for key in ("id", "tools", "chat_template_kwargs")
    }
    with pytest.raises(DataError, match="hold no keys of turns beside their words"):
        convert_all(record, "paddle")
    thought = {"role": "assistant", "content": "r", "reasoning_content": "why"}
    pair = {"prompt": "q", "chosen": [thought], "rejected": [{**thought, "reasoning_content": "what"}]}
    (again,) = convert([detect([pair]).read(pair)], "preference")
    assert again == {**pair, "prompt": [{"role": "user", "content": "q"}]}


def convert_all(record: Record, name: str) -> list[dict]:
    return list(convert([record], name))


def test_no_column_is_lost_and_none_takes_a_place_of_the_new_format(tmp_path):
    row = {
        "question": "q",
        "answer": "r",
        "score": 4.0,
        "id": 7,
        "source": "web",
        "label": "odd",
        "margin": None,
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    loaded = load_records(tmp_path / "a.jsonl", format="prompt-completion")
    (written,) = convert(loaded.records, "messages")
    assert written == {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}],
        "score": 4.0,
        "id": 7,
        "source": "web",
        "label_unread": "odd",
    }
    assert detect([written]).read(written).responses == loaded.records[0].responses


def test_a_ranking_is_written_whole():
    scored = replace(
        RANKING, responses=tuple(replace(one, score=2.0 - k) for k, one in enumerate(RANKING.responses))
    )
    for record in (RANKING, scored):
        (row,) = convert([record], "responses")
        assert detect([row]).read(row) == record
