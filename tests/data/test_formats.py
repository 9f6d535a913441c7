"""Every format of MISSION section 3: detected without a flag, and read to the record worked out here."""

import json

import pytest

from truing.core.errors import DataError, UsageError
from truing.core.records import Kind, Message, Record, Response, reply, user
from truing.data.detect import detect
from truing.data.formats import FORMATS, find_format
from truing.data.rows import RowError

from ..tables import each


def said(*turns: str) -> tuple[Message, ...]:
    """ "u:hi" and "a:ho" as messages."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return tuple(Message(roles[turn[0]], turn[2:]) for turn in turns)


def chat(*turns: str) -> list[dict]:
    return [{"role": turn.role, "content": turn.content} for turn in said(*turns)]


def share(*turns: str) -> list[dict]:
    names = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    return [{"from": names[turn.role], "value": turn.content} for turn in said(*turns)]


def ranked(*texts: str, scores: tuple = ()) -> tuple[Response, ...]:
    values = scores or [None] * len(texts)
    return tuple(reply(text, rank=rank, score=values[rank]) for rank, text in enumerate(texts))


PAIR = Record(user("q"), (reply("good"), reply("bad")))
LONG = said("s:be kind", "u:q1", "a:r1", "u:q2")
LONG_PAIR = Record(LONG, (reply("good"), reply("bad")))
SHOWN = Record(user("q"), (reply("r"),))
TWO_TURNS = Record(said("u:q1"), (Response(said("a:r1", "u:q2", "a:r2")),))
HH = "\n\nHuman: q1\n\nAssistant: r1\n\nHuman: q2\n\nAssistant: "

CASES = [
    ("paddle", {"src": "q", "tgt": "r"}, SHOWN),
    ("paddle", {"src": ["q1", "q2"], "tgt": ["r1", "r2"]}, TWO_TURNS),
    (
        "paddle-preference",
        {
            "src": ["q1", "q2"],
            "tgt": ["r1"],
            "response": ["bad", "good"],
            "sort": [0, 1],
            "system": "be kind",
        },
        Record(LONG, ranked("good", "bad")),
    ),
    (
        "paddle-preference",
        {"src": ["q"], "tgt": [], "response": ["b", "a", "c"], "sort": [1, 2, 0]},
        Record(user("q"), ranked("a", "b", "c")),
    ),
    ("alpaca", {"instruction": "q", "input": "", "output": "r"}, SHOWN),
    (
        "alpaca",
        {"instruction": "add", "input": "1 2", "output": "3"},
        Record(user("add\n1 2"), (reply("3"),)),
    ),
    (
        "alpaca",
        {"instruction": "q2", "output": "r", "history": [["q1", "r1"]], "system": "be kind"},
        Record(LONG, (reply("r"),)),
    ),
    ("alpaca-preference", {"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"}, PAIR),
    ("preference", {"prompt": "q", "chosen": "good", "rejected": "bad"}, PAIR),
    ("preference", {"question": "q", "chosen": "good", "rejected": "bad"}, PAIR),
    (
        "preference",
        {"prompt": "q", "chosen": "good", "rejected": "bad", "margin": 2, "category": "x", "extra": 1},
        Record(user("q"), PAIR.responses, margin=2.0, category="x"),
    ),
    ("preference", {"prompt": chat("u:q"), "chosen": chat("a:good"), "rejected": chat("a:bad")}, PAIR),
    (
        "preference",  # UltraFeedback-binarized as it is on the hub
        {
            "prompt": "q",
            "messages": chat("u:q", "a:good"),
            "chosen": chat("u:q", "a:good"),
            "rejected": chat("u:q", "a:bad"),
            "score_chosen": 8.5,
            "score_rejected": 6,
        },
        Record(user("q"), (reply("good", score=8.5), reply("bad", score=6.0))),
    ),
    (
        "preference",
        {"prompt": HH.rstrip(" "), "chosen": "good", "rejected": "bad"},
        Record(said("u:q1", "a:r1", "u:q2"), PAIR.responses),
    ),
    (
        "preference-implicit",
        {
            "chosen": [*chat("s:be kind", "u:q1", "a:r1", "u:q2"), *chat("a:good")],
            "rejected": [*chat("s:be kind", "u:q1", "a:r1", "u:q2"), *chat("a:bad")],
        },
        LONG_PAIR,
    ),
    (
        "hh-rlhf",
        {"chosen": HH + "good", "rejected": HH + "bad"},
        Record(said("u:q1", "a:r1", "u:q2"), PAIR.responses),
    ),
    ("prompt-completion", {"prompt": "q", "completion": "r"}, SHOWN),
    ("prompt-completion", {"question": "q", "answer": "r"}, SHOWN),
    ("prompt-completion", {"prompt": chat("u:q"), "completion": chat("a:r")}, SHOWN),
    (
        "unpaired",
        {"prompt": "q", "completion": "r", "label": True},
        Record(user("q"), (reply("r", label=True),)),
    ),
    ("response-preference", {"query": "q", "response": "good", "rejected_response": "bad"}, PAIR),
    (
        "response-preference",
        {"instruction": "q", "output": "good", "rejected_response": ["bad", "worse"]},
        Record(user("q"), (reply("good", rank=0), reply("bad", rank=1), reply("worse", rank=1))),
    ),
    (
        "alpaca",  # Dolly
        {"instruction": "add", "context": "1 2", "response": "3"},
        Record(user("add\n1 2"), (reply("3"),)),
    ),
    ("prompt", {"problem": "q", "solution": "1 + 1 = 2"}, Record(user("q"))),
    ("prompt-completion", {"question": "q", "answer": 5}, Record(user("q"), (reply("5"),))),
    (
        "prompt-completion",
        {"prompt": "q", "response": "r", "score": "3.5"},
        Record(user("q"), (reply("r", score=3.5),)),
    ),
    (
        "prompt-completion",
        {"prompt": "q", "response": "r", "helpfulness": 4, "correctness": 3},
        Record(user("q"), (reply("r", score=4.0),)),
    ),
    (
        "responses",
        {"prompt": "q", "responses": ["r"], "scores": [4]},
        Record(user("q"), (reply("r", score=4.0),)),
    ),
    ("messages", {"messages": chat("u:q", "a:r")}, SHOWN),
    ("messages", {"messages": chat("u:q1", "a:r1", "u:q2", "a:r2")}, TWO_TURNS),
    ("messages", {"messages": chat("s: ", "u:q", "a:r")}, SHOWN),
    (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, *chat("a:r")]},
        SHOWN,
    ),
    ("messages-prompt", {"messages": chat("u:q")}, Record(user("q"))),
    (
        "messages-unpaired",
        {"messages": chat("u:q1", "a:r1", "u:q2", "a:r2"), "label": False},
        Record(said("u:q1", "a:r1", "u:q2"), (reply("r2", label=False),)),
    ),
    ("messages-preference", {"messages": chat("u:q", "a:good"), "rejected_response": "bad"}, PAIR),
    (
        "messages-preference",
        {"messages": chat("u:q", "a:good"), "rejected_messages": chat("u:q", "a:bad")},
        PAIR,
    ),
    (
        "openai-preference",
        {
            "input": {"messages": chat("u:q"), "tools": [], "parallel_tool_calls": True},
            "preferred_output": chat("a:good"),
            "non_preferred_output": chat("a:bad"),
        },
        PAIR,
    ),
    ("sharegpt", {"conversations": share("u:q1", "a:r1", "u:q2", "a:r2")}, TWO_TURNS),
    (
        "sharegpt",
        {"conversations": share("u:q", "a:r"), "system": "s"},
        Record(said("s:s", "u:q"), (reply("r"),)),
    ),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": "f()"},
                {"from": "observation", "value": "1"},
                {"from": "gpt", "value": "r"},
            ]
        },
        Record(user("q"), (Response(said("a:f()", "t:1", "a:r")),)),
    ),
    (
        "sharegpt-preference",
        {
            "conversations": share(*[f"{turn.role[0]}:{turn.content}" for turn in LONG]),
            "chosen": share("a:good")[0],
            "rejected": share("a:bad")[0],
        },
        LONG_PAIR,
    ),
    (
        "sharegpt-unpaired",
        {"conversations": share("u:q", "a:r"), "label": "good"},
        Record(user("q"), (reply("r", label=True),)),
    ),
    (
        "sharegpt-unpaired",
        {"conversations": share("u:q", "a:r"), "kto_tag": False},
        Record(user("q"), (reply("r", label=False),)),
    ),
    ("prompt", {"prompt": "q", "category": "c", "lang": "zh"}, Record(user("q"), category="c")),
    ("prompt", {"query": "q"}, Record(user("q"))),
    ("prompt", {"prompt": chat("s:be kind", "u:q1", "a:r1", "u:q2")}, Record(LONG)),
    (
        "responses",
        {"prompt": "q", "responses": ["b", "c", "a"], "ranks": [2, 3, 1]},
        Record(user("q"), ranked("a", "b", "c")),
    ),
    (
        "responses",
        {"prompt": "q", "responses": ["b", "a"], "scores": [0.5, 4]},
        Record(user("q"), ranked("a", "b", scores=(4.0, 0.5))),
    ),
    (
        "ultrafeedback",
        {
            "instruction": "q",
            "source": "x",
            "models": ["m"],
            "completions": [
                {"response": "b", "overall_score": 6.5},
                {"response": "a", "overall_score": 8, "model": "m"},
            ],
        },
        Record(user("q"), (reply("a", rank=0, score=8.0, source="m"), reply("b", rank=1, score=6.5))),
    ),
    ("text", {"text": "Once upon a time"}, Record((), (reply("Once upon a time"),))),
]


@each(("name", "row", "expected"), CASES)
def test_detected_without_a_flag_and_read(name, row, expected):
    format = detect([row] * 3)
    assert format.name == name
    assert format.read(row) == expected


def test_every_format_has_a_case():
    assert {name for name, _, _ in CASES} == set(FORMATS)


def test_nulls_count_as_absent():
    row = {"prompt": "q", "chosen": None, "rejected": None, "completion": "r", "margin": None, "system": None}
    assert detect([row]).read(row) == SHOWN


@each(
    ("label", "wanted"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("good", True),
        ("bad", False),
        ("True", True),
        ("0", False),
        (-1, False),
        ("-1.0", False),
        ("chosen", True),
        ("Rejected", False),
        ("yes", True),
        ("no", False),
    ],
)
def test_labels(label, wanted):
    record = FORMATS["unpaired"].read({"prompt": "q", "completion": "r", "label": label})
    assert record.kind is Kind.UNPAIRED
    assert record.chosen.label is wanted


def test_two_turns_that_follow_the_prompt_stay_in_the_response():
    chosen, rejected = chat("u:q", "a:x", "u:more", "a:y"), chat("u:q", "a:z")
    record = FORMATS["preference-implicit"].read({"chosen": chosen, "rejected": rejected})
    assert record.prompt == user("q")
    assert record.chosen.turns == said("a:x", "u:more", "a:y")
    assert record.rejected.turns == said("a:z")


def test_equal_scores_share_a_rank():
    record = FORMATS["responses"].read({"prompt": "q", "responses": ["a", "b", "c"], "scores": [1, 5, 1]})
    assert [(each.text, each.rank) for each in record.responses] == [("b", 0), ("a", 1), ("c", 1)]


PREF = {"prompt": "q", "chosen": "good", "rejected": "bad"}
PADDLE = {"src": ["q"], "tgt": [], "response": ["a", "b"], "sort": [1, 0]}
BAD = [
    ("preference", {"prompt": "q", "rejected": "bad"}, "missing-chosen"),
    ("preference", PREF | {"chosen": None}, "missing-chosen"),
    ("preference", PREF | {"chosen": {"a": 5}}, "unknown-role"),
    ("preference", PREF | {"chosen": " \n"}, "empty-response"),
    ("preference", PREF | {"rejected": ""}, "empty-response"),
    ("preference", PREF | {"prompt": ""}, "empty-prompt"),
    ("preference", PREF | {"prompt": []}, "wrong-type"),
    ("preference", PREF | {"rejected": "good"}, "identical-pair"),
    ("preference", PREF | {"margin": "much"}, "bad-number"),
    ("preference", PREF | {"margin": True}, "bad-number"),
    ("preference", PREF | {"prompt": chat("u:q", "a:r")}, "role-order"),
    ("preference", PREF | {"chosen": chat("u:q", "a:r")}, "missing-response"),
    ("preference", PREF | {"images": ["a.png"]}, "not-text"),
    ("preference", PREF | {"tools": "no JSON"}, "unread-tools"),
    ("preference", PREF | {"chat_template_kwargs": {"tokenize": True}}, "unread-chat-template-kwargs"),
    ("preference", PREF | {"completion_mask": [1, 0]}, "unread-completion-mask"),
    (
        "preference-implicit",
        {"chosen": chat("u:q", "a:r"), "rejected": chat("u:other", "a:x")},
        "different-prompts",
    ),
    ("preference-implicit", {"chosen": chat("u:q", "a:r"), "rejected": chat("u:q", "a:r")}, "identical-pair"),
    ("preference-implicit", {"chosen": chat("u:q", "a:r"), "rejected": chat("u:q")}, "different-prompts"),
    ("hh-rlhf", {"chosen": HH + "x", "rejected": "y"}, "broken-transcript"),
    ("hh-rlhf", {"chosen": HH, "rejected": HH + "y"}, "empty-response"),
    ("paddle", {"src": ["q", "r"], "tgt": []}, "src-tgt-length"),
    ("paddle", {"src": "q", "tgt": ""}, "empty-response"),
    ("paddle-preference", PADDLE | {"tgt": ["x"]}, "src-tgt-length"),
    ("paddle-preference", PADDLE | {"sort": [1, 1]}, "tied-sort"),
    ("paddle-preference", PADDLE | {"sort": [1]}, "sort-length"),
    ("paddle-preference", PADDLE | {"sort": 1}, "wrong-type"),
    ("paddle-preference", PADDLE | {"response": ["a", "a"]}, "identical-pair"),
    ("paddle-preference", PADDLE | {"response": ["a"], "sort": [1]}, "sort-length"),
    ("unpaired", {"prompt": "q", "completion": "r", "label": "maybe"}, "bad-label"),
    ("unpaired", {"prompt": "q", "completion": "r", "label": 2}, "bad-label"),
    ("unpaired", {"prompt": "q", "completion": "r"}, "missing-label"),
    ("messages", {"messages": "hi"}, "wrong-type"),
    ("messages", {"messages": [5]}, "wrong-type"),
    ("messages", {"messages": [{"role": "narrator", "content": "x"}]}, "unknown-role"),
    ("messages", {"messages": [{"role": "user", "content": 5}]}, "wrong-type"),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not-text"),
    ("messages", {"messages": chat("u:q", "s:x")}, "missing-response"),
    ("messages", {"messages": [{"role": "user", "content": "q", "images": ["a"]}]}, "not-text"),
    ("messages", {"messages": [{"role": "assistant", "content": "r", "weight": 0}]}, "nothing-to-learn"),
    ("messages", {"messages": [{"role": "assistant", "content": "r", "weight": 0.5}]}, "unread-weight"),
    ("messages", {"messages": [{"role": "assistant", "content": "r", "prefix": True}]}, "unread-prefix"),
    ("responses", {"prompt": "q", "responses": ["a", "b"], "scores": [1]}, "scores-length"),
    ("responses", {"prompt": "q", "responses": ["a", "b"], "scores": [1, 1]}, "tied-sort"),
    ("ultrafeedback", {"instruction": "q", "completions": [{"response": "a"}]}, "missing-score"),
    ("alpaca", {"instruction": "q", "output": "r", "history": ["x"]}, "wrong-type"),
    ("alpaca", {"instruction": "", "output": "r"}, "empty-prompt"),
    ("text", {"text": ""}, "empty-response"),
]


ORDERS = [
    (("a:hi", "u:q", "a:r"), 2),
    (("s:x", "a:hi", "u:q", "a:r"), 3),
    (("u:q", "u:more", "a:r"), 2),
    (("u:q", "s:x", "a:r", "a:more"), 2),
    (("u:q", "a:r", "u:thanks"), 1),
    (("a:hi", "u:q"), 0),
]


@pytest.mark.parametrize(("turns", "cut"), ORDERS)
def test_turns_may_stand_in_any_order_and_a_greeting_belongs_to_the_prompt(turns, cut):
    record = FORMATS["messages"].read({"messages": chat(*turns)})
    assert record.prompt == said(*turns[:cut])
    assert record.chosen.turns == said(*turns[cut:])


CALLS = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize("flag", [{"weight": 0}, {"loss": False}, {"train": False}, {"trainable": "false"}])
def test_flags_of_turns_are_obeyed_and_kept(flag):
    turns = [*chat("u:q"), {"role": "assistant", "content": "bad", **flag}, *chat("u:again", "a:good")]
    record = FORMATS["messages"].read({"messages": turns})
    assert [turn.scored for turn in record.chosen.turns] == [False, True, True]
    assert record.chosen.turns[0].as_dict() == turns[1]
    weighed = [*chat("u:q"), {"role": "assistant", "content": "good", "weight": 1, "loss": True}]
    assert FORMATS["messages"].read({"messages": weighed}).chosen.turns[0].scored


@pytest.mark.parametrize("content", [{"content": None}, {"content": ""}, {}])
def test_a_call_without_words_is_a_turn(content):
    turns = [*chat("u:q"), {"role": "assistant", "tool_calls": CALLS, **content}, *chat("t:4", "a:r")]
    record = FORMATS["messages"].read({"messages": turns, "tools": '[{"name": "f"}]'})
    assert record.chosen.turns[0].as_dict()["tool_calls"] == CALLS
    assert json.loads(record.given) == {"tools": [{"name": "f"}]}


def test_a_call_that_sharegpt_spells_as_text_is_a_call():
    value = '{"name": "f", "arguments": {"x": 1}}'
    turns = [{"from": "human", "value": "q"}, {"from": "function_call", "value": value}]
    (call,) = FORMATS["sharegpt"].read({"conversations": turns}).chosen.turns
    assert call.as_dict() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}],
    }


def test_responses_that_differ_in_a_thought_alone_are_a_pair():
    sides = [{"role": "assistant", "content": "yes", "reasoning_content": text} for text in ("a", "b", "a")]
    record = FORMATS["preference"].read({"prompt": "q", "chosen": [sides[0]], "rejected": [sides[1]]})
    assert record.chosen != record.rejected
    with pytest.raises(RowError) as caught:
        FORMATS["preference"].read({"prompt": "q", "chosen": [sides[0]], "rejected": [sides[2]]})
    assert caught.value.code == "identical-pair"


def test_columns_that_nothing_reads_are_known_by_name():
    row = {"id": 7, "messages": chat("u:q", "a:r"), "tools": [], "images": [], "source": "x", "empty": None}
    assert FORMATS["messages"].read(row).unread == ("id", "source")
    paddle = {"src": ["q"], "tgt": [], "response": ["a", "b"], "sort": [1, 0], "id": 7}
    assert FORMATS["paddle-preference"].read(paddle).unread == ("id",)


@each(("name", "row", "code"), BAD)
def test_bad_rows_have_a_code(name, row, code):
    with pytest.raises(RowError) as caught:
        FORMATS[name].read(row)
    assert caught.value.code == code
    assert caught.value.message


def test_messages_show_little_of_the_row():
    secret = "s3cret " * 100
    for row in (
        PREF | {"chosen": secret, "rejected": secret},
        {"prompt": "q", secret: "x"},
        PREF | {"margin": secret},
    ):
        with pytest.raises(RowError) as caught:
            FORMATS["preference"].read(row)
        assert caught.value.message.count("s3cret") * len("s3cret ") <= 80


def test_one_row_without_chosen_does_not_change_the_format():
    rows = [PREF, PREF, {"prompt": "q", "rejected": "bad"}]
    assert detect(rows).name == "preference"


def test_ambiguous_rows_ask_for_the_flag():
    with pytest.raises(DataError, match=r"alpaca .* and prompt-completion") as caught:
        detect([{"instruction": "q", "output": "r", "prompt": "q", "completion": "r"}])
    assert "--format alpaca" in caught.value.hint
    assert "data.format" in caught.value.hint


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q", "chosen": "a"}, "rows have `prompt` and `chosen` but no `rejected`"),
        ({"chosen": "a", "rejected": "b"}, "rows have `chosen` and `rejected` but no `prompt`"),
        ({"prompt": "q", "responses": ["a", "b"]}, "but no `ranks`"),
        ({"objective": "x", "score": 1}, "keys objective, score"),
    ],
)
def test_unrecognised_rows_say_what_is_missing(row, words):
    with pytest.raises(DataError, match=words) as caught:
        detect([row])
    assert caught.value.hint


def test_unknown_format_name():
    with pytest.raises(UsageError) as caught:
        find_format("preferense")
    assert str(caught.value).endswith("did you mean 'preference'?")


BESIDE = [
    ("prompt-completion", {"prompt": "q2", "completion": "r"}),
    ("messages", {"messages": chat("u:q2", "a:r")}),
    ("sharegpt", {"conversations": share("u:q2", "a:r")}),
    ("alpaca", {"instruction": "q2", "output": "r"}),
    ("paddle", {"src": "q2", "tgt": "r"}),
]


@each(("name", "row"), BESIDE)
@each("history", [[["q1", "r1"]], chat("u:q1", "a:r1")])
def test_system_and_history_are_read_beside_every_format(name, row, history):
    record = FORMATS[name].read(row | {"system_prompt": "be kind", "history": history})
    assert record.prompt == LONG
    assert record.chosen.text == "r"


def test_history_that_the_turns_begin_with_is_not_said_twice():
    row = {"prompt": chat("u:q1", "a:r1", "u:q2"), "history": chat("u:q1", "a:r1")}
    assert FORMATS["prompt"].read(row).prompt == LONG[1:]


@pytest.mark.parametrize("key", ["input", "context"])
def test_what_stands_under_a_question_is_asked_with_it(key):
    assert FORMATS["prompt"].read({"prompt": "Sum up:", key: "a b"}).prompt == user("Sum up:\na b")


def test_a_context_that_the_prompt_holds_is_not_repeated():
    assert (
        FORMATS["prompt"].read({"prompt": "Given a b, say c.", "context": "a b"}).prompt[0].content
        == "Given a b, say c."
    )


UNREAD = [
    ("messages", {"messages": chat("u:q", "a:r"), "context": "facts"}, "unread-context"),
    ("prompt", {"prompt": chat("u:q"), "input": "facts"}, "unread-input"),
    ("prompt", {"prompt": "q", "context": {"title": ["x"]}}, "unread-context"),
    ("text", {"text": "once", "history": [["q", "r"]]}, "unread-history"),
    ("text", {"text": "once", "system": "be kind"}, "unread-system"),
    ("messages", {"messages": chat("s:be rude", "u:q", "a:r"), "system": "be kind"}, "unread-system"),
    ("preference", PREF | {"rejected_response": "worse"}, "unread-rejected-response"),
]


@pytest.mark.parametrize(("name", "row", "code"), UNREAD)
def test_what_changes_the_meaning_and_cannot_be_read_sets_the_row_aside_by_name(name, row, code):
    with pytest.raises(RowError) as caught:
        FORMATS[name].read(row)
    assert caught.value.code == code
    assert code.removeprefix("unread-").replace("-", "_") in caught.value.message


def test_messages_name_the_key_of_the_file():
    for row, key in [({"query": "", "answer": "r"}, "query"), ({"query": "q", "answer": " "}, "answer")]:
        with pytest.raises(RowError, match=f"`{key}`"):
            FORMATS["prompt-completion"].read(row)
    with pytest.raises(RowError, match="no `completion` or `response` or `answer` among the keys"):
        FORMATS["prompt-completion"].read({"prompt": "q"})
