"""The places in a conversation's text where the assistant speaks, and the end of each of its turns.

The text of an assistant turn after the generation prompt carries loss: its words, its end-of-turn token and
the white space behind that. A span is found by rendering the conversation up to its turn; the text of the
whole must start with this rendering. Where it does not, the words of the turn are looked up: a template may
write a think block only in the last turn, or EOS only at the end of the conversation. The start of the words
is found with marks, characters that occur nowhere else. A turn that nothing closes ends with the next
speaker's token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from truing.core.records import Message
from truing.data.refusals import Refusal, TurnsError
from truing.data.said import EMPTY_THOUGHT, THINK_TAGS, Said, find, require_words, split_thought
from truing.data.templates import Template

BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Segment:
    """Text from the end of the segment before it, or of the prompt, to `end`."""

    end: int
    scored: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A conversation as text: the prompt is `text[:start]`, the segments are the response."""

    text: str
    start: int
    segments: tuple[Segment, ...]

    @property
    def prompt(self) -> str:
        return self.text[: self.start]


@dataclass(frozen=True, slots=True)
class TurnMarks:
    """Characters that occur nowhere in a record."""

    cut: str  # inside control tokens, see data/tokens.py
    open: str  # before and
    close: str  # after the words of an assistant turn


@dataclass(frozen=True, slots=True)
class _Span:
    """One assistant turn in the text."""

    start: int
    learnt: int  # behind its end of turn
    end: int  # of all that belongs to it


def lay_out(
    template: Template,
    prompt: Sequence[Message],
    turns: Sequence[Message],
    marks: TurnMarks,
    stops: tuple[str, ...],
    given: str = "",
) -> Layout:
    """Find the assistant turns of a response in its text; the last of `turns` is one.

    Raises TurnsError where words, a thought or a call are not in the text, or not where the assistant speaks.
    """
    whole = (*prompt, *turns)
    text = template.text(whole, answer=False, given=given)
    template.require_read(whole, given)
    template.require_places(whole, answer=False)
    require_words(text, whole)
    if len(turns) == 1 and (kept := _kept_thought(template, whole, text, stops, given)):
        return kept
    spoken = [k for k in range(len(prompt), len(whole)) if whole[k].role == "assistant"]
    segments: list[Segment] = []
    for k, span in zip(spoken, _spans(template, whole, spoken, marks, stops, text, given), strict=True):
        segments.append(Segment(span.start, scored=False))
        if thought := _empty_thought(text, span, whole[k]):
            segments.append(Segment(thought, scored=False))
        segments.append(Segment(span.learnt, scored=whole[k].scored))
        if span.end > span.learnt:
            segments.append(Segment(span.end, scored=False))
    return Layout(text, segments[0].end, tuple(segments[1:]))


def _spans(
    template: Template,
    turns: tuple[Message, ...],
    spoken: list[int],
    marks: TurnMarks,
    stops: tuple[str, ...],
    text: str,
    given: str,
) -> list[_Span]:
    starts = [template.begins(text, turns[:k], answer=True, given=given) for k in spoken]
    ends = [template.begins(text, turns[: k + 1], answer=False, given=given) for k in spoken[:-1]]
    if None in starts:
        words = _marked_words(template, turns, spoken, marks, text, given)
        starts = [begin if start is None else start for start, begin in zip(starts, words, strict=True)]
    begins = [start for start in starts if start is not None]
    last = _words_end(text, turns[spoken[-1]], begins[-1], len(text))
    spans = [_closed(text, begins[-1], last, len(text), stops)]
    blank = text[_with_stop(text, last, stops) :] if len(spoken) > 1 else ""
    for n in reversed(range(len(spoken) - 1)):
        after = spans[0].start
        at = _words_end(text, turns[spoken[n]], begins[n], after)
        end = ends[n]
        if end is None or not at <= end <= after:
            end = _end_of_turn(text, at, after, blank, stops, calls=bool(Said.of(turns[spoken[n]]).calls))
        spans.insert(0, _closed(text, begins[n], at, end, stops))
    return spans


def _words_end(text: str, turn: Message, start: int, before: int) -> int:
    """Find the end of a turn's last piece. Raises TurnsError for a piece not between `start` and `before`."""
    told, at, furthest = Said.of(turn), start, start
    for code, pieces in ((Refusal.CUTS, told.thoughts if turn.scored else ()), (Refusal.DROPS, told.words)):
        for piece in pieces:
            found = find(text, piece, at)
            if found is None or found[1] > before:
                what = "a thought" if code is Refusal.CUTS else "words"
                raise TurnsError(
                    code, f"the template leaves {what} of an assistant turn out of what is learnt"
                )
            at = furthest = found[1]
    for piece in told.calls:
        found = find(text, piece, start)
        if found is None or found[1] > before:
            raise TurnsError(Refusal.DROPS, "the template leaves a call out of what is learnt")
        furthest = max(furthest, found[1])
    return furthest


def _marked_words(
    template: Template, turns: tuple[Message, ...], spoken: list[int], marks: TurnMarks, text: str, given: str
) -> list[int]:
    """Find the start of each `spoken` turn's words in `text`, behind the white space before them.

    The marks go inside the white space: a template that strips words then treats marked words like real ones.
    Where the template also takes a thought out of the words, the marks go after the thought.
    """
    for thoughts in (False, True):
        marked = list(turns)
        for k in spoken:
            thought, content = split_thought(turns[k].content) if thoughts else ("", turns[k].content)
            words = content.strip()
            before, _, after = content.partition(words) if words else (content, "", "")
            content = thought + before + marks.open + words + marks.close + after
            marked[k] = replace(turns[k], content=content)
        rendered = template.text(marked, answer=False, given=given)
        unmarked = rendered.replace(marks.open, "").replace(marks.close, "")
        opened = [i for i, character in enumerate(rendered) if character == marks.open]
        if unmarked == text and len(opened) == rendered.count(marks.close) == len(spoken):
            return [o - 2 * n for n, o in enumerate(opened)]
    raise TurnsError(Refusal.UNCLEAR, "the template changes the words of assistant turns")


def _end_of_turn(text: str, at: int, after: int, blank: str, stops: tuple[str, ...], *, calls: bool) -> int:
    """Find the end of a turn that is not closed as the last turn is: behind its stop token.

    White space behind the stop token belongs to the turn if it also follows the stop token of the last turn.
    A turn without a stop token ends with its words.
    """
    found = [(place, stop) for stop in stops if (place := text.find(stop, at, after)) >= 0]
    place, stop = min(found, default=(at, ""), key=lambda one: (one[0], -len(one[1])))
    if text[at:place].strip() and not calls:
        return at
    end = place + len(stop)
    behind = text[end : end + common_length(text[end:after], blank)]
    return end + len(behind) - len(behind.lstrip()) if stop else at


def common_length(*texts: str) -> int:
    """Count the characters that all of some texts begin with."""
    first, least, most = texts[0], 0, min(map(len, texts))
    if all(text == first for text in texts):
        return most
    while least < most:  # the beginnings of that length that are equal, by halving
        middle = (least + most + 1) // 2
        if all(text.startswith(first[:middle]) for text in texts):
            least = middle
        else:
            most = middle - 1
    return least


def _closed(text: str, start: int, at: int, end: int, stops: tuple[str, ...]) -> _Span:
    """Return a turn's span with its end; one stop token of the text behind the words is learnt.

    Some templates close a turn only when another turn follows, or with the next speaker's token: then that
    token belongs to the turn.
    """
    if at > end:
        raise TurnsError(Refusal.UNCLEAR, "the template ends an assistant turn before its words")
    places = [place for stop in stops if (place := text.find(stop, at, end)) >= 0]
    if not places:
        end = _with_stop(text, end, stops)
        return _Span(start, end, end)
    learnt = _with_stop(text, min(places), stops)
    learnt += len(text[learnt:end]) - len(text[learnt:end].lstrip())
    return _Span(start, learnt, end)


def _with_stop(text: str, end: int, stops: tuple[str, ...]) -> int:
    """Return the end of the longest stop token at `end`, perhaps after white space; else `end`."""
    place = BLANK.match(text, end).end()  # pyright: ignore[reportOptionalMemberAccess]
    length = max((len(stop) for stop in stops if text.startswith(stop, place)), default=0)
    return place + length if length else end


def _kept_thought(
    template: Template, turns: tuple[Message, ...], text: str, stops: tuple[str, ...], given: str
) -> Layout | None:
    """Lay out an answer with the thought that the template would cut, as the policy would sample it.

    The generation prompt must open that thought; the answer then continues the prompt. None where the
    template cuts no thought, or the prompt opens none.
    """
    turn = turns[-1]
    if all(find(text, piece) for piece in Said.of(turn).thoughts):
        return None
    thought, words = split_thought(turn.content)
    if not words.strip():
        return None
    opened = template.text(turns[:-1], answer=True, given=given)
    tag = next((tag for tag, _ in THINK_TAGS if opened.rstrip().endswith(tag)), None)
    if tag is None or not thought.lstrip().startswith(tag):
        return None
    before = opened.rstrip().removesuffix(tag)
    tail = text[text.rindex(words.strip()) + len(words.strip()) :]
    if not text.startswith(before):
        return None
    said = (thought.lstrip().removeprefix(tag) + words).strip()
    span = _closed(opened + said + tail, len(opened), len(opened + said), len(opened + said + tail), stops)
    segments = [Segment(span.learnt, turn.scored), Segment(span.end, scored=False)]
    return Layout(opened + said + tail, len(opened), tuple(segments[: 1 + (span.end > span.learnt)]))


def _empty_thought(text: str, span: _Span, turn: Message) -> int | None:
    """Find the end of an empty think block that the template put before a turn's words; else None."""
    found = EMPTY_THOUGHT.match(text, span.start, span.learnt)
    if not found or Said.of(turn).thoughts or EMPTY_THOUGHT.search(turn.content):
        return None
    return found.end()
