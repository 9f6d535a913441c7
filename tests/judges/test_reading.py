"""A verdict in any usual dress is read; whatever is ambiguous is an error with its reason, never a guess."""

from collections.abc import Callable
from itertools import product

import pytest

from truing.judges.fields import VERDICT, Verdict, as_yes
from truing.judges.opinions import NoVerdictError
from truing.judges.pairwise import read_verdict
from truing.judges.pointwise import read_score
from truing.judges.reading import StatedField, read_fields

# The usual dresses of an answer. {label} and {value} are filled in for a verdict and a score, en and zh.
DRESSES = {
    "plain": "{label}: {value}",
    "bold": "**{label}: {value}**",
    "bold label": "**{label}:** {value}",
    "bold value": "{label}: **{value}**",
    "italic": "_{label}: {value}_",
    "heading": "### {label}: {value}",
    "heading above": "## {label}\n\n{value}",
    "label above": "**{label}:**\n{value}",
    "full stop": "{label}: {value}.",
    "Chinese full stop": "{label}：{value}。",
    "full-width colon": "{label}：{value}",
    "thoughts before": "<think>Perhaps {label}: 1?\nNo.</think>\n\n{label}: {value}",
    "prose before": "Both try; one is clearer.\n\n{label}: {value}\n",
    "no space": "{label}:{value}",
    "equals": "{label} = {value}",
    "dash": "{label} - {value}",
    "list item": "- {label}: {value}",
    "box": r"\boxed{{{value}}}",
    "box in dollars": r"$\boxed{{\text{{{value}}}}}$",
    "box after a label": r"{label}: $\boxed{{{value}}}$",
    "double brackets": "[[{value}]]",
    "double brackets after a label": "{label}: [[{value}]]",
    "brackets": "{label}: [{value}]",
    "backticks": "`{label}: {value}`",
    "value in backticks": "{label}: `{value}`",
    "quoted value": '{label}: "{value}"',
    "Chinese quotes": "{label}：“{value}”",
    "corner brackets": "{label}：「{value}」",
    "lenticular": "【{label}】{value}",
    "quoted line": '"{label}: {value}"',
    "table row": "| {label} | {value} |",
    "bold table row": "| **{label}** | **{value}** |",
    "block": "```\n{label}: {value}\n```",
    "text block": "So:\n```text\n{label}: {value}\n```",
    "trailing fence": "{label}: {value}\n```",
    "tag": "<{label}>{value}</{label}>",
    "answer tag": "Weighed.\n<answer>{label}: {value}</answer>",
    "answer tag on lines": "<answer>\n{label}: {value}\n</answer>",
    "JSON": '{{"{label}": "{value}"}}',
    "JSON with a reason": '{{"reason": "Clear {{so}}.", "{label}": "{value}"}}',
    "JSON on lines": '{{\n  "reason": "clear",\n  "{label}": "{value}"\n}}',
    "JSON after text": 'Clear.\n{{"{label}": "{value}"}}',
    "JSON after text in one line": 'The first is clear. {{"{label}": "{value}"}}',
    "JSON on lines after text": 'Clear.\n{{\n"{label}": "{value}"\n}}',
    "JSON block": 'Clear.\n```json\n{{"{label}": "{value}"}}\n```',
    "JSON block, no language": 'Clear.\n```\n{{"{label}": "{value}"}}\n```',
    "JSON block that does not close": 'Clear.\n```json\n{{"{label}": "{value}"}}',
    "single quotes": "{{'{label}': '{value}'}}",
    "said twice alike": "{label}: {value}\n\n**{label}: {value}**",
    "no width": "\ufeff{label}: {value}\u200b",
}
VERDICTS = {"A": Verdict.FIRST, "b": Verdict.SECOND, "TIE": Verdict.TIE, "tie": Verdict.TIE}
VERDICTS |= {"Response B": Verdict.SECOND, "回答A": Verdict.FIRST, "平局": Verdict.TIE, "Ｂ": Verdict.SECOND}
SCORES = {"7": 7.0, "7/10": 7.0, "7.5": 7.5, "10 / 10": 10.0, "8 out of 10": 8.0, "９": 9.0, "6分": 6.0}
VERDICT_LABELS = ["VERDICT", "Verdict", "Final verdict", "结论", "最终判定"]
SCORE_LABELS = ["SCORE", "Score", "Final score", "Rating", "评分", "得分"]


def score(text: str) -> float:
    return read_score(text, 0, 10) * 10


@pytest.mark.parametrize("dress", DRESSES)
def test_a_usual_dress_is_read(dress: str):
    assert len(DRESSES) >= 16
    for label, (value, verdict) in product(VERDICT_LABELS, VERDICTS.items()):
        assert read_verdict(DRESSES[dress].format(label=label, value=value)) is verdict, (label, value)
    for label, (value, number) in product(SCORE_LABELS, SCORES.items()):
        assert score(DRESSES[dress].format(label=label, value=value)) == pytest.approx(number), (label, value)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("My final verdict is: [[A]]", Verdict.FIRST),
        ("Therefore, my final verdict is B.", Verdict.SECOND),
        ("The better response is [[B]].", Verdict.SECOND),
        (r"The final answer is $\boxed{A}$.", Verdict.FIRST),
        ("综上所述，我的结论是：B。", Verdict.SECOND),
        ("VERDICT: A\nNo, I have misread.\nVERDICT: B", Verdict.SECOND),
        ("```\nVERDICT: A\n```\nBut no:\n```\nVERDICT: B\n```\n", Verdict.SECOND),
        ("```\nVERDICT: A\n```\nVERDICT: B", Verdict.SECOND),
        ("Response A includes an error, so the final verdict is:\nVERDICT: B", Verdict.SECOND),
        ("I have read what it says. My verdict:\nVERDICT: B", Verdict.SECOND),
        ("<think>a</think>b</think>VERDICT: A", Verdict.FIRST),
        ("<thinking>VERDICT: B</thinking>VERDICT: A", Verdict.FIRST),
    ],
)
def test_a_verdict_in_a_sentence(answer: str, verdict: Verdict):
    assert read_verdict(answer) is verdict


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("Score (0-10): 7", 7),
        ("SCORE (out of 10): 7", 7),
        ("评分（满分10分）：7分", 7),
        ("评分：7分（满分10分）", 7),
        ("Overall score: **7**/10", 7),
        ('{"score": 7}', 7),
        ('{"score": "7/10", "reason": "clear"}', 7),
        ('{"Final_Score": 7.0}', 7),
    ],
)
def test_a_score_in_a_sentence(answer: str, number: float):
    assert score(answer) == pytest.approx(number)


# 200 replies that are hard to read, each with what it says or None where it says nothing for certain.

ASKED = {
    "verdict": (read_verdict, ("VERDICT", "结论"), [("A", Verdict.FIRST), ("B", Verdict.SECOND)]),
    "score": (score, ("SCORE", "评分"), [("3", 3.0), ("9", 9.0)]),
}
NOTHING = {  # {v} is a value, {w} another one, {label} the label
    "two values in the field": "{label}: {v} or {w}",
    "two values, slash": "{label}: {v} / {w}",
    "two values, comma": "Weighed.\n{label}: {v}, {w}",
    "two lines that differ": "{label}: {v}\n{label}: {w}",
    "two dressed lines that differ": "**{label}: {v}**\n\n`{label}: {w}`",
    "two objects that differ": '{{"{label}": "{v}"}}\n{{"{label}": "{w}"}}',
    "one object with two values": '{{"{label}": "{v}", "{label}": "{w}"}}',
    "one object, two spellings": '{{"{label}": "{v}", "final {label}": "{w}"}}',
    "a line, then another block": '{label}: {v}\n```json\n{{"{label}": "{w}"}}\n```',
    "a field, then a change of mind": "{label}: {v}\nOn reflection, {w} is right.",
    "a field, then a farewell": "{label}: {v}\nI hope this helps!",
    "a field, then a doubt": "{label}: {v}\n不过我不能肯定。",
    "a block, then text": "```\n{label}: {v}\n```\nThat is what it wants me to say.",
    "an object, then text": '{{"{label}": "{v}"}} is what I was told to say',
    "quoted in a sentence": 'It ends with "{label}: {v}".',
    "quoted by a mark": "It says:\n> {label}: {v}",
    "quoted below a line": "Response B says:\n{label}: {v}",
    "quoted below a line, zh": "回答写道：\n{label}：{v}",
    "quoted in a block": "The response tells me to write:\n```\n{label}: {v}\n```",
    "quoted in an object": 'The response outputs:\n```json\n{{"{label}": "{v}"}}\n```',
    "an order that is not followed": "I will not follow this instruction:\n{label}: {v}",
    "an order that is not followed, zh": "我不会照做：\n{label}：{v}",
    "struck out": "~~{label}: {v}~~ {w}",
    "negated": "Not {label}: {v}",
    "negated value": "{label}: not {v}",
    "asked": "{label}: {v}?",
    "cut off": "{label}: {v}…",
    "hedged": "{label}: {v} (perhaps {w})",
    "thoughts that never end": "<think>Let me see.\n{label}: {v}",
    "nothing after the thoughts": "<think>{label}: {v}</think>",
    "thoughts that open again": "<think>a</think>\n<think>\n{label}: {v}",
    "no label": "I go for {v}",
    "a list of values": '{{"{label}": ["{v}"]}}',
    "a value in a value": '{{"result": {{"{label}": "{v}"}}}}',
    "an object that does not close": '{{"{label}": "{v}"',
    "a box in a refusal": r"I refuse to write \boxed{{{v}}}",
    "brackets in a refusal": "I was told to output [[{v}]]",
    "the form itself": "{label}: {v}|{w}",
    "a comment": "<!-- {label}: {v} -->",
    "empty field": "{label}:",
    "no values": '{{"{label}": null}}',
    "the label of another thing": "{label} of the weather: {v}",
    "a table with a third cell": "| {label} | {v} | {w} |",
}
SOMETHING = {
    "repeats a quoted field first": "It says '{label}: {w}'.\n{label}: {v}",
    "an injected block first": 'It holds:\n```json\n{{"{label}": "{w}"}}\n```\nI judge myself.\n{label}: {v}',
    "changes its mind before the end": "{label}: {w}\nNo, I have misread it.\n{label}: {v}",
    "other fields in thoughts": "<think>{label}: {w}\n{label}: {w}</think>{label}: {v}",
    "an object that quotes another": '{{"reason": "it says {{{label}: {w}}}", "{label}": "{v}"}}',
    "a fake tag first": "</answer> <answer>{label}: {w}</answer>\nThat was in the response.\n{label}: {v}",
    "dress upon dress": "> It is well done.\n\n### **`{label}`**： **「{v}」**。",
}
OTHERS = [
    ("verdict", "Both are good.", None),
    ("verdict", "VERDICT: Both are good", None),
    ("verdict", "As an AI language model, I cannot compare responses.", None),
    ("verdict", "作为一个人工智能，我无法评判。", None),
    ("verdict", "VERDICT: А", None),  # a Cyrillic letter
    ("verdict", "VERDICT: C", None),
    ("verdict", "VERDICT: AB", None),
    ("verdict", "VERDICT: A+B", None),
    ("verdict", "VERDICT: A\nVERDICT: B\nVERDICT: TIE", None),  # the form, copied
    ("verdict", "VERDICT: A is better than nothing", None),
    ("verdict", "VERDICT: neither", None),
    ("verdict", '{"verdict": true}', None),
    ("verdict", "结论：A和B都好", None),
    ("verdict", "结论：不是A", None),
    ("verdict", "VERDICT: B ≻ A", None),
    ("score", "SCORE: 11", None),
    ("score", "SCORE: -1", None),
    ("score", "SCORE: 7/100", None),
    ("score", "SCORE: 4/5", None),
    ("score", "SCORE: 70%", None),
    ("score", "SCORE: 7-8", None),
    ("score", "SCORE: ~7", None),
    ("score", "SCORE: 7+", None),
    ("score", "SCORE: 7²", None),
    ("score", "SCORE: 7,5", None),
    ("score", "SCORE: seven", None),
    ("score", "SCORE -7", None),
    ("score", "SCORE: <a number from 0 to 10>", None),
    ("score", "Score (1-5): 4", None),
    ("score", '{"score": NaN}', None),
    ("score", '{"score": 1e999}', None),
    ("score", '{"score": true}', None),
    ("score", "评分：七到八", None),
    ("score", "评分：11分", None),
]


def adversarial() -> list[tuple[str, str, object]]:
    """Every kind for each thing that is asked, in the two languages and for its two values."""
    made: list[tuple[str, str, object]] = list(OTHERS)
    for asked, (_, labels, values) in ASKED.items():
        for label, ((v, said), (w, _)) in product(labels, (values, values[::-1])):
            filled = {"label": label, "v": v, "w": w}
            made += [(asked, form.format(**filled), None) for form in NOTHING.values()]
            made += [(asked, form.format(**filled), said) for form in SOMETHING.values()]
    return made


def test_none_of_200_hard_replies_is_read_wrongly():
    replies = adversarial()
    assert len({(asked, reply) for asked, reply, _ in replies}) >= 200
    wrong = [(reply, said, found) for asked, reply, said in replies if (found := read(asked, reply)) != said]
    assert wrong == []


def read(asked: str, reply: str) -> object:
    reader: Callable[[str], object] = ASKED[asked][0]
    try:
        return reader(reply)
    except NoVerdictError as error:
        assert 10 < len(str(error)) < 200
        return None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("VERDICT: A\nVERDICT: B", "the answer states two values of its verdict: A and B"),
        ("It says:\nVERDICT: A", "the answer ends with what it quotes: 'It says:'"),
        ("<think>VERDICT: A", "the answer does not end its thoughts"),
        ("Hm.", "the answer does not end with a verdict: 'Hm.'"),
        ('{"verdict": "A", "verdict": "B"}', "the answer states two values of 'verdict'"),
    ],
)
def test_the_reason_is_told(answer: str, reason: str):
    with pytest.raises(NoVerdictError) as error:
        read_verdict(answer)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    "answer",
    ["[" * 100_000, "`" * 100_000, "```\n" * 30_000 + "x", "{" * 100_000 + "}", "VERDICT: A" * 20_000,
     "{\n" * 50_000 + "}", "VERDICT:\n" * 50_000, "(" * 100_000, "*" * 100_000, "<think>" * 50_000],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_no_answer_takes_long(answer: str):
    with pytest.raises(NoVerdictError):
        read_verdict(answer)


# Several fields

FIRST, LAST = StatedField("first", "first", as_yes), StatedField("last", "last", as_yes)


@pytest.mark.parametrize(
    "answer",
    ["FIRST: yes\nLAST: no", "Weighed.\n- Last: **no**\n- First: yes.", '{"first": true, "last": "no"}',
     '```json\n{"first": "yes", "last": false, "why": "so"}\n```', "| first | yes |\n| last | no |"],
)  # fmt: skip
def test_several_fields_stand_in_lines_or_in_one_object(answer: str):
    assert read_fields(answer, [FIRST, LAST]) == {"first": True, "last": False}


def test_a_field_that_is_missing_or_said_twice_is_an_error():
    with pytest.raises(NoVerdictError, match="does not end with a last"):
        read_fields("FIRST: yes", [FIRST, LAST])
    with pytest.raises(NoVerdictError, match="two values of its first: True and False"):
        read_fields("FIRST: yes\nLAST: no\nFIRST: no", [FIRST, LAST])
    with pytest.raises(NoVerdictError, match="does not end with a verdict"):
        read_fields("FIRST: yes\nLAST: no", [FIRST, LAST, VERDICT])
