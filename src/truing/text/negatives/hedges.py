"""A rule that takes a hedge away, so that a forecast or a guess is told as a fact.

预计2024年营收将达3.5亿元            2024年营收已达3.5亿元
该数字仅为预测值                      该数字为实际值
Revenue is expected to reach $3 m     Revenue has reached $3 m
The drug may cause drowsiness         The drug will cause drowsiness
"""

import re
from collections.abc import Iterator

from truing.text.negatives.passages import Alteration, Draw, Edit, Passage

# Verbs that forecasts are made with, and their participles.
PARTICIPLES = {
    "reach": "reached", "exceed": "exceeded", "grow": "grown", "rise": "risen", "fall": "fallen",
    "be": "been",
    "increase": "increased", "decrease": "decreased", "decline": "declined", "drop": "dropped", "hit": "hit",
    "become": "become", "climb": "climbed", "double": "doubled", "remain": "remained", "improve": "improved",
    "expand": "expanded", "slow": "slowed", "recover": "recovered", "total": "totalled",
    "complete": "completed",
    "begin": "begun", "start": "started", "launch": "launched", "open": "opened", "generate": "generated",
}  # fmt: skip
_EXPECTED = (
    r"(?:expected|projected|forecast|forecasted|predicted|anticipated|estimated|likely|thought|believed)"
)
_EN = (
    re.compile(
        rf"\b(?P<be>is|are)\s+(?:currently\s+|now\s+|also\s+)?{_EXPECTED}\s+to\s+(?P<verb>[a-z]+)\b",
    ),
    re.compile(r"(?<!\w)(?P<modal>may|might)(?:\s+(?:possibly|perhaps|well))?\s+(?P<verb>[a-z]+)\b"),
    re.compile(
        r"\b(?P<modal>could)\s+(?:potentially\s+)?(?P<verb>be|reach|rise|fall|increase|decrease|grow|become|lead|cause|affect|result"
        r"|exceed|drop|help|improve|reduce|make)\b"
    ),
)
_THAT = re.compile(rf"\b(?P<it>[Ii]t is) (?:widely )?{_EXPECTED} that\b")
_ADVERB = re.compile(
    r"(?<=[a-z,] )(?:probably|possibly|perhaps|presumably|potentially|supposedly|allegedly) (?=[a-z])"
)
_FIRST = re.compile(
    r"(?:(?<=^)|(?<=[.!?\n] ))(?:Perhaps|Probably|Possibly|Presumably|Supposedly),? (?=[A-Za-z])", re.M
)
_SUGGESTS = re.compile(r"\bsuggest(?P<s>s?) that\b")
_DONE = re.compile(r"(?:将会?|会)(?=达|超|增|升|上|下|突破|实现|完成|恢复|减|降|提|扩|成为|创)")
_EXPECT_ZH = re.compile(
    r"(?<![比于如超的过不])(?:据(?:初步)?(?:估计|预测|预计|测算)，?|(?:初步|目前)?预计|预期(?=将|会)|估计|有望|料(?=将)|或(?=将)|大概|也许|或许|可能(?![性的地]))"
    r"(?![值数的中])"
)
_REAL = (
    (
        re.compile(
            r"(?:仅仅?|只)?(?:是|为)(?:一个)?(?:预测|预计|预估|估计)(?:值|数据|数字|数)?(?=[，。；、！\s]|$)"
        ),
        "是实际值",
    ),
    (re.compile(r"(?:预测|预计|预估|估计)(?:值|数据|数字)"), "实际值"),
)
_CERTAIN = {"可能": "必然", "有望": "必将", "或": "", "料": ""}
_NO_HEDGE = re.compile(r"如果|若|是否|虽然|尽管|即使|不可能|尽可能|有可能|\bif\b|\bwhether\b", re.I)


def hedges(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Take away a hedge: 预计, 可能, "may", "is expected to", "probably"."""
    yield from _english(passage)
    yield from _chinese(passage)


def _english(passage: Passage) -> Iterator[Alteration]:
    for pattern in _EN:
        for found in passage.matches(pattern):
            if not _NO_HEDGE.search(passage.clause(found.start())):
                yield _one(found.start(), found.end(), found[0], _fact(found))
    for found in passage.matches(_THAT):
        yield _one(*found.span(), found[0], f"{found['it']} confirmed that")
    for found in passage.matches(_ADVERB):
        yield _one(*found.span(), found[0], "")
    for found in passage.matches(_FIRST):
        after = passage.text[found.end()]
        yield _one(found.start(), found.end() + 1, found[0] + after, after.upper())
    for found in passage.matches(_SUGGESTS):
        yield _one(*found.span(), found[0], f"prove{found['s']} that")


def _fact(found: re.Match[str]) -> str:
    """Write a forecast as done where the verb has a participle in the table, else as certain."""
    verb, groups = found["verb"], found.groupdict()
    if groups.get("be") and verb in PARTICIPLES:
        return f"{'has' if found['be'] == 'is' else 'have'} {PARTICIPLES[verb]}"
    return f"will {verb}"


def _chinese(passage: Passage) -> Iterator[Alteration]:
    taken: list[tuple[int, int]] = []
    for pattern, new in _REAL:
        for found in passage.matches(pattern):
            if all(found.end() <= start or end <= found.start() for start, end in taken):
                taken.append(found.span())
                yield _one(*found.span(), found[0], new)
    for found in passage.matches(_EXPECT_ZH):
        if any(found.start() < end and start < found.end() for start, end in taken):
            continue
        end = passage.clause_span(found.start())[1]
        if _NO_HEDGE.search(passage.clause(found.start())):
            continue
        done = _DONE.search(passage.text, found.end(), end)
        hedge = Edit(*found.span(), found[0], _certain(passage.text, found))
        if done is None or not passage.free(*done.span()):
            yield Alteration("hedges", (hedge,))
        elif done.start() == found.end():
            yield _one(found.start(), done.end(), found[0] + done[0], "已")
        else:
            hedge = Edit(*found.span(), found[0], "")
            yield Alteration("hedges", (hedge, Edit(*done.span(), done[0], "已")))


def _certain(text: str, found: re.Match[str]) -> str:
    """Return what is certain in place of a hedge: 可能导致 to 必然导致, 预计增长 to 已增长."""
    after = text[found.end() : found.end() + 2]
    if found[0] in _CERTAIN:
        return "" if after.startswith(("会", "将")) else _CERTAIN[found[0]]
    return "已" if found[0].endswith("预计") and after[:1] in "达超增升上下突实完减降" and after else ""


def _one(start: int, end: int, old: str, new: str) -> Alteration:
    return Alteration("hedges", (Edit(start, end, old, new),))
