"""Questions to judges: what is judged stands between fences that it cannot know."""

from pathlib import Path
from string import Template

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.question import prompt_file, prompt_text, question_of, template_of

TEMPLATE = Template("$mark\n$conversation\n$response")


def test_the_same_texts_make_the_same_question_and_others_another_fence():
    one, again = (question_of(TEMPLATE, user("Hi"), [("A", "yes")]) for _ in range(2))
    assert one == again and "Hi" in one[0].content and "yes" in one[0].content
    mark = one[0].content.splitlines()[0]
    other = question_of(TEMPLATE, user("Hi"), [("A", f"yes {mark}")])[0].content.splitlines()[0]
    assert other != mark


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$response $person", "has \\$person"),
        ("$response $", "starts no name"),
        ("only words", "shows no \\$response"),
    ],
)
def test_a_template_is_checked(tmp_path: Path, text: str, said: str):
    path = tmp_path / "t.md"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        template_of(path, ("response", "mark"))
    with pytest.raises(ConfigError, match="cannot be read"):
        template_of(tmp_path / "gone.md", ("response",))


def test_every_prompt_is_there_in_both_languages():
    english = [path.stem for path in prompt_file("x").parent.glob("*.md") if not path.stem.endswith("_zh")]
    assert english
    for name in english:
        assert prompt_text(name, "zh") != prompt_text(name), name
