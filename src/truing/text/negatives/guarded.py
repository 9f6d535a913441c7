"""Parts of a text that no rule may change: they state nothing, or a change would break them.

Code, addresses, formulas, list markers and step numbers, references to figures and chapters, versions,
telephone numbers, clock times, ranges, ratios and identifiers. To add one, add a pattern to `_KEPT`.
"""

import re
from bisect import bisect_right

_NUMBERED = (
    "step|stage|phase|part|chapter|section|figure|fig\\.|table|page|volume|vol\\.|no\\.|number|question"
    "|example|article|version|option|item|rule|tip|day|week|lesson|level|grade|class|type|appendix|equation"
    "|port|code|id|room|flight|route|model|season|episode"
)
_NUMBERED_ZH = (
    "步骤|阶段|图|表|附录|公式|例|题|问题|示例|方法|版本|选项|情况|方案|案例|类型|步|编号|型号|电话|热线"
    "|代码|证书号"
)
_ORDERED_ZH = "步|章|节|条|款|页|卷|版|部分|点|个|项|名|位|次|届|代|号|阶段|天|周|集|课|类|种|大|期"
# Capitalised words that may stand before a number without naming a thing by it, as "Component 2" does.
_STARTERS = (
    "The|In|At|On|By|About|Over|Around|Nearly|Almost|Only|Just|From|With|Of|For|And|Or|But|Is|Was|Are|Were"
    "|Some|All|After|Before|Approximately|Roughly|Between|Under|Within|Every|Up|Since|Until|More|Less|Than|To"
    "|These|Those|Its|Their|Our|His|Her|My|Your|Add|Use|Take|Mix|Bake|Cook|Heat|Have|Has|Had|Another|Last"
    "|Next|First|Other|Both|Exactly|Precisely|This|That|It|They|We|January|February|March|April|May|June"
    "|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
    "|Contains|Total|Price|Revenue|Profit|Population|Age|Height|Weight|Length|Buy|Sell|Pay|Save"
    "|USD|RMB|EUR|GBP|CNY|HKD|JPY|US|HK"
)
_AMOUNT = r"[$¥￥€£]?\d[\d,.]*"
_KEPT = (
    r"```.*?(?:```|\Z)|`[^`\n]+`",  # code
    r"\$\$.*?\$\$|\\\(.*?\\\)|\\\[.*?\\\]",  # formulas
    r"(?:https?://|www\.)[^\s，。；、）)」』”\"'<>]+",
    r"(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+",
    r"\]\([^)\n]*\)|<[^<>\n]{1,80}>",  # targets of links, tags
    r"\[\d{1,3}(?:[,、-]\s?\d{1,3})*\]",  # citations
    r"^[ \t>*•·#-]*[(（]?(?:\d{1,3}|[一二三四五六七八九十]{1,3}|[a-zA-Z])[.)、．）:：](?!\d)(?:\*\*)?",
    rf"(?<![A-Za-z])(?:{_NUMBERED})s?[ \t]*#?\d+(?:\.\d+)*(?:[ \t]?[-–~,&][ \t]?\d+|[ \t]and[ \t]\d+)*",
    rf"(?:{_NUMBERED_ZH})[ \t]?[:：]?[ \t]?[\d一二三四五六七八九十]+(?:[.-]\d+)*",
    rf"第[ \t]?[\d〇零一二三四五六七八九十百千]+[ \t]?(?:{_ORDERED_ZH})",
    r"(?<![A-Za-z0-9_.])[vV]\d+(?:\.\d+)*|(?<![\d.])\d+(?:\.\d+){2,}(?!\d)",  # versions
    r"(?<![\d.])\+?\d{1,4}(?:[-\s]\d{3,4}){2,}(?!\d)|(?<!\d)1[3-9]\d{9}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)",
    r"(?<!\d)\d{1,2}[:：]\d{2}(?:[:：]\d{2})?(?:\s?[AaPp]\.?[Mm]\b\.?)?",  # times of day
    r"(?<![A-Za-z0-9_.])\d{1,2}\s?[AaPp]\.?[Mm]\b\.?",
    r"(?<![\d.])\d+(?:\.\d+)?[ \t]?[:：∶][ \t]?\d+(?:\.\d+)?",  # ratios
    rf"(?<![A-Za-z0-9_.,\-]){_AMOUNT}[ \t]?(?:%|％|万|亿|千|元|年|月|日|岁|天)?"
    rf"[ \t]?[-–—~～−][ \t]?{_AMOUNT}(?!-?\d)",  # ranges
    r"(?<![\d/.])\d+/\d+/\d+(?!\d)",
    r"(?<![A-Za-z_])[A-Za-z_]+[-_.]?\d[A-Za-z0-9_.-]*|(?<!\d)\d+[A-Za-z]+\d[A-Za-z0-9_-]*|#\d+",
    rf"(?<![A-Za-z])(?-i:(?!(?:{_STARTERS}) )[A-Za-z]*[A-Z][A-Za-z]+) \d{{1,3}}(?:\.\d)?"
    r"(?![\d%.,]*[\d%]| (?:%|percent|million|billion))",
    r"[\d(][\d\s.,()%-]{0,60}?(?:[+*×÷^=/]| x )[\d\s.,()+*×÷^=/%x-]{0,80}(?<=[\d)])",  # arithmetic
    r"[=＝<>≤≥≈+×*/^][ \t]?-?\d[\d.,]*(?!\d)|(?<![\d.,])\d[\d.,]*[ \t]?[*×^=+][ \t]?[A-Za-z(]"
    r"|\d\([A-Za-z\d]",
    r"[\[(]-?\d[\d.]*,[ ]?[A-Za-z]",  # intervals
    r"[“\"「][^”\"」\n]{1,4}[”\"」]",  # words that are spoken of
    r"[\"'“‘「]\d+[\"'”’」]",
    r"(?:confidence|置信度|信心)[ \t]?[:：][ \t]?\d[\d.]*",
    r"\{[^{}\n]{0,80}\}|\|[ \t:|-]+\|",  # placeholders, rules of tables
)
_ANY = re.compile("|".join(_KEPT), re.M | re.S | re.I)
_ISO = re.compile(r"(?<![\d-])(?:19|20)\d\d([-/.])\d{2}\1\d{2}(?![\d-])")
_SYMBOL = re.compile(r"(?:US\$|HK\$|RMB|USD|EUR|GBP|CNY|HKD|JPY|FY)[ \t]?\d|Q[1-4]$", re.I)


class Spans:
    """Sorted spans of a text that do not overlap."""

    def __init__(self, spans: list[tuple[int, int]]):
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]

    def touch(self, start: int, end: int) -> bool:
        """Tell whether a stretch shares a character with one of the spans."""
        place = bisect_right(self._starts, start) - 1
        after = place + 1 < len(self._spans) and self._spans[place + 1][0] < end
        return after or (place >= 0 and self._spans[place][1] > start)


def guarded(text: str) -> Spans:
    """Find the parts of a text that no rule may change; dates in digits are none of them."""
    dates = [found.span() for found in _ISO.finditer(text)]
    spans: list[tuple[int, int]] = []
    at = 0
    while found := _ANY.search(text, at):
        date = next((each for each in dates if each[0] <= found.start() and found.end() <= each[1]), None)
        at = max(found.end(), found.start() + 1)
        if date is not None:
            at = max(date[1], found.start() + 1)
        elif _SYMBOL.match(found[0]):
            at = found.start() + 1
            while at < len(text) and text[at].isalpha():
                at += 1
        else:
            spans.append(found.span())
    return Spans(spans)
