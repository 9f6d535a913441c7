"""A template that looks at roles alone is known by its text, and its skeleton writes what it writes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.records import Message, Record, reply, user
from truing.data.chat import make_renderer
from truing.data.skeletons import PROBE, probes, skeleton_of, writes_words_alone
from truing.data.templates import ALPACA, PLAIN

from .test_chat import CHATML, KINDS, LLAMA3, NO_END, THINK_LAST, build

SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nHelp.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message.role + '\n' + message.content.strip() + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LOOK_AT_WORDS = [
    "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}",
    "{% for m in messages %}{% if m['content'] %}{{ m['content'] }}{% endif %}{% endfor %}",
    "{% for m in messages %}{% if 'a' in m.content %}{{ m['content'] }}{% endif %}{% endfor %}",
    "{% for m in messages %}{% set c = m['content'] %}{{ c }}{% endfor %}",
    "{% for m in messages %}{% set c = m %}{{ m.content }}{{ c.content[:1] }}{% endfor %}",
    "{% for m in messages %}{{ m['content'] }}{{ m.content.split('a')[0] }}{% endfor %}",
    "{% for m in messages %}{{ m['content'].strip('a') }}{% endfor %}",
    "{% for m in messages %}{{ m['content'] | trim('a') }}{% endfor %}",
    "{% for m in messages %}{{ ('x' + m['content']) | trim }}{% endfor %}",
    "{% for m in messages %}{{ m }}{% endfor %}",
    "{% for m in messages %}{{ m[m['role']] }}{{ m['content'] }}{% endfor %}",
    "{% for m in messages %}{{ m.content * 2 }}{% endfor %}",
    "{% for m in messages %}{{ m.content or 'none' }}{% endfor %}",
    "{% for m in messages %}{{ 'a' if m.content > 'b' else 'c' }}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{% if m.reasoning_content %}!{% endif %}{% endfor %}",
    "{% for m in messages %}{{ loop.previtem }}{{ m.content }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}{{ loop.changed(m.content) }}{% endfor %}",
    "{{ messages }}",
    "{{ messages | tojson }}",
    "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
    "{% for m in messages[1:] %}{{ m.content }}{% endfor %}",
    "{% set messages = messages[1:] %}{% for m in messages %}{{ m.content }}{% endfor %}",
    "{% for m in messages if m.content %}{{ m.content }}{% endfor %}",
    "{% for m, n in messages %}{{ m }}{% endfor %}",
    "{% macro say(m) %}{{ m.content }}{% endmacro %}{% for m in messages %}{{ say(m) }}{% endfor %}",
    "{% for m in messages %}{% filter upper %}{{ m.content }}{% endfilter %}{% endfor %}",
    "{% set all %}{% for m in messages %}{{ m.content }}{% endfor %}{% endset %}{{ all | length }}",
    "{% for m in messages %}{% for c in m.content %}{{ c }}{% endfor %}{% endfor %}",
    "{% for m in messages %}{{ raise_exception(m.content) }}{% endfor %}",
    "{% for m in messages %}{{ m.content }}",
    PROBE + "{% for m in messages %}{{ m.content }}{% endfor %}",
]


@pytest.mark.parametrize("source", [ALPACA, PLAIN, CHATML, LLAMA3, NO_END, THINK_LAST, SMOLLM])
def test_templates_that_write_words_alone_are_known(source: str):
    assert writes_words_alone(source)


@pytest.mark.parametrize("source", LOOK_AT_WORDS)
def test_templates_that_look_at_words_are_not(source: str):
    assert not writes_words_alone(source)


WORDS = st.text(f"a<|im_end|>{{}}%\n {PROBE}\u2008\u0085é你", max_size=12)


@pytest.mark.parametrize("source", [ALPACA, PLAIN, CHATML, LLAMA3, NO_END, THINK_LAST, SMOLLM])
@settings(max_examples=30, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=5), system=st.booleans(), answer=st.booleans())
def test_a_skeleton_writes_what_the_template_writes(
    source: str, words: list[str], system: bool, answer: bool
):
    template = make_renderer(build("llama3", source)).template
    roles = ["system"] * system + ["user", "assistant"] * 3
    turns = list(map(Message, roles, words))
    assert template.skeletons is not None
    assert template.text(turns, answer=answer) == template._text(turns, answer=answer, given="")


def test_turns_with_more_than_words_and_many_turns_are_rendered():
    template = make_renderer(build(*KINDS["chatml"])).template
    turn = Message("user", "hi", extras='{"name": "Ada"}')
    plain = replace(turn, extras="")
    for turns, given_ in (([turn], ""), ([plain], '{"tools": []}'), ([plain] * 33, "")):
        before = dict(template.skeletons or {})
        template.text(turns, answer=True, given=given_)
        assert template.skeletons == before


def test_places_of_words_are_found_with_whether_they_are_stripped():
    found = skeleton_of(lambda words: f"a{words[1]}b{words[0].strip()}", 2)
    assert found.text([Message("user", " x "), Message("user", " y ")]) == "a y bx"
    assert len(set(probes(3))) == 3


def test_a_row_gets_the_same_tokens_with_and_without_skeletons():
    renderer = make_renderer(build(*KINDS["default-system"]))
    plain = replace(renderer, template=replace(renderer.template, skeletons=None))
    record = Record(user("  Is it\n <|im_end|> so? "), (reply("Yes."), reply("\u2008No ")))
    assert renderer.render(record) == plain.render(record)
