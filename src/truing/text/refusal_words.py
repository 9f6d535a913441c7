"""Words of refusals, for the rules of `refusal.py`: deeds that are declined, and settled phrasings.

`refusal.py` reads who declines what ("I can't help with that"). The rules here find phrasings that name no
deed ("That's off the table", "Request denied", "换个话题吧"), or that speak of rules ("My guidelines prevent
…"). To add one, add it to a pattern below and an example to `tests/text/test_refusal.py`.
"""

import re

# What a model declines to do. "I can't help but smile" and "I don't recommend it" decline nothing.
DEED = (
    r"(?:help(?! but\b| (?:feel|think|wonder|notic|laugh|smil|fall|lov)ing\b)"
    r"|tell\b(?! if\b| whether\b| which\b| from\b| you how (?!to\b))|say (?:that|this|it)\b"
    r"|do(?:ing)? (?:that|this|it|so|anything of)\b|go (?:there|along|into that|down that)\b|walk you\b"
    r"|disclos|reveal (?!ing)|speculat|elaborat|craft|supply|reproduc|advocat|impersonat|simulat|act as\b"
    r"|detail\b|outline\b|touch (?:that|this)\b|talk about\b|speak (?:about|on)\b|weigh in\b|be a part of\b"
    r"|walk through\b|oblige\b|be part of\b|indulge|lend (?:a hand|myself)\b|abet\b|go through (?:that|this"
    r"|it)\b"
    r"|joke about\b|mock\b|insult\b|comment on\b|turn (?:that|this) into\b|let you\b|take (?:on|up) that\b"
    r"|(?:recommend|advise|suggest)(?! (?:it|this|that|doing|trying)\b|[^.]{0,40}\benough\b)"
    r"|assist|aid|provid|comply|complete|fulfil|support|writ(?:e|ing)\b"
    r"|creat|generat|giv(?:e|ing)\b|shar(?:e|ing)\b|offer|engag|discuss|answer|respond|continu|participat"
    r"|explain|describ|teach|show|produc|encourag|promot|condon|endors|facilitat|accommodat|satisfy|grant"
    r"|guide|instruct|play along|role-?play|pretend|take part|be part|go along|draft|compose"
    r"|list|make|plan|design|develop|process|proceed|entertain|honou?r|meet (?:that|this|your)|carry out"
    r"|perform|translate|spread|repeat)"
)
WILL_NOT_ZH = (
    r"(?:不能|无法|不会|没法|没办法|没有办法|不可以|不愿意?|不便|不应该?|不可能|不予|难以|拒绝"
    r"|不(?:太|大)?方便)"
)
DEED_ZH = (
    r"(?:再|继续|在此|按照?|根据|以任何|替|代|为|给|向|对|就|帮|协助|满足|提供|支持|回答|解答|生成|编写"
    r"|撰写|写"
    r"|告诉|教|讨论|分享|参与|创作|描述|描写|遵从|执行|完成|答应|扮演|制作|编造|传播|处理|说明|介绍|鼓励|推荐"
    r"|配合|接受|这么做|那么做|如此|说(?:这|那|出)|这样?做|照做|照[你您这]|评价|评论|翻译|透露|泄露|谈|讲"
    r"|聊|发表|给出|输出|细说|多说|展开|编|伪造|这个|该请求|此请求|你的|您的)"
)

# Traditional characters of a refusal, for rules that are written in simplified ones.
SIMPLIFIED = str.maketrans(
    "無會請協幫對內這個問題違寫說為們應該滿繼續討論參與話傷隱尋專業撥熱線須絕範圍關於實難從權給訴讓過還沒"
    "辦願來時樣種類聽語譯編製導謝覺遺當變換點講談選擇認贊歉據規則結顯強調觸誤產負責謠擾現處讀聊涉獲",
    "无会请协帮对内这个问题违写说为们应该满继续讨论参与话伤隐寻专业拨热线须绝范围关于实难从权给诉让过还没"
    "办愿来时样种类听语译编制导谢觉遗当变换点讲谈选择认赞歉据规则结显强调触误产负责谣扰现处读聊涉获",
)

# A letter in another person's name may decline; the response that holds it does what was asked.
_LETTER = re.compile(
    r"^\s*(?:dear (?!user)|subject:|尊敬的(?!用户)|亲爱的(?!用户))|此致|敬礼|特此|敬上|\b(?:sincerely"
    r"|(?:best|kind|warm) (?:regards|wishes)|yours (?:truly|faithfully))\b",
    re.IGNORECASE,
)

_LETTER_BELOW = re.compile(r"\S.*\n\s*(?:dear |subject:|尊敬的|亲爱的)", re.IGNORECASE | re.DOTALL)


def is_letter(text: str) -> bool:
    """Tell whether a response is a letter or mail as a whole; words before one are the model's own."""
    return _LETTER.search(text) is not None and _LETTER_BELOW.search(text) is None


# "I don't have access to the news, but the usual way is …" helps all the same.
_NO_BUT = r"(?![^.!?]{0,160}\b(?:but|however|though)\b)"
_NO_BUT_ZH = r"(?![^。！？]{0,80}(?:不过|但是?|可以))"
_RULES = (
    r"(?:guidelines?|polic(?:y|ies)|principles?|rules?|standards?|terms of (?:use|service)|programming"
    r"|values|ethics|training|design|safeguards|safety (?:settings|measures|protocols?)|instructions)"
)
_ASKED_ZH = r"(?:请求|要求|问题|提问|内容|话题|输入|对话|信息|指令|服务)"

_ENGLISH = {
    "kind_of_request": (
        r"\b(?:isn't|not) (?:a|an|the|one|something|anything)\b[^.!?]{0,40}?\b(?:that |which )?I"
        rf"(?:'m| am|'d| would| will|'ll| can| could)\b[^.!?]{{0,30}}\b{DEED}"
        r"|\b(?:isn't|not) something (?:that )?I(?:'m| am|'d| would| will|'ll| can| could)\b"
        rf"|\b(?:something|one|an? \w+|kind of \w+) (?:that |which )?I(?: can't| can ?not| won't| will not"
        rf"|'m not"
        rf"| am not| don't| do not) (?:be |going to |willing to |able to )?{DEED}"
        r"|\b(?:something|one) (?:that |which )?I (?:have|need) to (?:decline|refuse|turn down)\b"
        r"|\b(?:beyond|outside|past) (?:of )?what I(?:'m| am| can| will| could| do)\b"
    ),
    "whole_no": (
        r"^(?:(?:oh|no|but|so|well|sorry|thanks|and),? )*(?:I(?:'m| am) (?:unable|not able|not going"
        r"|not willing) to"
        r"|I (?:can't|can ?not|won't|will not)) ?(?:[.!;]|$)"
        r"|\b(?:so|but|and|therefore),? I (?:simply |just )?(?:can't|can ?not|won't|will not) ?(?:[.!;]"
        r"|$)"
    ),
    "curt": (
        r"^(?:sorry[,.] )?(?:request|access|query|task) (?:has been |is |was )?(?:denied|refused"
        r"|rejected|declined"
        r"|blocked)\.?$|^(?:sorry[,.] )?(?:unable|not able|not allowed|not permitted|cannot|can't"
        r"|can not|won't"
        r"|will not|refusing|declining)(?: to)? (?:comply|fulfil|assist|help with|process (?:this|that"
        r"|your)"
        r"|complete (?:this|that|your|the)|answer (?:this|that|your)|provide (?:this|that|such"
        r"|instructions|information)"
        r"|do (?:this|that)|respond to (?:this|that|your)|generate (?:this|that|such)|discuss)"
    ),
    "bound_by_rules": (
        rf"\b(?:my|our) (?:\w+ ){{0,2}}{_RULES}\b[^.!?]{{0,30}}\b(?:prevent|prohibit|forbid|preclude"
        rf"|restrict"
        r"|stop|keep|(?:do not|don't|does not|doesn't|won't) (?:allow|permit|let))"
        rf"|\b(?:violat\w+|against|conflicts? with|contrary to|breach\w*|not in line with"
        rf"|inconsistent with"
        rf"|not allowed (?:by|under)|disallowed by|outside) (?:[^.!?]{{0,20}}\b)?(?:my|our|openai's"
        rf"|(?:the )?(?:content|usage|safety|community|platform(?:'s)?)) ?(?:\w+ ){{0,2}}{_RULES}\b"
        rf"|\bagainst (?:the |all )?{_RULES} (?:that )?I\b"
        r"|\bI(?:'m| am| was|'ve been| have been) (?:\w+ly )?(?:prohibited|barred|forbidden|restricted"
        r"|prevented"
        r"|blocked) from\b|\bI(?:'m| am| was) (?:programmed|designed|built|trained|made|instructed"
        r"|required) "
        r"(?:not to|never to|to (?:avoid|refuse|decline|not))\b"
        r"|\bI(?:'m| am| was|'ve not been| have not been) not (?:\w+ly )?(?:programmed|designed|built"
        r"|trained|meant"
        r"|made|in a position|at liberty|equipped|prepared|inclined|set up|supposed|about|here"
        r"|comfortable|ready)"
        rf" (?:to|with|for) (?!judge|lecture){DEED}"
    ),
    "filtered": (
        r"^[^.!?]{0,30}\b(?:response|prompt|request|content|message|output|conversation"
        r"|query)\b[^.!?]{0,40}"
        r"\b(?:filtered|blocked|flagged|rejected|refused|denied|removed|withheld|redacted"
        r"|not (?:be )?(?:shown"
        r"|displayed|processed)|cannot be (?:shown|displayed|processed|completed"
        r"|fulfilled))\b[^.!?]{0,80}"
        r"\b(?:polic\w+|safety|filter\w*|violat\w+|guideline\w*|moderation|inappropriate|unsafe|harmful"
        r"|sensitive)"
    ),
    "no_intention": (
        r"\bI (?:have no (?:intention|plans?|wish|desire|interest)|(?:do not|don't) (?:intend|plan|wish"
        r"|care)) "
        r"(?:of|to|in)\b|\b(?:there(?:'s| is)|in) no way (?:that )?(?:I|am I|will I)\b"
        r"|\bunder no circumstances (?:will|would|can|should|am) I\b|\b(?:nor|neither) (?:will|can"
        r"|would) I\b"
        r"|\b(?:I(?:'ll| will| need| have| must|'m going|'m afraid I(?:'ll| have)?"
        r"| am going)[^.!?]{0,24}"
        r"|one I (?:need|have) to )\b"
        r"(?:pass on (?:this|that)|turn (?:this|that|it|you) down|turn down\b|stop (?:here|there"
        r"|you (?:here|there))"
        r"|draw (?:the|a) line|skip (?:this|that)|sit this (?:one )?out|say no\b|leave it (?:there"
        r"|at that))"
    ),
    "not_right_for_me": (
        r"\bI (?:don't|do not) (?:think|believe|feel)(?: that)? (?:I (?:should|can|could|ought|want)"
        r"|it(?:'s| is| would be) \w+ for me|(?:that|this)(?:'s| is| would be) (?:something|a request"
        r"|a topic|right"
        r"|appropriate|ethical)|right (?:about )?(?:writing|doing|helping|giving|sharing|saying"
        r"|answering|creating))"
        r"|\bit would(?:n't| not)? be (?:\w+ly )?\w+(?: of| for) me to\b"
        r"|(?:^|[.!?:;] |, )(?:generating|creating|writing|providing|producing|sharing|giving"
        r"|explaining|offering"
        r"|helping|assisting|answering|discussing|describing|promoting)\b[^.!?]{0,70}(?:\bis|\bare"
        r"|\bwould|n't)\b"
        r"[^.!?]{0,12}\b(?:possible for me|something I|something that I|irresponsible|unethical"
        r"|not appropriate"
        r"|not acceptable|not responsible|out of the question|off[- ]limits|a line)"
    ),
    "another_subject": (
        r"^(?:[^.!?]{0,40}[,.;] )?(?:let's|let us|can we|could we|shall we|I'd (?:rather|prefer)|I would "
        r"(?:rather|prefer)|maybe we|perhaps we|I think we|how about we"
        r"|we should)\b[^.!?]{0,30}\b(?:about something"
        r" else|change the (?:subject|topic)|something (?:else|different|more (?:positive|constructive))"
        r"|a different (?:topic|subject)|not (?:go there|do that)|go (?:there|down that)|didn't"
        r"|(?:this|it|things) (?:respectful|civil|kind|safe|positive)|steer (?:this|clear|away|the))"
    ),
    "settled_no": (
        r"\b(?:my|the) answer (?:\w+ ){0,4}?(?:is|be|stays|remains)\b[^.!?]{0,14}\bno\b|\bhard pass\b"
        r"|\bcount me out\b|\bwhere I (?:stop|draw)\b|\boff[- ]limits for me\b"
        r"|\bI(?:'ll)? pass[.!]"
        r"|\b(?:look|search|ask|find (?:it|that)) (?:for (?:it|that|this) )?(?:elsewhere|somewhere else"
        r"|someone else)\b"
        r"|\bnot the right (?:tool|assistant|place|source|one|resource|person)\b"
        r"|\bdoing you a disservice\b"
        r"|\bI(?:'m| am|'ve| have|'d)? (?:choos\w+|chose|opt\w*|elect\w*|decided) not to\b"
        r"|\bI(?:'m|'ll|'d)? (?:\w+ ){0,3}(?:refrain"
        r"|abstain|steer clear|stay away) (?:from|of)\b|\b(?:crosses|crossing|over) (?:a|the|that"
        r"|my) (?:\w+ )?line\b"
        r"|\b(?:doesn't|does not) (?:extend to|include|cover|stretch to)\b[^.!?]{0,60}[.!]"
        r"|\bleave (?:this|that|it) (?:one )?(?:unanswered|alone)\b|^[^.!?]{0,12}(?:sorry"
        r"|afraid)\b[^.!?]{0,12}[,.!] ?"
        r"(?:but )?(?:that|this|it)(?:'s| is| isn't| will)(?: not)? (?:im)?possible\b"
        r"|\bdon't ask me (?:to|for|about|that)\b"
        r"|\bbest (?:that|if) we (?:don't|do not|not|avoid)\b|\bwe (?:shouldn't|should not"
        r"|won't) (?:discuss|talk|go)"
        r"|\b(?:not|isn't) an? (?:topic|subject|thing|area|question|request|matter|task) (?:that "
        r"|which )?I\b"
        r"|\bwith limits, and this is\b|\bno (?:instructions|details|help|answer"
        r"|advice)[^.!?]{0,20} from me\b"
    ),
    "off_the_table": (
        r"^[^.!?]{0,40}\b(?:that(?:'s| is)|this is|it(?:'s| is))[^.!?]{0,14}\b(?:off the table"
        r"|off[- ]limits"
        r"|an? (?:\w+ )?no (?:from|for) me|a (?:hard|firm|clear|definite) no\b|out of the question"
        r"|not happening"
        r"|not going to happen|a line I|where I draw|a place I)"
    ),
    "and_will_not": (
        rf"^[^.!?]{{0,40}}\bI\b[^.!?]{{0,90}}\b(?:and|so|nor|but) (?:therefore |thus |so |also "
        rf"|I )?(?:will not|won't"
        rf"|can ?not|can't|do not|don't|must not) {DEED}"
    ),
    "only_within": (
        r"^(?:[^.!?]{0,40}[,.] )?(?:but )?I(?:'m| am)? (?:can only|only able to|only) (?:answer"
        r"|help with|discuss"
        r"|assist with|respond to|provide|talk about) [^.!?]{0,60}\b(?:about|related|relating|within"
        r"|that are|on)\b"
    ),
    "others_will_not": (
        r"^(?:[^.!?]{0,24}[,.] )?(?:(?:sorry|but|unfortunately),? )*(?:we|this (?:assistant|model"
        r"|system|service|chatbot"
        r"|ai)|the (?:assistant|model)) (?:can't|can ?not|(?:is|are) (?:unable|not able|not allowed) to"
        r"|do(?:es)? not"
        r"|do(?:es)?n't|won't|will not) (?:assist|help|provide (?:assist|information|instructions|such"
        r"|this|that|guidance)"
        r"|fulfil|comply|support (?:this|that|such|requests)|answer (?:such|this|that)|engage|discuss"
        r"|generate|write)"
    ),
    "has_no_means": (
        r"^[^.!?]{0,80}?\bI (?:do not|don't|lack) (?:currently |actually )?(?:have )?(?:the |any )?"
        rf"(?:ability|capability|capacity|means|permission|authority|access)\b{_NO_BUT}"
    ),
}
_CHINESE = {
    "and_will_not_zh": (
        r"^[^。！？]{0,12}(?:我(?!们)|作为|本助手)[^。！？]{0,50}[，,；;](?:因此|所以|故|故而|也|并|而"
        r"|且|就|便|但|同时|更)*"
        rf"我?(?:是|也|绝|坚决|绝对)?{WILL_NOT_ZH}{DEED_ZH}"
    ),
    "subject_will_not_zh": (
        rf"^[^。！？]{{0,30}}{_ASKED_ZH}[^。！？]{{0,20}}[，,](?:暂时|目前|现在|因此|所以|故|我|恕|也"
        rf"|抱歉|并)*"
        rf"(?:无法|不能|不便|不予|难以|不会){DEED_ZH}"
        r"|(?:这个?忙|这件?事|这种事?|这类事?|这样的[^。！？，,]{1,4}"
        r"|这个?)[^。！？，,]{0,6}我[^。！？，,]{0,3}"
        r"(?:不能|无法|没法|不会|不可能|不)(?:帮|做|答应|干|写|说|回答|讲|碰|参与)"
    ),
    "unable_more_zh": (
        r"^[^。！？!?]{0,24}我[^。！？!?，,]{0,4}(?:帮|做|办|写|答|讲|说|给|教|编|干|接|满足)(?:不了"
        r"|不上|不来|不到)(?!多少)"
        r"|我(?:选择|决定|宁愿|倾向于|更愿意|打算|必须|只能|还是)?(?:不(?:予|再|想|打算|愿|便)?)(?:回答"
        r"|作答|置评|参与|谈论|讨论"
        r"|协助|配合|提供)(?:这|该|此|任何|您|你|类似|相关|[。！]|$)"
        rf"|^[^。！？]{{0,30}}我(?:并|也|可)?没有(?:权限|权利|资格){_NO_BUT_ZH}"
    ),
    "another_subject_zh": (
        r"^(?:[^。！？]{0,16}[，,。！])?(?:不如|还是|要不)?(?:我们|咱们)?(?:还是"
        r"|不如)?(?:换[个一]个?话题|聊[点些聊]别的|谈[点些]别的"
        r"|说[点些]别的|聊[点些][^。！？，,]{0,6}其他)[^。！？，,的]{0,4}(?:吧|好吗|怎么样|好不好)"
    ),
    "filtered_zh": (
        r"^(?:该|此|本|相关|部分|当前|抱歉，?该)[^。！？，,]{0,10}(?:无法|不能|不予|未予)(?:显示|展示"
        r"|回答|处理|提供|生成)[。！]?"
        r"(?:$|[^是因])"
        rf"|^[^。！？]{{0,10}}{_ASKED_ZH}[^。！？]{{0,12}}(?:违规|敏感|不当|不合规|违反"
        rf"|不符合)[^。！？]{{0,20}}(?:拦截|屏蔽"
        r"|拒绝|过滤|重新输入|无法|终止|换一?个|不予|修改后)"
        r"|^(?:根据|按照|依据)[^。！？]{0,24}(?:法律|法规|政策|规定|规范"
        r"|准则)[^。！？]{0,24}(?:未予显示|无法(?:显示|提供|回答|展示|讨论|协助|生成)"
        r"|不能(?:显示|提供|回答|展示|讨论|协助|生成)|不予(?:显示|提供|回答|展示))"
        r"|^(?:您?的?请求|访问|对话)?(?:已经?)?被?(?:拒绝|终止|拦截)[。！]?$"
    ),
    "settled_no_zh": (
        r"^(?:抱歉|对不起|不好意思)[，,。！]?(?:这个|这|那|这样|这件事)?(?:真的|实在|可)?(?:不行|不可以"
        r"|不能|没办法|办不到)[，,。！]"
        r"|(?:这|此|该)(?:类|种|样的?|个)?(?:请求|要求|内容|消息|问题|信息|话题"
        r"|事情?)[^。！？，,]{0,4}我[^。！？，,]{0,4}"
        r"(?:说不|不(?!知|清楚|确定|太?懂|记得|明白|了解|会忘|太))"
        r"|我(?:无权|坚持不|一概不|绝不|从不|得拒绝|要拒绝|已拒绝|已经拒绝)(?!放弃)"
        r"|(?:职责|任务|目的|宗旨|范围)[^。！？]{0,24}(?:不在其中|不包括|不包含|除外)"
        r"|^恕不|^[^。！？]{0,16}(?:保持沉默|无可奉告)|我的(?:回答|答案"
        r"|答复)(?:只能)?是[^。！？]{0,4}(?:不|否|拒绝)"
        r"|^[^。！？，,]{0,10}我(?!们)[^。！？，,]{0,6}(?:不能|无法|不会|没法|不便|不想|不愿意?)(?:教"
        r"|帮|告诉|给|替|为)到?[你您]"
        r"|(?:不方便|不便|不宜|不适合|不适宜)(?:透露|说明|回答|讨论|提供|多说|奉告|作答|展开|谈论|评论"
        r"|介绍|公开)"
        r"|^[^。！？]{0,10}暂不(?:支持|提供|回答|开放)|别问我|不要问我|请(?:您|你)?(?:遵守"
        r"|文明(?:提问|用语|上网))"
        r"|我(?!们)[^。！？，,]{0,4}(?:必须|只能|选择|会|要|有义务|有责任|需要"
        r"|应当)[^。！？，,]{0,4}(?:拒绝|回绝|谢绝)(?!了)"
        r"|^[^。！？]{0,16}(?:无法|不能|不予|不便)(?:作答|回应|答复|解答|给出答案)"
    ),
    "only_within_zh": (
        r"^[^。！？]{0,20}我(?:们)?(?:只能|仅能|只)(?:回答|提供|讨论|处理"
        r"|协助)[^。！？]{0,12}(?:有关|相关|范围)"
    ),
    "urges_zh": (
        r"^[^。！？]{0,24}(?:请勿|切勿|请不要)(?:尝试|从事|模仿|进行|以身试法|触碰|实施)|"
        r"^(?:[^。！？]{0,20}[，,])?请(?:你|您)?(?:千万)?(?:不要|别)(?:这样做|这么做|这样|尝试这|伤害"
        r"|做这种)"
        r"|^(?:你|您)?(?:不可以|不能|不应该)(?:这样做|这么做)"
        r"|^(?:不|不行|绝不|绝对不(?:行|会|可以))[，,。！]\s*我"
    ),
}
MORE_RULES = {**_ENGLISH, **_CHINESE}  # name -> pattern
