"""Notes on rendered rows: every count in words, turns without an end, refusals with their places."""

from collections import Counter

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from truing.core.messages import told
from truing.core.told_zh import ZH
from truing.core.words import add_words
from truing.data.chat import Note, Renderer, make_renderer
from truing.data.limits import Rendered
from truing.data.notes import NO_END, TRUSTED, WORDS, mask_counts, notes_on
from truing.data.refusals import Refusal, RefusedRowError, TurnsError
from truing.data.trees import Branch, Tree

OPENED = (
    "{% for m in messages %}{{ m.role + ':' + m.content + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:<think>' }}{% endif %}"
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = OPENED
    return make_renderer(tokenizer)


def test_turns_without_an_end_are_counted_by_turn(renderer: Renderer):
    """Three turns: `7 stop`, `7` and `7 stop`; the second learns no end."""
    bos, (stop,) = renderer.encoder.tokenizer.bos_token_id, renderer.stop_ids
    three = Branch([7, stop, 8, 7, 8, 7, stop], [True, True, False, True, False, True, True])
    trees = [Tree([bos, bos, 5], (three,)), Tree([bos, 5], (Branch([stop], [True]),))]
    found = mask_counts(trees, renderer, everything=True)
    assert found == {"branches": 2, NO_END: 1, "double BOS": 1, "little scored": 1}
    assert mask_counts(trees, renderer, everything=False)[NO_END] == 0


def test_every_count_is_told_in_words_and_in_both_languages(renderer: Renderer):
    add_words("zh", ZH)
    assert [words for words in (*WORDS.values(), TRUSTED) if words not in ZH] == []
    notes = dict.fromkeys(Note, 2)
    said = list(notes_on(Rendered(counts=Counter(notes)), renderer, {NO_END: 3, "branches": 9}))
    assert len(said) == len(Note) + 1
    assert "3 assistant turns learn no end: a model trained on them may not stop" in said
    assert sum("the template opens it with '<think>'" in line for line in said) == 1
    assert all(told(line, "zh") != line for line in said)


def test_the_first_rows_that_were_set_aside_are_told_with_place_code_and_words(renderer: Renderer):
    error = TurnsError(Refusal.CUTS, "it leaves a thought out")
    lost = [RefusedRowError(f"rows.jsonl:{number}", "chat", error) for number in range(1, 8)]
    said = list(notes_on(Rendered(refused=lost), renderer, {}))
    assert said[0] == "set aside: rows.jsonl:1: template-cuts: it leaves a thought out"
    assert (len(said), said[-1]) == (
        6,
        "set aside: 2 more for their turns; a run lists all of them in rows.json",
    )
