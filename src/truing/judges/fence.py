"""A fence around judged text, made of lines that the text cannot contain: to the judge the text is data.

    <<4c1a90f27be6d385 user>>
    Why is the sky blue?
    <<4c1a90f27be6d385 end>>

The mark is a hash of the text between the lines. No text can contain its own hash, and the same text always
gets the same mark, so that a question asked again is the same question. Markup that servers turn into control
tokens is broken up by a character of no width; the judge can still read it. `KINDS` are the shapes of such
markup, `WORDS` those that look like other text. To break further tokens, add a shape that no prose has.
"""

import hashlib
import json
import re
from collections.abc import Sequence

GAP = "\u200b"  # zero width space
# Markup by its kind: families give their tokens new names every few months, and few new shapes.
KINDS = (
    r"</?[|｜](?:[^<>\n]{0,64}[|｜]|[^\s<>]{1,64})>",  # <|im_start|> <｜User｜> <|turn>
    r"<[^\s<>|｜\u200b]{1,64}[|｜]>",  # <turn|>
    r"</?(?:\w+:)?\w{0,64}_\w{0,64}>",  # <tool_call> <end_of_turn> <reserved_106> <minimax:tool_call>
    r"</?(?:[bes]o[a-z]{1,2}|(?:unused|special|reserved|extra)[0-9]+)>",  # <bos> <eot> <sop> <unused0>
    r"\[/?[A-Z]{2,16}(?:_[A-Z]{2,16}){1,3}\]",  # [TOOL_CALLS] [SYSTEM_PROMPT]
    r"\[@[A-Z]{3,8}@\]|\[unused[0-9]+\]|\[[a-z]?MASK\]",  # [@BOS@] [unused1] [gMASK]
    r"[\[\]](?=[~!]{0,3}[a-z])[~!a-z]{0,4}~[~!a-z]{0,4}\[",  # ]~!b[ [e~[ ]!p~[
    r"\][~!]{1,2}[a-z]{1,3}\]",  # ]~b]
    r"\]<\][^\[\]\n]{1,64}\[>\[",  # ]<]image[>[
    r">>[A-Z]{4,16}<<",  # >>QUESTION<<
    r"<</?SYS>>",
)
# Tokens that have the shape of other text.
WORDS = (
    r"</?(?:s|pad|unk|mask|cls|sep|image|tools?|think|thinking|seed:\w{2,32}|mask:[0-9]+|multimodal"
    r"|fim-\w{2,16}|filename|reponame)>",
    r"\[/?(?:INST|IMG|AUDIO|TRANSCRIBE|ARGS|THINK|PREFIX|MIDDLE|SUFFIX|BOS|EOS|EOT|PAD|UNK|CLS|SEP|multimodal)\]",
)
CONTROL = re.compile(rf"(?=[<>\[\]])(?=({'|'.join([*KINDS, *WORDS])})).")


def mark_of(texts: Sequence[str]) -> str:
    """Return a mark of 16 hexadecimal digits, a hash of `texts`."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def fenced(mark: str, title: str, text: str) -> str:
    """Return `text` between two lines that bear the mark."""
    return f"<<{mark} {title}>>\n{neutral(text)}\n<<{mark} end>>"


def neutral(text: str) -> str:
    """Return `text` without control tokens; half surrogate pairs, which no server takes, are written out.

    A token is broken behind its first character, wherever it begins: two tokens may share a bracket.
    """
    whole = text.encode("utf-8", "backslashreplace").decode()
    return CONTROL.sub(lambda found: found[0] + GAP, whole)


def control_tokens(text: str) -> list[str]:
    """Return the control tokens that stand in `text`, each once, in their order."""
    return list(dict.fromkeys(found[1] for found in CONTROL.finditer(text)))
