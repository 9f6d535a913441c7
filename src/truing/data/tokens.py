"""Text to token ids and back, with control tokens kept out of the words that people wrote.

A control token is an added token that steers a model: `<|im_end|>`, `</s>`, `<think>`. In the words of a
row such a string is plain text, unless the caller trusts the rows. Tags of thoughts and calls in an
assistant's own turn stay tokens: they are its answer. To keep every other such string text, the *cut*, one
character that occurs nowhere in the row, is put after the string's first character before the template sees
it. The template then treats the string as ordinary text, whatever the template strips or searches for. The
cut never reaches the tokenizer: text is split at the cut and the parts are encoded apart. Text without a cut
is encoded in one go, so rows without control tokens get exactly the ids that the template gives elsewhere.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, groupby, islice
from typing import Any, NamedTuple, Protocol, TypeVar

from truing.data.said import OWN_TAGS
from truing.data.stretches import Cut, plain_backend, stretches_of, words_of
from truing.data.trees import Tree

# Added tokens need not be marked special: Qwen's <think> is not. HTML tags that Gemma adds stay ordinary.
CONTROL_SHAPE = re.compile(r"<\|.+\|>|</?(?:think|tool_call|tool_response)>")
REPLACEMENT = "\ufffd"
Ids = TypeVar("Ids")
WORDS, LONG = 50_000, 40  # words whose ids are remembered, and the most characters of one
LONGEST_CHARACTER = 16  # tokens; byte-level ones may each end inside a character


class AddedToken(Protocol):
    """One entry of `Tokenizer.added_tokens_decoder`."""

    content: str
    special: bool


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that data needs."""

    @property
    def chat_template(self) -> object: ...  # Jinja source, several by name, or None
    @property
    def bos_token_id(self) -> int | None: ...
    @property
    def eos_token_id(self) -> int | None: ...
    @property
    def unk_token_id(self) -> int | None: ...
    @property
    def special_tokens_map(self) -> Mapping[str, Any]: ...
    @property
    def added_tokens_decoder(self) -> Mapping[int, AddedToken]: ...
    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(
        self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str: ...
    def get_chat_template(self) -> str: ...


class SmuggledError(ValueError):
    """Text became a control token in spite of the cuts, as a tokenizer that rewrites text can make it."""


class GivesUpError(ValueError):
    """The tokenizer cannot encode a text: a pattern of it takes too many tries."""


def encoded(encode: Callable[[], Ids]) -> Ids:
    """Encode, where a panic of the tokenizers library, which is no `Exception`, is a GivesUpError."""
    try:
        return encode()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise GivesUpError(f"the tokenizer gives up on this text: {error}") from error


def unused_characters(texts: Sequence[str], count: int) -> list[str]:
    """Find `count` characters of the private plane that occur in none of `texts`."""
    used = set() if all(map(str.isascii, texts)) else set().union(*texts)
    return list(islice((chr(i) for i in range(0xF0000, 0xFFFFE) if chr(i) not in used), count))


def control_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """Map the text of every control token to its id: special tokens, and added ones the template writes.

    A string of one character is left out: it cannot be cut, and no known model has one.
    """
    template = str(tokenizer.chat_template or "")
    return {
        token.content: index
        for index, token in tokenizer.added_tokens_decoder.items()
        if len(token.content.strip()) > 1
        and (token.special or token.content in template or CONTROL_SHAPE.fullmatch(token.content))
    }


def _any_of(strings: Sequence[str]) -> re.Pattern[str]:
    """Make a pattern that finds the longest of `strings` at each place; without strings it finds nothing."""
    longest_first = sorted(strings, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of text to ids. It adds no BOS: the renderer does."""

    tokenizer: Tokenizer
    control: Mapping[str, int]  # text and id
    control_ids: frozenset[int]  # the ids of `control` without the unknown token
    pattern: re.Pattern[str]  # any of `control`
    trusted: bool  # control tokens in the rows are read as such
    apart: Cut | None = field(default=None, compare=False, repr=False)  # both: see data/stretches.py
    words: Cut | None = field(default=None, compare=False, repr=False)
    known: dict[str, "Encoded"] = field(default_factory=dict, compare=False, repr=False)  # by `prepare`
    spelled: dict[str, list[int]] = field(default_factory=dict, compare=False, repr=False)  # words

    def find(self, contents: Sequence[str], own: Sequence[bool] = ()) -> list[int]:
        """Find the starts of control tokens in the joined `contents`, overlapping ones included.

        `own` says which contents are an assistant's: tags of thoughts and calls in those are passed over.
        """
        joined = "".join(contents)
        match = self.pattern.search(joined)
        if not match:
            return []
        edges = [0, *accumulate(map(len, contents))]
        ranges = [edges[i : i + 2] for i, is_own in enumerate(own) if is_own]
        starts: list[int] = []
        while match:
            inside = match[0] in OWN_TAGS and any(a <= match.start() and match.end() <= b for a, b in ranges)
            if not inside:
                starts.append(match.start())
            match = self.pattern.search(joined, match.start() + 1)
        return starts

    def disarm(self, contents: Sequence[str], cut: str, own: Sequence[bool] = ()) -> list[str]:
        """Put a cut inside every control token of `contents`, also in those that span two neighbours."""
        return self.disarm_at(contents, self.find(contents, own), cut)

    def disarm_at(self, contents: Sequence[str], starts: Sequence[int], cut: str) -> list[str]:
        """Do what `disarm` does, with the starts that `find` has found."""
        if self.trusted or not starts:
            return list(contents)
        cuts = [start + 1 for start in starts]
        disarmed: list[str] = []
        begin = 0
        for content in contents:
            inside = [at - begin for at in cuts if begin <= at < begin + len(content)]
            parts = zip([0, *inside], [*inside, len(content)], strict=True)
            disarmed.append(cut.join(content[start:end] for start, end in parts))
            begin += len(content)
        return disarmed

    def prepare(self, texts: Iterable[str]) -> None:
        """Encode texts without cuts together; their stretches are remembered until the next call."""
        self.known.clear()
        stretches = list(dict.fromkeys(chain.from_iterable(map(self._stretches, texts))))
        try:
            found = self._by_words(stretches)
        except GivesUpError:  # of one text, which is told where it is encoded alone
            return
        for stretch, ids in zip(stretches, found, strict=True):
            self.known[stretch] = self._counted(ids)

    def _by_words(self, stretches: Sequence[str]) -> list[list[int]]:
        """Return the ids of stretches; words are remembered, since they come again."""
        if self.words is None:
            return self._all(stretches)
        cut = list(map(self.words, stretches))
        if len(self.spelled) > WORDS:
            self.spelled.clear()
        spelled = self.spelled
        new = list({word: None for words in cut for word in words if word not in spelled})
        spelled.update(zip(new, self._all(new), strict=True))
        ids = [[*chain.from_iterable(map(spelled.__getitem__, words))] for words in cut]
        for word in new:
            if len(word) > LONG:
                del spelled[word]
        return ids

    def _all(self, texts: Sequence[str]) -> list[list[int]]:
        return encoded(partial(_ids_of_all, self.tokenizer, texts))

    def encode(self, text: str, cut: str) -> list[int]:
        """Encode `text`; no token spans a cut."""
        first, *rest = text.split(cut)
        ids = self._ids(first)
        for piece in rest:
            ids += self.encode_apart(piece, cut)
        return ids

    def encode_apart(self, text: str, cut: str) -> list[int]:
        """Encode text that continues other text, without joining the last token of that text.

        The text is encoded after a newline that is then removed, because SentencePiece puts a space before
        the first word.
        """
        newline, anchored = self._ids("\n"), self._ids("\n" + text.split(cut, 1)[0])
        if anchored[: len(newline)] != newline:
            return self.encode(text, cut)
        ids = anchored[len(newline) :]
        for piece in text.split(cut)[1:]:
            ids += self.encode_apart(piece, cut)
        return ids

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = []
        steering = 0
        for stretch in self._stretches(text):
            found = self.known.get(stretch)
            if found is None:
                encode = partial(self.tokenizer.encode, stretch, add_special_tokens=False)
                found = self._counted(encoded(encode))
            ids += found.ids
            steering += found.steering
        if steering and steering > len(self.pattern.findall(text)):
            raise SmuggledError("the tokenizer rewrites its text into a control token")
        return ids

    def _stretches(self, text: str) -> list[str]:
        return self.apart(text) if self.apart else [text]

    def _counted(self, ids: list[int]) -> "Encoded":
        steers = not (self.trusted or self.control_ids.isdisjoint(ids))
        return Encoded(ids, sum(map(self.control_ids.__contains__, ids)) if steers else 0)


class Encoded(NamedTuple):
    """The ids of a stretch of text."""

    ids: list[int]
    steering: int  # how many of them are control tokens; 0 where these are trusted


def _ids_of_all(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of several texts, without what `encode` of transformers does beside encoding.

    A tokenizer with code of its own, or set to pad or to cut, encodes one text after another.
    """
    plain = plain_backend(tokenizer)
    if plain is None:
        return [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    encoded = plain.backend_tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [one.ids for one in encoded]


def make_encoder(tokenizer: Tokenizer, *, trusted: bool) -> Encoder:
    """Make the encoder of one tokenizer."""
    control = control_tokens(tokenizer)
    ids = frozenset(control.values())
    # A character the vocabulary lacks becomes the unknown token, which steers nothing unless it is EOS too.
    if tokenizer.unk_token_id not in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        ids -= {tokenizer.unk_token_id}
    cuts = stretches_of(tokenizer), words_of(tokenizer)
    return Encoder(tokenizer, control, ids, _any_of(list(control)), trusted, *cuts)


def pieces(tree: Tree, tokenizer: Tokenizer) -> list[list[tuple[str, bool]]]:
    """Return each branch, prompt included, as texts with whether they carry loss; joined they decode it.

    A tree without branches gives its prompt. Tokens that only together make a character are one piece.
    """
    paths = [
        ([*tree.prompt, *branch.tokens], [*(False for _ in tree.prompt), *branch.scored])
        for branch in tree.branches
    ] or [(list(tree.prompt), [False] * len(tree.prompt))]
    return [list(_pieces(tokens, scored, tokenizer)) for tokens, scored in paths]


def _pieces(tokens: list[int], scored: list[bool], tokenizer: Tokenizer) -> Iterator[tuple[str, bool]]:
    """Yield the text that every few tokens add to the text of the piece before, so that spaces stay."""
    before: list[int] = []
    for marked, run in groupby(zip(tokens, scored, strict=True), key=lambda item: bool(item[1])):
        pending: list[int] = []
        ids = [token for token, _ in run]
        for place, token in enumerate(ids, start=1):
            pending.append(token)
            known, text = decode(before, tokenizer), decode([*before, *pending], tokenizer)
            unfinished = text.endswith(REPLACEMENT) and len(pending) < LONGEST_CHARACTER
            if unfinished and place < len(ids):
                continue
            yield text[len(known) :], marked
            before, pending = pending, []


def decode(ids: list[int], tokenizer: Tokenizer) -> str:
    """Decode ids to text, with control tokens and spaces as they are."""
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
