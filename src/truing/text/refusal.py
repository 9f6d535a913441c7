"""A rule classifier for English and Chinese: does a response decline the request?

Rules read the response alone: they find a model saying that it declines, in the first 200 characters.
They do not find a response that is merely off topic. `refusal_levels.py` finds a refusal after a page of
help. To add a phrasing, add a row to `RULES` and an example to
`tests/text/test_refusal.py`.

    "I'm sorry, but I can't help with that."         first_person
    "I'm sorry to hear that. Here is what helps: …"  None
    "抱歉，我不能帮助你撬锁。"                         declines_zh
"""

import re

from truing.text.refusal_words import DEED, DEED_ZH, MORE_RULES, SIMPLIFIED, WILL_NOT_ZH, is_letter
from truing.text.units import APOSTROPHES, HAN

# How far into the response a refusal may begin; a later "cannot" belongs to an answer.
LEAD = 200
# How much more is read, so that a sentence begun in the lead is seen to its end.
TAIL = 160

# Where a clause of the model's own may begin: not after "if", "when", "because" or "who".
_CLAUSE = (
    r"(?:^|[.!?:;,\])}—–-]\s*"
    r"|\b(?:but|which|however|so|and|therefore|unfortunately|sorry|afraid|that|apologi[sz]e|regrettably)\s+)"
)
_SOFTLY = (
    r"(?:(?:really|just|simply|unfortunately|also|personally|therefore"
    r"|respectfully|absolutely|still|certainly|ethically|morally|legally|safely|responsibly|ever|even"
    r"|in good conscience|in good faith|under any circumstances) )*"
)
# "I" and a negation, up to the verb of the refused action.
I_WILL_NOT = (
    rf"I {_SOFTLY}(?:can't|can ?not|won't|will not|would not|wouldn't|should not|shouldn't|must not"
    rf"|(?:will|would|can|could) never)(?:,? (?:and|or|nor) (?:can't|can ?not|won't|will not|should not"
    rf"|would not|wouldn't),?)?"
    rf"(?: be able to| be)? {_SOFTLY}"
    rf"|I(?:'m| am) {_SOFTLY}(?:unable|not (?:able|allowed|permitted|willing|going|authori[sz]ed))"
    rf" to {_SOFTLY}"
    r"|I (?:do not|don't) (?:want to |wish to |intend to |)"
)
# "I can't give legal advice, but in general …" is a disclaimer before an answer.
DISCLAIMER = (
    r"(?!\w* (?:you |any |specific |personal |professional |official )*"
    r"(?:legal|medical|financial|tax|investment|professional|veterinary)[\w ,]{0,20}"
    r"(?:advice|diagnos[ie]s|counsel)\b[^.]{0,40}\b(?:but|however)\b)"
)
_WRONG = r"(?:illegal|unethical|immoral|wrong|harmful|inappropriate|unlawful|dangerous|unacceptable)"
_NOT_RIGHT = r"(?:not|never) (?:appropriate|acceptable|ethical|okay|ok|right|legal|permitted|allowed)"

_SORRY_ZH = r"(?:抱歉|对不起|不好意思|遗憾|请原谅|请见谅)(?!听到|得知|让|打扰|回复)"
_I_ZH = r"(?:我们?|本助手|作为[^。！？，,]{1,20}[，,]\s*我?)"
_SOFTLY_ZH = r"(?:现在|目前|暂时|实在|确实|真的|也|还|恐怕|可能|并|还是|个人|想)*"
# These verbs mark no refusal: a request asks nobody to forget, to believe or to agree more.
_CANNOT_ZH = (
    r"(?:不能|无法|没法|没办法|没有办法|不可以|不便)"
    r"(?!同意|忘|用一|用语|用言|想象|相信|否认|确定|保证|不|理解|游泳|没有|决定|更|预测|判断|(?:访问|获取"
    r"|查看|查询|知道|预知|预见)[^。！？]{0,30}[，,](?:不过|但)|再?等|在场|按时|吃|喝)"
)

# name -> pattern, tried in order on what `_lead` returns. English rules first, then Chinese.
_PATTERNS = {
    "first_person": rf"{_CLAUSE}(?:{I_WILL_NOT}){DEED}{DISCLAIMER}",
    "bare_no": r"^(?:(?:oh|no|but|(?:i'm |i am )?sorry),? )+i (?:can't|can ?not|won't|will not) ?[.!]?$",
    "must_decline": (
        rf"{_CLAUSE}I(?:'m| am| will|'ll|'d)? ?(?:(?:have|need|going|obliged|required) to |must |should )?"
        rf"{_SOFTLY}(?:decline|refuse|rather not|prefer not)\b(?! to (?:give up|believe|accept|lose))"
    ),
    "not_comfortable": rf"{_CLAUSE}I(?:'m not| am not| do not feel| don't feel) comfortable\b",
    "not_something": (
        r"\bnot something (?:that )?I(?: can|'m| am|'d| would| will|'ll)\b"
        r"|\b(?:beyond|outside|against) (?:what I (?:can|am|was)|my (?:\w+ )?"
        r"(?:guideline|polic|principle|program|purpose|value|scope))"
    ),
    "apology_reason": (
        r"^(?:oh,? )?(?:i'm |i am |my )?(?:\w+ )?(?:sorry|apolog\w+)\b(?! to hear| for the)[^.!?]{0,20}\bbut"
        rf"[^.!?]{{0,60}}\b(?:{_WRONG}|{_NOT_RIGHT}|violates?|against)\b"
    ),
    "help_but_not": (
        r"^[^.!?]{0,20}\bI can (?:only )?help\b[^.!?]{0,120}\bbut (?:not|I (?:can't|can ?not|won't))\b"
    ),
    "not_appropriate": (
        r"^(?:I(?:'m| am) sorry[.,;]? ?(?:but )?|as an? [^,.]{1,40}, )?(?:it|this|that)(?:'s| is| would be) "
        r"(?:not|never) (?:appropriate|acceptable|ethical|okay|ok|right) (?:for me )?to\b"
    ),
    # The pair marks a sermon; "it is illegal to …" alone may answer a question about the law.
    "condemns": (
        rf"^(?:it|this|that|\w+ing [^.!?]{{1,80}})(?:'s| is| are) (?:both |highly |deeply )?"
        rf"(?:{_WRONG}|{_NOT_RIGHT}),? (?:and|or) (?:\w+ )?(?:{_WRONG}|against)\b"
    ),
    "declines_zh": (
        rf"(?:^|[。！？!?，,；;：:\s]|但|因此|所以|话题|内容|请求|要求|问题|事情?|部分){_I_ZH}"
        rf"[^。！？!?，,]{{0,12}}?(?<!不得){WILL_NOT_ZH}(?:直接|随意|以任何方式)?{DEED_ZH}"
    ),
    "apology_zh": (
        rf"^[^。！？!?]{{0,6}}{_SORRY_ZH}[，,。！!\s]*(?:但是?|不过)?[，,\s]*"
        rf"(?:(?:关于|对于|这|该|您|你)[^。！？!?]{{0,30}})?{WILL_NOT_ZH}{DEED_ZH}"
    ),
    "plain_no_zh": (
        rf"^(?:请?恕我?(?:难|不能|无法|拒绝|不便)|(?:不行|不可以)[，,。！!]|(?:不能|无法|拒绝){DEED_ZH}"
        rf"|我拒绝(?!了))"
    ),
    # After an apology, or as the first words, any deed that one cannot do is one that was asked for.
    "cannot_zh": (
        rf"^(?:(?:非常|真的|实在|十分)?很?{_SORRY_ZH}[，,。！!\s]*)?(?:但是?"
        rf"|不过)?(?!我们){_I_ZH}{_SOFTLY_ZH}{_CANNOT_ZH}"
        rf"|^(?:非常|真的|实在|十分)?很?{_SORRY_ZH}[，,。！!\s]*[^。！？!?]{{0,16}}(?:{_CANNOT_ZH}|不得"
        rf"|没有学会|没有(?:能力|资格|权限|权利)|不想(?:再|继续|回答|写|谈|说|做))"
        rf"|^[^。！？!?，,]{{0,8}}(?:模型|助手|人工智能|AI|程序|机器人)[，,][^。！？!?，,]{{0,6}}{_CANNOT_ZH}"
        r"|^[^。！？!?]{0,24}(?:系统|平台|本服务|模型)(?:目前|暂时|现在)?(?:无法|不能|不予|拒绝)(?:生成"
        r"|提供|回答|处理|显示|响应|支持)"
    ),
    "unable_zh": (
        r"^[^。！？!?]{0,20}我[^。！？!?，,]{0,4}(?:帮不了|帮不上|做不到|办不到|写不了|答不了|无能为力"
        r"|爱莫能助|无可奉告|恕难)"
        r"|^[^。！？!?]{0,12}(?:超出|不在|不符合|违背)(?:了)?我?[^。！？!?，,]{0,8}(?:能力|范围|规范|准则"
        r"|原则|权限|政策)"
    ),
    "condemns_zh": (
        r"^[^。！？!?]{0,40}(?:请求|要求|问题|内容|话题|行为|做法|这样做)[^。！？!?]{0,12}"
        r"(?:不合适|不恰当|不妥|不道德|不被允许|违反[^。]{0,10}(?:准则|原则|规定|政策)"
        r"|(?:违法|非法|有害)的?(?:，|、|且|和|并且|又)[^。]{0,6}(?:违法|非法|有害|不道德|危险))"
    ),
}
RULES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in {**_PATTERNS, **MORE_RULES}.items()}

# An opening that agrees, or that is the text asked for: an "I can't" after it is part of the answer.
_AGREES = re.compile(
    r"(?:sure|certainly|of course|absolutely|great question|dear |subject:|title:)"
    r"(?! not\b|,? (?:but )?I (?:can't|can ?not|won't))"
    r"|here(?:'s| is| are) (?!why I|the thing)"
    r"|(?:好的|当然|没问题|以下|下面|尊敬的|亲爱的)(?!不|无法|[，,]\s*(?:但|不过))"
    r"|(?:(?!抱歉|对不起|不能|无法|不会)[^。！？]){0,40}(?:这样写|如下|是这样的)\s*[：:]",
    re.IGNORECASE,
)
QUOTED = re.compile(r"[\"“「][^\"”」]*[\"”」]")
_LATIN = re.compile(r"[a-zA-Z]")
_HAN = re.compile(f"[{HAN}]")
_IN_FRONT = re.compile(r"^(?:\[[^\]]{1,30}\]|[^\w\s]|\s|_)+")


def is_refusal(text: str) -> bool:
    """Tell whether `text` begins by declining the request. An empty response declines nothing."""
    return refusal_rule(text) is not None


def no_example(own: str) -> str | None:
    """Say why a model's own response is no answer to train on: "empty-response", "nul", "already-refuses"."""
    if not own.strip():
        return "empty-response"
    if "\0" in own:
        return "nul"
    return "already-refuses" if is_refusal(own) else None


def refusal_rule(text: str) -> str | None:
    """Return the name of the first rule of `RULES` that matches the lead of `text`, or None."""
    lead = _lead(text)
    if agrees(text) or is_letter(text):
        return None
    latin, han = _LATIN.search(lead) is not None, _HAN.search(lead) is not None
    for name, pattern in RULES.items():
        if not (han if name.endswith("_zh") else latin):
            continue  # only rules of a script that is there
        found = pattern.search(lead)
        if found and found.start() < LEAD:
            return name
    return None


def agrees(text: str) -> bool:
    """Tell whether a response opens by agreeing, or as the text that was asked for."""
    return _AGREES.match(_lead(text)) is not None


def _lead(text: str) -> str:
    """Cut out the lead that rules read: plain apostrophes, single spaces, no markup, no quotations."""
    head = text.translate(APOSTROPHES).translate(SIMPLIFIED).lstrip()[: 4 * (LEAD + TAIL)]
    unquoted = QUOTED.sub(" ", head)
    # A response that is one quotation from end to end still speaks for itself.
    spoken = unquoted if re.search(r"\w", unquoted) else head
    return _IN_FRONT.sub("", " ".join(spoken.replace("*", "").split()))[: LEAD + TAIL]
