"""Rules that put one thing in another's place: a direction turned, a name for another of its kind."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from truing.text.negatives.passages import Alteration, Draw, Edit, Passage

# Words that contradict each other, in the same form. Each row works in both directions.
_OPPOSITES_EN = (
    "increase/decrease increases/decreases increased/decreased increasing/decreasing rise/fall "
    "rises/falls rose/fell risen/fallen rising/falling highest/lowest above/below north/south "
    "northern/southern east/west eastern/western upward/downward upwards/downwards maximum/minimum "
    "largest/smallest biggest/smallest profit/loss profits/losses gained/lost inflow/outflow "
    "inflows/outflows bullish/bearish import/export imports/exports imported/exported "
    "majority/minority oldest/newest fastest/slowest strongest/weakest longest/shortest "
    "tallest/shortest hottest/coldest earliest/latest accelerated/slowed overweight/underweight "
    "expanded/shrank buyer/seller buyers/sellers tightened/loosened upgraded/downgraded "
    "ascending/descending northeast/southwest northwest/southeast"
)
# Comparatives contradict each other before "than"; "lower vertebrates" compares nothing.
_COMPARATIVES = (
    "higher/lower warmer/colder faster/slower stronger/weaker longer/shorter larger/smaller "
    "bigger/smaller heavier/lighter older/younger more/less earlier/later better/worse"
)
_OPPOSITES_ZH = (
    "上涨/下跌 上升/下降 增长/下滑 增加/减少 提高/降低 提升/降低 盈利/亏损 买入/卖出 流入/流出 "
    "高于/低于 多于/少于 大于/小于 优于/劣于 早于/晚于 最大/最小 最高/最低 最多/最少 最早/最晚 "
    "最长/最短 最快/最慢 最强/最弱 东部/西部 南部/北部 东北/西南 东南/西北 左侧/右侧 左边/右边 "
    "上半年/下半年 上调/下调 升值/贬值 加速/放缓 扩大/缩小 牛市/熊市 进口/出口 顺差/逆差 盈余/赤字 "
    "增持/减持 看多/看空 利好/利空 升高/降低 净流入/净流出 涨幅/跌幅 回升/回落 走强/走弱 高估/低估 "
    "宽松/紧缩 加息/降息 同比增长/同比下降 环比增长/环比下降 增强/减弱 变大/变小 加快/减慢 "
    "高出/低出"
)
# Things of one kind, of which one may stand for another.
_KINDS = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "China Japan Germany France India Brazil Canada Russia Italy Spain Mexico Australia Egypt "
    "Turkey Poland Sweden Norway Vietnam Thailand Indonesia Argentina Greece Portugal Nigeria "
    "Kenya",
    "Chinese Japanese German French Indian Brazilian Canadian Russian Italian Spanish Mexican "
    "Australian Egyptian",
    "Beijing Shanghai London Paris Tokyo Berlin Madrid Rome Moscow Sydney Toronto Chicago Boston "
    "Mumbai Seoul",
    "Asia Europe Africa Antarctica Oceania",
    "中国 美国 日本 德国 法国 英国 印度 巴西 加拿大 俄罗斯 意大利 西班牙 墨西哥 澳大利亚 埃及 "
    "土耳其 波兰 瑞典 韩国 泰国 越南 希腊",
    "北京 上海 广州 深圳 天津 重庆 杭州 南京 武汉 成都 西安 苏州 青岛 长沙 郑州 伦敦 巴黎 东京 "
    "纽约 柏林 莫斯科 罗马",
    "亚洲 欧洲 非洲 南美洲 北美洲 大洋洲",
    "周一 周二 周三 周四 周五 周六 周日",
    "星期一 星期二 星期三 星期四 星期五 星期六 星期日",
)
_HAN_NAME = (
    r"(?:(?<![\u4e00-\u9fff])|(?<=[的是在了和与及为有以于对从到等由让被把向]))(?![我你您他她它该本这那各某一两每其贵])(?:(?![的是在了和与及为有以于对从到等成将被把让使由])[\u4e00-\u9fff]){2,10}?"
    r"(?:股份有限公司|有限责任公司|有限公司|集团|银行|证券|保险公司|大学|学院|医院|研究院|研究所|基金会|交易所|出版社)"
)
_NAMES = (
    re.compile(r"《[^《》\n]{1,30}》"),
    re.compile(_HAN_NAME),
    re.compile(
        r"(?<![A-Za-z])(?:[A-Z][\w&'’-]*\s){1,4}(?:Inc|Corp|Corporation|Company|Bank|University|Group|Fund|Institute"
        r"|Foundation|Holdings|Partners|Museum|Hospital|College|Association|Ltd|LLC|plc)\b"
    ),
)
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.I)


def _pairs(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in written.split():
        one, other = pair.split("/")
        found.setdefault(one, other)
        found.setdefault(other, one)
    return found


_COMPARED = _pairs(_COMPARATIVES)
_OF_THINGS = {"loss", "losses"}  # of land or of sleep, which no profit is
_OPPOSITES = {**_pairs(_OPPOSITES_EN), **_pairs(_OPPOSITES_ZH), **_COMPARED}


def _either(words: Iterable[str]) -> re.Pattern[str]:
    ordered = sorted(words, key=len, reverse=True)
    latin = "|".join(word for word in ordered if word.isascii())
    han = "|".join(word for word in ordered if not word.isascii())
    # "south" in "South Korea" is a name; a hyphen makes another word.
    return re.compile(rf"(?<![\w-])(?:{latin})(?![\w-])|{han}")


_TURNS = _either(_OPPOSITES)
_KIND_OF = {name: kind for row in _KINDS for kind in [row.split()] for name in kind}
_LISTED = _either(_KIND_OF)


def directions(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Turn a direction or a comparison: 上涨 to 下跌, rose to fell, above to below."""
    for found in passage.matches(_TURNS):
        old = found[0]
        clause = passage.clause(found.start())
        new = _OPPOSITES[old]
        rest = passage.text[found.end() : found.end() + 20]
        if old in _OF_THINGS and rest.startswith(" of "):
            continue
        compares = rest.startswith(" than") and not rest.startswith(" than or ")
        if (old in _COMPARED and not compares) or new in clause or _opposed(clause, old):
            continue
        yield Alteration("directions", (_with_article(passage.text, found.start(), old, new),))


def _opposed(clause: str, old: str) -> bool:
    """Tell whether a clause holds another direction: "rise or fall" says nothing when both are turned."""
    return sum(1 for found in _TURNS.finditer(clause) if found[0] != old) > 0


def _with_article(text: str, start: int, old: str, new: str) -> Edit:
    """Make an edit that also mends "a" or "an" before the word."""
    article = _ARTICLE.search(text[:start])
    if article is None or (old[0] in "aeio") == (new[0] in "aeio"):
        return Edit(start, start + len(old), old, new)
    mended = ("an" if new[0] in "aeio" else "a") + article[2]
    if article[1][0].isupper():
        mended = mended.capitalize()
    at = article.start()
    return Edit(at, start + len(old), text[at:start] + old, mended + new)


def entities(passage: Passage, draw: Draw) -> Iterator[Alteration]:
    """Put a name for another of its kind, everywhere: weekdays, countries, cities, and named organisations.

    Names that no list holds come from the prompt, and from the names given of other rows.
    """
    for name in dict.fromkeys(found[0] for found in passage.matches(_LISTED)):
        stated = passage.text + passage.prompt
        kind = [other for other in _KIND_OF[name] if other not in stated]
        if kind:
            yield from _renamed(passage, name, draw.at(passage, "entities", name).choice(kind), _LISTED)
    for pattern in _NAMES:
        said = list(dict.fromkeys(found[0] for found in passage.matches(pattern)))
        known = chain(passage.names, (found[0] for found in pattern.finditer(passage.prompt)))
        others = [
            name
            for name in dict.fromkeys(known)
            if name not in passage.text and pattern.fullmatch(name) and _ending(name) in map(_ending, said)
        ]
        for name in said:
            alike = [other for other in others if _ending(other) == _ending(name) and name not in other]
            if alike:
                new = draw.at(passage, "entities", name).choice(alike)
                yield from _renamed(passage, name, new, re.compile(re.escape(name)))


def _ending(name: str) -> str:
    """Return what tells the kind of a named thing: 银行, University."""
    return name.rpartition(" ")[2] if name.isascii() else name[-2:] if name[-1] != "》" else "》"


def _renamed(passage: Passage, name: str, new: str, pattern: re.Pattern[str]) -> Iterator[Alteration]:
    places = [found for found in pattern.finditer(passage.text) if found[0] == name]
    if not all(passage.free(*found.span()) for found in places):
        return
    yield Alteration(
        "entities", tuple(_with_article(passage.text, found.start(), name, new) for found in places)
    )


def names_in(text: str) -> Iterator[str]:
    """Yield the named organisations and works of a text, which may stand for those of other rows."""
    for pattern in _NAMES:
        yield from (found[0] for found in pattern.finditer(text))
