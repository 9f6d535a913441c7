"""The assistant's spans of a conversation's text; test_chat.py and test_templates.py have whole rows."""

from pathlib import Path

import pytest

from truing.core.records import Message, user
from truing.data.chat import Renderer, make_renderer
from truing.data.layout import Layout, TurnMarks, common_length, lay_out
from truing.data.refusals import TurnsError
from truing.models.load import load_tokenizer

MARKS = TurnMarks(*"\U000f0000\U000f0001\U000f0002")


@pytest.fixture(scope="module")
def renderer(model_folder: Path) -> Renderer:
    return make_renderer(load_tokenizer(model_folder))


def laid(renderer: Renderer, *turns: Message) -> Layout:
    return lay_out(renderer.template, user("Hi"), turns, MARKS, ("<|im_end|>",))


def scored(layout: Layout) -> list[str]:
    starts = [layout.start, *(segment.end for segment in layout.segments)]
    parts = zip(starts, layout.segments, strict=False)
    return [layout.text[start : segment.end] for start, segment in parts if segment.scored]


def test_every_answer_is_learnt_with_its_end(renderer: Renderer):
    answer, more = Message("assistant", "Hello"), Message("assistant", "Fine")
    layout = laid(renderer, answer, *user("How?"), more)
    assert scored(layout) == ["Hello<|im_end|>\n", "Fine<|im_end|>\n"]
    assert layout.prompt.endswith("<|im_start|>assistant\n") and layout.segments[-1].end == len(layout.text)


def test_an_answer_that_is_not_to_be_learnt_has_no_loss(renderer: Renderer):
    layout = laid(
        renderer, Message("assistant", "Hello", scored=False), *user("How?"), Message("assistant", "Fine")
    )
    assert scored(layout) == ["Fine<|im_end|>\n"]


def test_words_that_the_template_leaves_out_are_told(renderer: Renderer):
    with pytest.raises(TurnsError):
        laid(renderer, Message("assistant", "Hello", extras='{"tool_calls": [{"function": {"name": "f"}}]}'))


def test_texts_share_their_beginning():
    assert (common_length("abc", "abd"), common_length("a", "b"), common_length("ab", "ab")) == (2, 0, 2)
