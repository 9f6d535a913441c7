# ruff: noqa: E501 - a template on one line
"""No template takes the machine, and every other template writes what transformers writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
from transformers import PreTrainedTokenizerFast

import truing
from truing.core.records import Message, as_json
from truing.data.bounded import write
from truing.data.measures import TooMuchError
from truing.data.templates import Template

DOUBLED = (
    "{{% set ns = namespace(x={start}, y={start}) %}}"
    "{{% for i in range(60) %}}{step}{{% endfor %}}{{{{ {end} }}}}"
)
GROWN = "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}"
LONG = "{% set x = 'a' * 100000 %}"

# Templates that ask for more than a row can need. Each takes hours or gigabytes in transformers' environment.
TOO_MUCH = [
    "{{ 'a' * 10**10 }}",
    "{{ 10**10 * 'a' }}",
    "{{ [1] * 10**10 }}",
    "{{ ('a',) * 10**10 }}",
    "{{ 'a' * 10**10 == 'b' }}",
    "{{ 9 ** (9 ** 9) }}",
    "{% set ns = namespace(x=10**20000) %}{% for i in range(999) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{{ '%099999999d'|format(1) }}",
    "{{ '%099999999d' % 1 }}",
    "{{ '%.999999999f' % 1 }}",
    "{{ '%*d' % (10**9, 1) }}",
    "{{ '%(a)s' * 100000 % {'a': 'b' * 100000} }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ '{:00000000000999999999}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=999999999) }}",
    "{{ ('{0}' * 100000).format('b' * 100000) }}",
    "{{ ('{a}' * 100000).format_map({'a': 'b' * 100000}) }}",
    "{{ ('{0}'|safe * 100000).format('b' * 100000) }}",
    "{{ ('a' * 100000).join(range(99999)|map('string')) }}",
    "{{ range(99999)|join('a' * 100000) }}",
    "{{ range(99999)|map('string')|join('a' * 100000) }}",
    "{{ [1]|batch(99999, 'a' * 100000)|join }}",
    DOUBLED.format(start="'a'", step="{% set ns.x = ns.x ~ ns.x %}", end="ns.x"),
    DOUBLED.format(start="'a'", step="{% set ns.x = ns.x + ns.x %}", end="ns.x"),
    DOUBLED.format(start="'a'", step="{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}", end="ns.x"),
    DOUBLED.format(start="[]", step=GROWN, end="ns.x"),
    DOUBLED.format(start="[]", step=GROWN, end="ns.x|tojson"),
    DOUBLED.format(start="[]", step=GROWN, end="ns.x|string"),
    DOUBLED.format(start="[]", step=GROWN, end="'%s' % ns.x"),
    DOUBLED.format(start="[]", step=GROWN, end="'{}'.format(ns.x)"),
    DOUBLED.format(start="[]", step=GROWN, end="'a' ~ ns.x"),
    DOUBLED.format(start="[]", step=GROWN, end="ns.x == ns.y"),
    DOUBLED.format(start="[]", step=GROWN, end="ns.x is eq(ns.y)"),
    DOUBLED.format(start="[]", step=GROWN, end="[ns.x]|select('eq', ns.y)|list"),
    DOUBLED.format(start="[]", step=GROWN, end="[ns.x].index(ns.y)"),
    DOUBLED.format(start="[]", step=GROWN, end="{1: ns.x}.values()"),
    "{% set ns = namespace() %}{% set ns.a = [ns, ns] %}{{ [ns] }}",
    "{{ 'a'.center(10**10) }}",
    "{{ 'a'|center(10**10) }}",
    "{{ 'a'.zfill(10**10) }}",
    "{{ 'a\tb'.expandtabs(10**10) }}",
    "{{ 'a\tb'.expandtabs(tabsize=10**10) }}",
    "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
    "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
    "{{ 'a'|indent(10**10, true) }}",
    "{{ 'a'|indent('b' * 100000000, true) }}",
    "{{ [1]|batch(10**10, 'a')|list }}",
    "{{ [1]|slice(10**10)|list }}",
    "{{ ([[1]] * 100000)|sum(start=[]) }}",
    "{{ 5|round(-10**9) }}",
    "{{ 2.5|round(10**9, 'ceil') }}",
    "{{ [1]|tojson(indent=10**9) }}",
    "{{ strftime_now('%099999999d' * 99) }}",
    LONG + "{{ (x * 9).rfind('b' ~ x) }}",
    LONG + "{{ (x * 9).strip('b' * 100000 ~ 'a') }}",
    LONG + "{{ (x * 9)|trim('b' * 100000 ~ 'a') }}",
    LONG + "{% for i in range(999) %}{{ x }}{% endfor %}",
    LONG + "{% for i in range(999) %}{% if x ~ 'b' in x %}{% endif %}{% endfor %}",
    LONG + "{% for i in range(999) %}{{ x[1:]|length }}{% endfor %}",
    LONG + "{% macro m() %}{% for i in range(999) %}{{ x }}{% endfor %}{% endmacro %}{{ m()|length }}",
    "{% for i in range(99999) %}" + "a" * 1000 + "{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) if range(99999)|list %}{% endfor %}",
    "{% set x = range(99999)|list %}{% for i in x %}{% for j in x if false %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{{ dict.fromkeys(range(99999), 'a' * 10000).values() }}",
    "a" * 2_000_000,
]  # fmt: skip

REFUSED = [
    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
    "{{ (5).to_bytes(10**10, 'big') }}",
    "{{ lipsum(n=10**9) }}",
    "{{ 'a'|wordwrap(1) }}",
    "{{ " + "(" * 100_000 + " }}",
    "{% if 1 %}" * 100_000,
    "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
    "{{ ''.__class__.__mro__ }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ namespace(_x=1) }}",
    "{% set ns = namespace() %}{% set ns.__init__ = 1 %}{{ ns }}",
    "{{ [].append(1) }}",
    "{% include 'x' %}",
    "{{ 1 / 0 }}",
    "{{ 10.0 ** 400 }}",
    "{{ messages + 1 }}",
    "{{ '%d' % 'a' }}",
    "{% endfor %}",
]

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " Hi <b>there</b>\tyou\n"},
    {"role": "assistant", "content": "<think>\na\n</think>\n\nBö %s {x}", "reasoning_content": "why"},
    {"role": "tool", "content": [{"type": "text", "text": "3"}], "name": None},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"b": [1, 2.5, None, True], "a": {}}}}]

# One template for each way in which a template may compute.
WRITTEN = [
    "{% for m in messages %}{{ loop.index0 }}{{ m.role }}{{ m['content'] }}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "{% for m in messages[::-1] %}\n  {% if m.role == 'user' %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}",
    "{% for m in messages if m.role != 'tool' %}{{ m.role }}{% else %}none{% endfor %}",
    "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% break %}{% endfor %}",
    "{% for key, value in messages[0].items() %}{{ key }}={{ value }},{% endfor %}",
    "{{ messages[2].content.split('</think>')[-1].lstrip('\\n') }}{{ messages[2]['content'].rsplit('</think>', 1) }}",
    "{{ messages[1].content|trim }}{{ messages[1].content.strip(' \\n') }}{{ messages[1].content|trim(' ') }}",
    "{{ tools|tojson }}{{ tools|tojson(indent=4) }}{{ tools[0]|tojson(separators=(',', ':'), sort_keys=true) }}",
    "{{ tools }}{{ tools[0].function.parameters.b }}{{ none }}{{ true }}{{ 1.50 }}",
    "{% set ns = namespace(a=0, b='') %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% set ns.b = ns.b ~ m.role ~ ns.a %}"
    "{% endfor %}{{ ns.b }}{{ ns.a * 2 }}{{ ns.a ** 2 }}{{ ns.a / 2 }}{{ ns.a // 3 }}{{ ns.a % 3 }}{{ -ns.a }}",
    "{% macro m(a, b='x') %}[{{ a }}{{ b }}{{ caller() if caller else '' }}]{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}"
    "{% call m(3) %}in{% endcall %}",
    "{% set x %}a{{ messages[0].role }}{% endset %}{{ x }}{{ x is string }}{% filter upper %}abc{% endfilter %}",
    "{{ '%s-%05.1f-%(a)s' % (1, 2) if false else '%s-%05.1f' % ('a', 2) }}{{ '%(a)s' % {'a': 1} }}{{ '%s'|format(tools) }}",
    "{{ '{}-{:>5}-{a[0]}-{!r}'.format(1, 'b', 'c', a=[3]) }}{{ '{x}'.format_map({'x': 1}) }}{{ ('<{}>'|safe).format('<') }}",
    "{{ messages|map(attribute='role')|join(', ') }}{{ messages|selectattr('role', 'equalto', 'user')|list }}",
    "{{ messages|rejectattr('name', 'defined')|map(attribute='role')|list }}{{ [1, none, 2]|select|list }}",
    "{{ [3, 1, 2]|sort|first }}{{ [3, 1]|max }}{{ [1, 2]|sum }}{{ 'abc'|list|reverse|join('-') }}{{ 'abc'|length }}",
    "{{ [1, 2, 3]|batch(2, 0)|list }}{{ [1, 2, 3]|slice(2)|list }}{{ tools[0].function|dictsort }}{{ {'a': 1}|items|list }}",
    "{{ 'a' in messages[0].content }}{{ 'b' not in 'abc' }}{{ 1 < 2 < 3 }}{{ messages[0].role in ['system'] }}{{ tools == [] }}",
    "{{ messages[0].name is defined }}{{ messages is iterable }}{{ tools is mapping }}{{ 3 is odd }}{{ nothing is none }}",
    "{{ 'a<b' }}{{ 'a<b'|e }}{{ ('<i>'|safe) ~ '<b>' }}{{ 'a<b'|escape + '<c>' }}{{ ['<']|join('<') }}{{ '<a>'|safe|upper }}",
    "{{ 'ab'.upper() }}{{ 'ab'|title }}{{ 'a\\tb'.expandtabs(4) }}{{ 'a'.center(5, '*') }}{{ 'a'|center(4) }}{{ 'x'.zfill(3) }}",
    "{{ 'a b'.replace('a', 'cc') }}{{ 'a b'|replace('b', 'd') }}{{ ', '.join(['a', 'b']) }}{{ 'a\\nb'|indent(2) }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.find('c') }}{{ 'a,b'.partition(',') }}{{ 'abc'[1:] }}{{ 'abc'[-1] }}{{ [1, 2][:1] }}",
    "{{ 2.567|round(1) }}{{ '3'|int + 1 }}{{ '2.5'|float }}{{ 3|string ~ 'a' }}{{ [1, 1, 2]|unique|list }}{{ 'a'|default('b') }}",
    "{{ nothing|default('b') }}{{ nothing }}{{ nothing.x if nothing else 'y' }}{{ '' or 'z' }}{{ not messages }}",
    "{{ dict(a=1) }}{{ dict(a=1).get('b', 2) }}{{ range(3)|list }}{{ cycler('a', 'b').next() }}{% set j = joiner('|') %}{{ j() }}{{ j() }}",
    "{% generation %}{{ messages[2].content }}{% endgeneration %}{{ bos_token }}{{ add_generation_prompt }}{{ documents }}",
    "{{ messages[2].thinking }}{{ messages[2].reasoning_content }}{{ messages[3].name is defined }}{{ messages[3].content[0].text }}",
    "{% for m in messages recursive %}{{ m.role if m.role else m }}{% if loop.depth == 1 %}{{ loop([{'role': 'x'}]) }}{% endif %}{% endfor %}",
    "{%- if tools %}\n    {{- 'a' }}\n{%- else %}\n    {{- 'b' }}\n{%- endif %}\n{# said #}\n  {{ self.x is defined }} \n",
    "{% block a %}b{{ messages|length }}{% endblock %}{{ self.a() }}",
    "{{ messages|groupby('role')|map('first')|list }}{{ [[1, 2], [3]]|sum(start=[]) }}{{ 'abc'|truncate(9) }}{{ '%%' % () }}",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer(model_folder) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(model_folder)


# Renders each template with a tenth of a row's units: how it ended, and the peak of memory.
PROGRAM = r"""
import json, re, sys, time
from truing.data import bounded
from truing.data.measures import TooMuchError
bounded.UNITS, ended = 2_000_000, {}
asked = json.load(sys.stdin)
for number, source in enumerate(asked["sources"]):
    began = time.process_time()
    try:
        bounded.write(source, {"messages": asked["messages"]})
        said = "written"
    except TooMuchError as error:
        said = "memory" if error.__cause__ else ""
    except Exception as error:
        said = repr(error)
    took = time.process_time() - began
    ended[f"{number}: {source[:100]}"] = said or ("slow" if took > 5 else "")
kilobytes = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]
json.dump([ended, 1000 * int(kilobytes)], sys.stdout)
"""


def test_what_a_row_cannot_need_is_refused_in_little_time_and_memory():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps({"sources": TOO_MUCH, "messages": TURNS}),
        env={**os.environ, "PYTHONPATH": str(Path(truing.__file__).parents[1])},
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
    )
    found, peak = json.loads(ended.stdout)
    assert len(found) >= 60
    assert {source: said for source, said in found.items() if said} == {}
    assert peak < 150_000_000


@pytest.mark.parametrize("source", REFUSED, ids=range(len(REFUSED)))
def test_what_ends_in_an_error_ends_in_the_templates_own(source: str):
    with pytest.raises(jinja2.TemplateError) as refused:
        write(source, {"messages": TURNS})
    assert str(refused.value)


@pytest.mark.parametrize("source", WRITTEN, ids=range(len(WRITTEN)))
def test_every_other_template_writes_what_transformers_writes(source: str, tokenizer):
    how = {"add_generation_prompt": True, "tools": TOOLS, "documents": [{"text": "d"}], "strange": "given"}
    expected = tokenizer.apply_chat_template(TURNS, chat_template=source, tokenize=False, **how)
    turns = [
        Message(turn["role"], "", as_json({key: value for key, value in turn.items() if key != "role"}))
        for turn in TURNS
    ]
    given = as_json({key: value for key, value in how.items() if key != "add_generation_prompt"})
    assert Template("chat", source, tokenizer).text(turns, answer=True, given=given) == expected


def test_a_long_row_has_more_units_than_a_short_one():
    source = "{% for m in messages %}{{ (m.content * 100)|length }}{% endfor %}"
    assert write(source, {"messages": [{"content": "a" * 1000}] * 100}) == "100000" * 100
    with pytest.raises(TooMuchError):
        write("{% for i in range(100) %}{{ ('a' * 100000)|length }}{% endfor %}", {"messages": TURNS})


def test_units_begin_anew_with_each_row():
    for _ in range(3):
        assert write("{{ ('a' * 3000000)|length }}", {}) == "3000000"
