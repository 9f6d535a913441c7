"""Cut a text into stretches that a tokenizer encodes apart, so that none is encoded twice.

A tokenizer takes its added tokens out of a text before all else, and encodes each stretch between them as if
it stood alone. The texts of a row share most stretches: the prompt stands in each, and the system turn in
those of every row. `stretches_of` cuts a tokenizer's texts where that is so; others are encoded whole.

    <|im_start|>  user\\nHi  <|im_end|>  \\n  <|im_start|>  assistant\\nHello  <|im_end|>  \\n

Within a stretch, byte-level BPE encodes a word with the space before it as if it stood alone, and the same
words come again and again. `words_of` cuts where a letter, a space and a letter meet.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Cut = Callable[[str], list[str]]  # a text into stretches and added tokens, which joined are the text

# Pre-tokenizers that look at a stretch alone. Metaspace may write a space before the first stretch only.
LOOK_AT_ONE = {
    "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Punctuation", "Split",
    "UnicodeScripts", "Whitespace", "WhitespaceSplit",
}  # fmt: skip


# What splits words in byte-level BPE: each looks ahead alone, and ends a run of letters before a space.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
SPLIT_WORDS = (_WORDS % "", _WORDS % "{1,3}")  # Qwen's and Llama 3's; GPT-2's own is that of ByteLevel
_BETWEEN_WORDS = re.compile("(?<=[A-Za-z])(?= [A-Za-z])")


def plain_backend(tokenizer: Any) -> "PreTrainedTokenizerFast | None":
    """Return a tokenizer whose ids are those of its backend alone; None for another.

    One with code of its own, or set to pad or to cut, is another.
    """
    from transformers import PreTrainedTokenizerFast

    own, plain = type(tokenizer), PreTrainedTokenizerFast
    if not isinstance(tokenizer, plain):
        return None
    same = own.encode is plain.encode and own._encode_plus is plain._encode_plus  # pyright: ignore[reportAttributeAccessIssue]
    backend = tokenizer.backend_tokenizer
    splits = backend.encode_special_tokens == tokenizer.split_special_tokens
    return tokenizer if same and splits and backend.padding is None and backend.truncation is None else None


def stretches_of(tokenizer: Any) -> Cut | None:
    """Return the function that cuts a text; None where a stretch alone may get other ids."""
    plain = plain_backend(tokenizer)
    if plain is None:
        return None
    backend = plain.backend_tokenizer
    added = [token for token in backend.get_added_tokens_decoder().values() if not token.normalized]
    reach = any(token.lstrip or token.rstrip or token.single_word or not token.content for token in added)
    random = getattr(backend.model, "dropout", None)  # of BPE; other models have none
    if not added or reach or random or backend.encode_special_tokens:
        return None
    before = backend.pre_tokenizer
    if before is not None and not _look_at_one([json.loads(before.__getstate__())]):
        return None
    longest_first = sorted((token.content for token in added), key=len, reverse=True)
    split = re.compile(f"({'|'.join(map(re.escape, longest_first))})").split
    return lambda text: [stretch for stretch in split(text) if stretch]


def words_of(tokenizer: Any) -> Cut | None:
    """Return the function that cuts a stretch into words; None where a word alone may get other ids."""
    from tokenizers.models import BPE
    from tokenizers.normalizers import NFC

    plain = plain_backend(tokenizer)
    if plain is None:
        return None
    backend = plain.backend_tokenizer
    added = backend.get_added_tokens_decoder().values()
    before, model = backend.pre_tokenizer, backend.model
    if before is None or not isinstance(model, BPE) or model.dropout or any(one.normalized for one in added):
        return None
    if backend.normalizer is not None and not isinstance(backend.normalizer, NFC):
        return None
    return _BETWEEN_WORDS.split if _splits_words(_steps(json.loads(before.__getstate__()))) else None


def _steps(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """List the steps of a pre-tokenizer, those of a sequence one by one."""
    if settings["type"] != "Sequence":
        return [settings]
    return [step for one in settings["pretokenizers"] for step in _steps(one)]


def _splits_words(steps: Sequence[dict[str, Any]]) -> bool:
    """Tell whether steps of a pre-tokenizer part words at each place where `words_of` cuts."""
    *first, last = steps
    if last["type"] != "ByteLevel" or last["add_prefix_space"]:
        return False
    splits = [one for one in first if one["type"] == "Split"]
    isolated = all(
        one["pattern"].get("Regex") in SPLIT_WORDS and one["behavior"] == "Isolated" and not one["invert"]
        for one in splits
    )
    known = all(one["type"] in ("Split", "Digits") for one in first)
    return known and isolated and (last["use_regex"] or bool(splits))


def _look_at_one(settings: Sequence[dict[str, Any]]) -> bool:
    return all(
        _look_at_one(one["pretokenizers"])
        if one["type"] == "Sequence"
        else one["type"] in LOOK_AT_ONE or (one["type"], one.get("prepend_scheme")) in ALWAYS
        for one in settings
    )


ALWAYS = (("Metaspace", "always"), ("Metaspace", "never"))
