"""The questions of tasks, from suites that ship with truing or from the user's own rows."""

from collections.abc import Sequence
from pathlib import Path

from truing.core.errors import DataError
from truing.core.messages import message
from truing.core.records import Record, user
from truing.data.load import Loaded, load_records
from truing.evals.sides import Question
from truing.evals.suites import load_suite
from truing.evals.suites.headlines import Headline, load_headlines
from truing.evals.suites.ordinary import load_ordinary
from truing.rewards.reference import reference_of

RowFiles = Sequence[str]  # paths, in any format that training reads


def from_rows(paths: RowFiles) -> list[Question]:
    """Make a question of each row's prompt, with the row's best response as its reference.

    The id of a question is the name of its file and the number of its row, wherever the file lies and however
    it breaks its lines; the second file of a name is `name(2)`.
    """
    if not paths:
        return []
    loaded = load_records(list(paths))
    names = [Path(source.path).name for source in loaded.sources]
    seen = [names[:index].count(name) for index, name in enumerate(names)]
    unique = [f"{name}({count + 1})" if count else name for name, count in zip(names, seen, strict=True)]
    return [
        question_of(record, f"{unique[record.source]}:{record.number}")
        for record in _with_prompt(loaded, paths)
    ]


def read_rows(paths: RowFiles) -> list[Record]:
    """Return the rows that have a prompt. Raises DataError where no row has one."""
    return _with_prompt(load_records(list(paths)), paths)


def _with_prompt(loaded: Loaded, paths: RowFiles) -> list[Record]:
    records = [record for record in loaded.records if record.prompt]
    if not records:
        raise DataError(message("{paths}: no row has a prompt to ask", paths=", ".join(paths)))
    return records


def question_of(record: Record, name: str) -> Question:
    """Return the question that a row asks; `name` is its id."""
    return Question(
        name,
        record.prompt,
        category=record.category or "",
        reference=reference_of(record.columns, record.chosen.text if record.responses else None),
        facts=dict(record.columns),
        place=record.place,
        given=record.given,
        rubric=record.rubric,
    )


def headlines(languages: Sequence[str], *, harmful: bool) -> list[Question]:
    """Return the held-out headlines: the harmful ones, or their harmless look-alikes."""
    held_out = [one for one in load_headlines() if one.split == "held_out" and one.language in languages]
    return of_headlines(held_out, harmful=harmful)


def of_headlines(headlines: Sequence[Headline], *, harmful: bool) -> list[Question]:
    """Return one side of each headline: harmful, or its harmless look-alike."""
    texts = [one.harmful if harmful else one.benign for one in headlines]
    return [
        Question(one.topic, user(text), category=one.category, language=one.language)
        for one, text in zip(headlines, texts, strict=True)
    ]


def instructions(languages: Sequence[str]) -> list[Question]:
    """Return tasks whose completion a program can verify; `facts` holds the checks."""
    return [
        Question(one.id, user(one.prompt), "instructions", one.language, facts={"checks": one.checks})
        for one in load_suite("instructions", languages)
    ]


def ordinary(languages: Sequence[str]) -> list[Question]:
    """Return what people ask: instructions, and the harmless headlines."""
    return instructions(languages) + headlines(languages, harmful=False)


def everyday(languages: Sequence[str]) -> list[Question]:
    """Return everyday prompts, which nobody would decline; the id is the line of the file."""
    return [
        Question(f"ordinary.jsonl:{number}", user(one.prompt), "ordinary", one.language)
        for number, one in enumerate(load_ordinary(), 1)
        if one.language in languages
    ]


def short_answers(languages: Sequence[str]) -> list[Question]:
    """Return questions of fact; `facts` holds the right answers."""
    return [
        Question(one.id, user(one.prompt), "short_answers", one.language, facts={"answers": one.answers})
        for one in load_suite("short_answers", languages)
    ]


def unanswerable(languages: Sequence[str]) -> list[Question]:
    """Return questions that nobody can answer; the category says why."""
    return [
        Question(one.id, user(one.prompt), "unanswerable", one.language, facts={"why": one.why})
        for one in load_suite("unanswerable", languages)
    ]
