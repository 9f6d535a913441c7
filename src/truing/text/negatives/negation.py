"""Rules that deny what an answer says, and say what it denies, in sentences that stay grammatical.

Only verbs whose negation is one word apart are touched. Clauses of condition, questions, clauses with all,
some or only, and clauses that deny something already are left alone: a second "not" need not make them false.
"""

import re
from collections.abc import Iterator

from truing.text.negatives.passages import Alteration, Draw, Edit, Passage

_LEFT_ALONE = re.compile(
    r"\b(?:if|whether|unless|all|every|each|both|some|any|anyone|anything|few|many|most|several|only|not only"
    r"|either|neither|nor|until|at all|yet|ever|because|so that|i|we|let's|here|following|why|how|when|what"
    r"|which one)\b"
    r"|如果|若|假如|要是|是否|所有|每|都|全部|有些|一些|部分|许多|大多|只有|除非|不仅|不但|不只|不得不|不能不|无不|不是.*就是|为什么|怎么|如何"
    r"|因为|而不是|任何|还是|以下|下面|如下|这里是|例如|比如|我",
    re.I,
)
_DENIES = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|hardly|without|cannot|\w+n['’]t)\b|[不没無无非未别莫勿]", re.I
)
_NEXT = (
    r"(?!\s+(?:not|also|still|already|always|often|usually|only|just|even|both|either|one of|likely|due"
    r"|called|known|what|how|why|when|where|that|there|it|you|we|they|he|she|i|to|of|in|and|or|as|because|no|never"
    r"|about|around|so|too)\b)"
)
_SUBJECT = r"(?<=[a-z0-9)\]\"”’%])\s"  # something before the verb, so that no question is turned
_ADD_EN = (
    re.compile(
        rf"{_SUBJECT}(is|are|was|were|can|could|will|would|should|must){_NEXT}(?=\s+[a-z]{{2,}}|\s+an?\b)"
    ),
    re.compile(
        rf"{_SUBJECT}(has|have|had){_NEXT}(?=\s+(?:been|become|made|grown|risen|fallen|shown|led|taken|won|\w+ed)\b)"
    ),
)
_NOUNS = re.compile(r"\b(?:a|an|the|free|his|her|their|my|your|its|our|of|last)\s$", re.I)
_TAKE_EN = (
    (
        re.compile(
            r"\b(is|are|was|were|will|would|should|must|could|has|have|had|does|did|can)(\s+not|n['’]t)\b(?!\s+(?:only|just|merely|necessarily|simply|always|alone))"
        ),
        r"\1",
    ),
    (re.compile(r"\b(ca|wo)n['’]t\b"), {"ca": "can", "wo": "will"}),
    (re.compile(r"\bcannot\b(?!\s+(?:only|but|help))"), "can"),
    (re.compile(r"\bno longer\b"), "still"),
    (re.compile(r"\bnever\b(?!\s?(?:-|ending))"), "always"),
)
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s|\n)\s*$")
_ADD_ZH = (
    (
        re.compile(
            r"(?<![不还但于总可只就而要凡若或都正的老自更才算或便即既像])是(?![否因为由于不什谁哪多少怎何从以在一指说非吗的啊对：:])"
        ),
        "不是",
    ),
    (re.compile(r"(?<![不就还才也只])可以(?![不看说])"), "不能"),
    (re.compile(r"(?<![不还也只都])能够"), "不能"),
    (re.compile(r"(?<![不])应该"), "不应该"),
    (re.compile(r"(?<![不的需所还])需要(?![性的不])"), "不需要"),
    (
        re.compile(
            r"(?<![不机社协国工晚大都委议学理商就只还才宴峰])会(?=导致|使|影响|增加|减少|提高|降低|引起|造成|上涨|下跌|上升|下降|产生|出现|发生|继续|带来|改变)"
        ),
        "不会",
    ),
    (re.compile(r"(?<![不])属于"), "不属于"),
    (re.compile(r"(?<![不])适合(?!度|性)"), "不适合"),
    (re.compile(r"(?<![不])(?:包括|包含)(?!在|：|:)"), "不包括"),
    (re.compile(r"(?<![不])有助于"), "无助于"),
    (re.compile(r"(?<![不])已经?(?=完成|达到|超过|上市|发布|获批|成立|生效|结束|公布|披露)"), "尚未"),
)
_TAKE_ZH = (
    (re.compile(r"(?<![是并])不是(?!.{0,12}就是|.{0,20}而是|说)"), "是"),
    (re.compile(r"并(?:不是|非)(?!.{0,20}而是)"), "是"),
    (re.compile(r"(?:并)?没有(?=[\u4e00-\u9fff])(?!.{0,2}不)"), "有"),
    (
        re.compile(
            r"不(?=可以|能够|应该|需要|属于|适合|包括|包含|支持|允许|具备|存在|影响)(?<!并不)(?<!而不)(?<!要不)(?<!从不)"
        ),
        "",
    ),
    (re.compile(r"(?:并)?不会(?!不)"), "会"),
    (re.compile(r"无法(?!无)"), "能够"),
    (re.compile(r"尚未|未曾"), "已经"),
    (re.compile(r"无助于"), "有助于"),
)


def negation(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Add a negation to a clause without one, or take one away: 是 to 不是, "is not" to "is"."""
    for edit in (*_taken(passage), *_added(passage)):
        yield Alteration("negation", (edit,))


def _added(passage: Passage) -> Iterator[Edit]:
    for pattern in _ADD_EN:
        for found in passage.matches(pattern):
            clause = passage.clause(found.start(1))
            ahead = passage.text[: found.start(1)]
            if _LEFT_ALONE.search(clause) or _DENIES.search(clause) or _NOUNS.search(ahead):
                continue
            verb = found[1]
            new = "cannot" if verb == "can" else f"{verb} not"
            yield Edit(*found.span(1), verb, new)
    for pattern, new in _ADD_ZH:
        for found in passage.matches(pattern):
            clause = passage.clause(found.start())
            if not _LEFT_ALONE.search(clause) and not _DENIES.search(clause):
                yield Edit(*found.span(), found[0], new)


def _taken(passage: Passage) -> Iterator[Edit]:
    for pattern, new in _TAKE_EN:
        for found in passage.matches(pattern):
            clause = passage.clause(found.start())
            start = _SENTENCE_START.search(passage.text[: found.start()])
            if start or _LEFT_ALONE.search(clause) or " but " in clause or _denials(clause) > 1:
                continue
            written = new[found[1]] if isinstance(new, dict) else found.expand(new)
            yield Edit(*found.span(), found[0], written)
    for pattern, new in _TAKE_ZH:
        for found in passage.matches(pattern):
            clause = passage.clause(found.start())
            if not _LEFT_ALONE.search(clause) and _denials(clause) == 1:
                yield Edit(*found.span(), found[0], new)


def _denials(clause: str) -> int:
    return len(_DENIES.findall(clause))
