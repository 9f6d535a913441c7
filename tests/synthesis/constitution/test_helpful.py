"""Helpful rows are answers that help: one that declines or is broken gives its place to the next prompt."""

import json
from pathlib import Path

from truing.sampling.roles import Wish, Writing
from truing.synthesis.constitution.helpful import read_helpful


class Answers:
    """A policy whose answer depends on the number in the prompt."""

    title, identity = "answers", {"model": "answers"}

    def write(self, asked, wish, progress):
        return [[Writing(self.answer(record.prompt[-1].content))] for record in asked]

    def answer(self, prompt: str) -> str:
        number = int(prompt.split()[-1])
        return (
            ("I can't help with that.", "again and again " * 60, "")[number % 4]
            if number % 4 < 3
            else "It is done."
        )


def test_an_answer_that_does_not_help_is_passed_over(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Count to {n}"}) + "\n" for n in range(16)))
    seen: list[tuple[int, int]] = []
    found = read_helpful([str(path)], ["en"], lambda line: None).drawn(
        Answers(), 3, Wish(seed=1), lambda done, total: seen.append((done, total))
    )
    assert [text for _, text in found] == ["It is done."] * 3
    assert len({record.number for record, _ in found}) == 3
    more = read_helpful([str(path)], ["en"], lambda line: None).drawn(
        Answers(), 9, Wish(seed=1), lambda *_: None
    )
    assert len(more) == 4, "no more are usable"


def test_shipped_prompts_are_in_the_languages_asked_for():
    for language in ("en", "zh"):
        records = read_helpful([], [language], lambda line: None).prompts.records
        assert {one.columns["language"] for one in records} == {language}
