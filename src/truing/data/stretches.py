"""Cut a text into stretches that a tokenizer encodes apart, so that none is encoded twice.

A tokenizer takes its added tokens out of a text before all else, and encodes each stretch between them as if
it stood alone. The texts of a row share most stretches: the prompt stands in each, and the system turn in
those of every row. `stretches_of` cuts a tokenizer's texts where that is so; others are encoded whole.

    <|im_start|>  user\\nHi  <|im_end|>  \\n  <|im_start|>  assistant\\nHello  <|im_end|>  \\n
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


def _look_at_one(settings: Sequence[dict[str, Any]]) -> bool:
    return all(
        _look_at_one(one["pretokenizers"])
        if one["type"] == "Sequence"
        else one["type"] in LOOK_AT_ONE or (one["type"], one.get("prepend_scheme")) in ALWAYS
        for one in settings
    )


ALWAYS = (("Metaspace", "always"), ("Metaspace", "never"))
