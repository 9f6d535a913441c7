"""A fence around judged text, made of lines that the text cannot contain: to the judge the text is data.

    <<4c1a90f27be6d385 user>>
    Why is the sky blue?
    <<4c1a90f27be6d385 end>>

The mark is a hash of the text between the lines. No text can contain its own hash, and the same text always
gets the same mark, so that a question asked again is the same question. Markup that servers turn into control
tokens is broken up by a character of no width; the judge can still read it.
"""

import hashlib
import json
import re
from collections.abc import Sequence

GAP = "\u200b"  # zero width space
CONTROL = re.compile(
    r"<[|｜][^<>\n]{1,64}[|｜]>"  # ChatML, Llama 3, Phi, DeepSeek
    r"|</?s>|<</?SYS>>"  # Llama 2
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"  # Mistral
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"  # Gemma
    r"|</?think>"
)


def mark_of(texts: Sequence[str]) -> str:
    """Return a mark of 16 hexadecimal digits, a hash of `texts`."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def fenced(mark: str, title: str, text: str) -> str:
    """Return `text` between two lines that bear the mark."""
    return f"<<{mark} {title}>>\n{neutral(text)}\n<<{mark} end>>"


def neutral(text: str) -> str:
    """Return `text` without control tokens; half surrogate pairs, which no server takes, are written out."""
    whole = text.encode("utf-8", "backslashreplace").decode()
    return CONTROL.sub(lambda found: found[0][0] + GAP + found[0][1:], whole)
