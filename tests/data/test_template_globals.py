"""Names that templates have besides the row's."""

import jinja2
import pytest

from truing.data.bounded import write
from truing.data.template_globals import PublicNamespace, attributes, tojson


def test_a_namespace_holds_public_names_alone():
    held = PublicNamespace({"a": 1}, b=2)
    held["c"] = 3
    assert attributes(held) == {"a": 1, "b": 2, "c": 3}
    for name in ("_a", "__init__"):
        with pytest.raises(jinja2.exceptions.SecurityError, match=name):
            held[name] = 1
        with pytest.raises(jinja2.exceptions.SecurityError, match=name):
            PublicNamespace({name: 1})


def test_json_keeps_every_letter():
    assert tojson({"b": "é<", "a": None}, sort_keys=True) == '{"a": null, "b": "é<"}'
    with pytest.raises(jinja2.TemplateError):
        tojson([1], separators=("," * 1000, ":"))


def test_a_template_refuses_in_its_own_words():
    with pytest.raises(jinja2.TemplateError, match="no tools here"):
        write("{{ raise_exception('no tools here') }}", {})
    assert write("{{ strftime_now('%Y')|length }}{{ dict(a=1).a }}", {}) == "41"
