"""The ids of stretches, one behind the other, are the ids of the text, for hostile texts too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from truing.data import tokens
from truing.data.chat import make_renderer
from truing.data.stretches import SPLIT_WORDS, stretches_of, words_of

from .test_chat import KINDS, SPECIAL, build, demonstration

STRANGE = ["<|im_", "end|>", " ", "\n", "a", "Hi", "é你"]
PARTS = sorted({one for some in SPECIAL.values() for one in some}) + STRANGE
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@pytest.mark.parametrize("family", list(SPECIAL))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_ids_of_stretches_are_those_of_the_text(family: str, text: str):
    tokenizer = tokenizers.setdefault(family, build(family, None))
    cut = stretches_of(tokenizer)
    assert cut is not None and "".join(cut(text)) == text
    apart = [one for part in cut(text) for one in tokenizer.encode(part, add_special_tokens=False)]
    assert apart == tokenizer.encode(text, add_special_tokens=False)


tokenizers: dict[str, PreTrainedTokenizerFast] = {}


def byte_level(*added: AddedToken, dropout: float | None = None) -> PreTrainedTokenizerFast:
    alphabet = {one: at for at, one in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(alphabet, [], dropout=dropout))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.add_tokens(list(added))
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def test_the_longest_of_added_tokens_that_begin_alike_is_cut_out():
    cut = stretches_of(byte_level(AddedToken("<a", normalized=False), AddedToken("<a>", normalized=False)))
    assert cut is not None and cut("x<a>y<az") == ["x", "<a>", "y", "<a", "z"] and cut("") == []


@pytest.mark.parametrize(
    "added",
    [
        {"lstrip": True},  # takes the space before it
        {"rstrip": True},
        {"single_word": True},  # is none beside a letter
        {"normalized": True},  # may be found in other letters
    ],
)
def test_tokens_that_look_around_them_leave_texts_whole(added: dict[str, bool]):
    assert stretches_of(byte_level(AddedToken("<a>", **{"normalized": False, **added}))) is None


def test_tokenizers_that_look_further_than_a_stretch_leave_texts_whole():
    token = AddedToken("<a>", normalized=False)
    first = byte_level(token)
    first.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits()]
    )
    cuts = byte_level(token)
    cuts.backend_tokenizer.enable_truncation(3)
    assert [stretches_of(one) for one in (first, cuts, byte_level(token, dropout=0.5), byte_level())] == [
        None
    ] * 4


LETTERS = st.text("aBs'  tz\n\r\t19.,-_é\u0301你\u2008🙂", max_size=30)
SPLITS = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    **{
        name: pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        for name, pattern in zip(("qwen", "llama3"), SPLIT_WORDS, strict=True)
    },
}


def trained(split: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer with merges over words, spaces and signs."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = split  # pyright: ignore[reportAttributeAccessIssue]
    inner.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator(["a B as t's z zz  aB\n19 1.9, it's a B-z 你 🙂 a\u0301"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner)


@pytest.mark.parametrize("name", list(SPLITS))
@settings(max_examples=200, deadline=None)
@given(text=LETTERS)
def test_ids_of_words_are_those_of_the_text(name: str, text: str):
    tokenizer = tokenizers.setdefault(name, trained(SPLITS[name]))
    cut = words_of(tokenizer)
    assert cut is not None and "".join(cut(text)) == text
    apart = [one for part in cut(text) if part for one in tokenizer.encode(part, add_special_tokens=False)]
    assert apart == tokenizer.encode(text, add_special_tokens=False)


def test_words_are_cut_before_the_space_between_letters():
    cut = words_of(trained(SPLITS["gpt2"]))
    assert cut is not None and cut("Is it  1 or 2? a b") == ["Is", " it  1 or 2? a", " b"]


def test_tokenizers_that_may_join_words_get_whole_stretches():
    whole = [
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex("[a-z ]+"), "isolated"), SPLITS["gpt2"]]),
        pre_tokenizers.Whitespace(),
        pre_tokenizers.Metaspace(),
    ]
    assert [words_of(trained(split)) for split in whole] == [None] * len(whole)
    named = byte_level(AddedToken("a b", normalized=True))
    lower = trained(SPLITS["gpt2"])
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    assert words_of(named) is words_of(lower) is None


def test_few_words_are_remembered_and_no_long_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "WORDS", 3)
    encoder = make_renderer(build(*KINDS["chatml"])).encoder
    for text in ("one two three", "four " + "x" * 41, "five six"):
        encoder.prepare([text])
        assert encoder.known[text].ids == encoder.tokenizer.encode(text, add_special_tokens=False)
    assert set(encoder.spelled) == {"five", " six"}


def test_rows_that_are_encoded_together_get_the_ids_that_each_gets_alone():
    renderer = make_renderer(build(*KINDS["chatml"]))
    records = [demonstration(f"Is {n} <|im_end|> odd?", "Yes " * (n % 5) + str(n)) for n in range(300)]
    alone = [renderer.render(record) for record in records]
    assert list(renderer.render_each(records)) == alone
