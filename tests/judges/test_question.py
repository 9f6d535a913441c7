import re
from pathlib import Path
from string import Template

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.question import PROMPTS, prompt_file, prompt_text, question_of, template_of


def test_every_prompt_is_there_in_both_languages_with_the_same_names():
    english = [path for path in PROMPTS.glob("*.md") if not path.stem.endswith("_zh")]
    assert len(english) >= 8
    for path in english:
        names = [Template(prompt_text(path.stem, language)).get_identifiers() for language in ("en", "zh")]
        assert sorted(names[0]) == sorted(names[1]), path.name
        assert re.search("[\u4e00-\u9fff]", prompt_text(path.stem, "zh"))
    assert prompt_file("rubric", "zh").name == "rubric_zh.md"


def test_a_question_is_fenced_with_a_mark_that_no_text_knows():
    template = Template("$mark\n$conversation\n$response\n$rubric")
    shown = [("response", "So.")]
    (one,) = question_of(template, user("Why?"), shown, rubric="kind")
    (two,) = question_of(template, user("Why?"), shown, marked=["kind"], rubric="kind")
    mark = one.content.partition("\n")[0]
    assert re.fullmatch("[0-9a-f]{16}", mark)
    assert f"<<{mark} response>>\nSo.\n<<{mark} end>>" in one.content
    assert two.content.partition("\n")[0] != mark


def test_a_template_must_show_the_response(tmp_path: Path):
    path = tmp_path / "mine.md"
    path.write_text("$conversation")
    with pytest.raises(ConfigError, match="shows no \\$response"):
        template_of(path, ("conversation", "response"))
