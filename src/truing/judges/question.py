"""The text of a question: a template, in which everything that is judged stands between fences.

The prompts here are `prompts/NAME.md` in English and `prompts/NAME_zh.md` in Chinese.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from string import Template

from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.core.records import Message, Turns
from truing.judges.fence import fenced, mark_of

PROMPTS = Path(__file__).parent / "prompts"


def prompt_file(name: str, language: Language = "en") -> Path:
    """Return the file of a prompt in one of the two languages."""
    return PROMPTS / (f"{name}.md" if language == "en" else f"{name}_{language}.md")


def prompt_text(name: str, language: Language = "en") -> str:
    return prompt_file(name, language).read_text(encoding="utf-8").strip()


def template_of(path: Path, known: Collection[str]) -> Template:
    """Read the text of a question with $-names from `known` in it, `response` always. Raises ConfigError."""
    try:
        template = Template(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the template {path} cannot be read: {error}") from error
    names = template.get_identifiers()
    unknown = [name for name in names if name not in known]
    if unknown or not template.is_valid():
        fault = f"has ${unknown[0]}" if unknown else "has a $ that starts no name"
        raise ConfigError(
            f"the template {path} {fault}; known: {', '.join('$' + name for name in known)}",
            hint="a dollar sign itself is written $$",
        )
    if "response" not in names:
        raise ConfigError(f"the template {path} shows no $response to the judge")
    return template


def question_of(
    template: Template,
    prompt: Sequence[Message],
    shown: Sequence[tuple[str, str]],
    marked: Sequence[str] = (),
    **filled: str,
) -> Turns:
    """Return a question, the same to the letter for the same texts.

    `shown` are the titles and texts of the responses, which stand in for `$response`. `marked` are further
    texts from data, beside the prompt and the responses, that must not know the mark of the fences.
    """
    said = [part for turn in prompt for part in (turn.role, turn.content)]
    mark = mark_of([*said, *(text for _, text in shown), *marked])
    text = template.substitute(
        mark=mark,
        conversation="\n\n".join(fenced(mark, turn.role, turn.content) for turn in prompt),
        response="\n\n".join(fenced(mark, title, text) for title, text in shown),
        **filled,
    )
    return (Message("user", text),)
