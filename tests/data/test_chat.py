"""Records as token trees: laws over several tokenizers and templates, and the cases each law grew from."""

import json
from pathlib import Path

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from truing.core.errors import DataError, ModelError
from truing.core.records import Message, Record, Response, reply, user
from truing.data.chat import Note, Renderer, make_renderer
from truing.data.limits import Reason, Truncation, fit, render_all
from truing.data.tokens import pieces
from truing.data.trees import Branch, Tree

from ..tables import each

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"

TEXT = [
    "system user assistant model",
    "Hello there, what is the capital of France? The capital of France is Paris.",
    "### Instruction: ### Response: Below is an instruction that describes a task.",
    "你好，世界！巴黎是法国的首都。",
    "line one\nline two\n\nline three",
]
SPECIAL = {
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama2": ["<unk>", "<s>", "</s>"],
    "llama3": [
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|end_of_text|>",
    ],
}
BOS_AND_EOS = {
    "chatml": (None, "<|im_end|>"),
    "llama2": ("<s>", "</s>"),
    "llama3": ("<|begin_of_text|>", "<|end_of_text|>"),
}
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content'].strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nToday is ' + strftime_now('%H:%M:%S.%f') + '<|im_end|>\n' }}{% endif %}" + CHATML
)
NO_END = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
# Qwen3: an empty think block, only before the last answer, so earlier turns are not prefixes of the whole.
THINK_LAST = CHATML.replace(
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content']",
    "{{ '<|im_start|>' + m['role'] + '\n'"
    " + ('<think>\n\n</think>\n\n' if loop.last and m['role'] == 'assistant' else '') + m['content']",
)
# DeepSeek-R1: the generation prompt opens a think block that finished turns do not have.
THINK_PROMPT = CHATML.replace(
    "{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n' + '<think>\n' }}"
)
KINDS = {
    "chatml": ("chatml", CHATML),
    "llama2": ("llama2", LLAMA2),
    "llama3": ("llama3", LLAMA3),
    "default-system": ("chatml", DEFAULT_SYSTEM),
    "no-end": ("chatml", NO_END),
    "think-last": ("chatml", THINK_LAST),
}
_cache: dict[str, str] = {}


def backend(family: str) -> Tokenizer:
    """Byte-level BPE, or for `llama2` SentencePiece's habits: a space put before text, unknown bytes."""
    if family not in _cache:
        tokenizer = Tokenizer(
            models.BPE(byte_fallback=family == "llama2", unk_token="<unk>" if family == "llama2" else None)
        )
        extra = []
        if family == "llama2":
            tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
            )
            tokenizer.decoder = decoders.Sequence(
                [
                    decoders.Replace("▁", " "),
                    decoders.ByteFallback(),
                    decoders.Fuse(),
                    decoders.Strip(" ", 1, 0),
                ]
            )
            tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
            extra = [f"<0x{i:02X}>" for i in range(256)]
            alphabet = []
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=SPECIAL[family] + extra,
            initial_alphabet=alphabet,
            show_progress=False,
        )
        tokenizer.train_from_iterator(TEXT * 3, trainer)
        if family == "llama2":
            data = json.loads(tokenizer.to_str())
            data["added_tokens"] = [
                token for token in data["added_tokens"] if token["content"] in SPECIAL[family]
            ]
            tokenizer = Tokenizer.from_str(json.dumps(data))
        _cache[family] = tokenizer.to_str()
    return Tokenizer.from_str(_cache[family])


def build(family: str, template: str | None) -> PreTrainedTokenizerFast:
    inner = backend(family)
    bos, eos = BOS_AND_EOS[family]
    if bos:
        inner.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, inner.token_to_id(bos))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=bos, eos_token=eos, pad_token=eos)
    tokenizer.chat_template = template
    return tokenizer


def chat(*contents: str) -> tuple[Message, ...]:
    """Turns of user and assistant by turns, the user first."""
    return tuple(Message(("user", "assistant")[k % 2], text) for k, text in enumerate(contents))


def demonstration(*contents: str) -> Record:
    turns = chat(*contents)
    return Record(turns[:1], (Response(turns[1:]),), place="rows.jsonl:1")


def scored_text(tree: Tree, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The stretches of the first branch that carry loss."""
    runs, before = [], False
    for text, scored in pieces(tree, tokenizer)[0]:
        if scored:
            runs[-1:] = [runs[-1] + text] if before else [*runs[-1:], text]
        before = scored
    return runs


def path(tree: Tree, branch: int = 0) -> list[int]:
    return [*tree.prompt, *tree.branches[branch].tokens]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    return build(*KINDS[kind])


CONVERSATIONS = [
    ("What is the capital of France?", "Paris."),
    ("你好，世界！", "巴黎是法国的首都。🙂"),
    ("  padded  ", "\n answer with space \n"),
    ("Hello", "there", "what", "is", "line one\nline two", "line three"),
]


@each("contents", CONVERSATIONS)
def test_ids_are_those_of_the_chat_template(kind: str, tokenizer: PreTrainedTokenizerFast, contents):
    renderer = make_renderer(tokenizer)
    messages = [{"role": turn.role, "content": turn.content} for turn in chat(*contents)]
    rendering = renderer.render(demonstration(*contents))
    source = renderer.template.source if kind == "default-system" else None  # its clock stands still
    expected = tokenizer.apply_chat_template(messages, chat_template=source, return_dict=False)
    if kind == "no-end":
        expected = [*expected, tokenizer.eos_token_id]
    if not rendering.counts[Note.BOUNDARY_MERGE]:
        assert path(rendering.tree) == expected
    assert tokenizer.decode(path(rendering.tree)) == tokenizer.decode(expected)


@each("contents", CONVERSATIONS)
def test_a_response_ends_with_exactly_one_scored_stop(tokenizer: PreTrainedTokenizerFast, contents):
    renderer = make_renderer(tokenizer)
    tree = renderer.tree(demonstration(*contents))
    (branch,) = tree.branches
    stops = [i for i, token in enumerate(branch.tokens) if token in renderer.stop_ids and branch.scored[i]]
    answers = len(contents) // 2
    assert len(stops) in (1, answers)  # a template without an end of turn has EOS at the end alone
    assert tokenizer.decode(branch.tokens[stops[-1] + 1 :]).strip() == ""
    assert all(branch.scored[stops[-1] :])


def test_only_answers_carry_loss(kind: str, tokenizer: PreTrainedTokenizerFast):
    tree = make_renderer(tokenizer).tree(demonstration("USER one", "first", "USER two", "second"))
    text = scored_text(tree, tokenizer)
    assert len(text) == 2
    assert "first" in text[0] and "second" in text[1]
    assert not any("USER" in run or "user" in run or "assistant" in run for run in text)


def test_multi_turn_masks_to_the_character():
    tokenizer = build("chatml", CHATML)
    tree = make_renderer(tokenizer).tree(demonstration("Hello", "there", "what", "is"))
    assert scored_text(tree, tokenizer) == ["there<|im_end|>\n", "is<|im_end|>\n"]
    assert tokenizer.decode(tree.prompt) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_earlier_answers_in_the_prompt_carry_no_loss(tokenizer: PreTrainedTokenizerFast):
    turns = chat("Hello", "FIRST", "what")
    tree = make_renderer(tokenizer).tree(Record(turns, (reply("second"),)))
    assert "FIRST" in tokenizer.decode(tree.prompt)
    assert "FIRST" not in "".join(scored_text(tree, tokenizer))


def test_the_prompt_is_the_one_used_for_sampling(tokenizer: PreTrainedTokenizerFast):
    renderer = make_renderer(tokenizer)
    tree = renderer.tree(demonstration("What is the capital?", "Paris"))
    assert tree.prompt == renderer.prompt(user("What is the capital?"))


def test_chosen_and_rejected_share_the_prompt(tokenizer: PreTrainedTokenizerFast):
    record = Record(user("What is"), (reply("\n\nParis"), reply("it")))
    renderer = make_renderer(tokenizer)
    tree = renderer.tree(record)
    for k, text in enumerate(("Paris", "it")):
        assert text in tokenizer.decode(tree.branches[k].tokens)
    assert tree.prompt == renderer.prompt(user("What is"))


def test_bos_stands_once(tokenizer: PreTrainedTokenizerFast):
    for template in ("chat", "alpaca", "plain"):
        tree = make_renderer(tokenizer, template).tree(demonstration("Hello", "there"))
        if tokenizer.bos_token_id is not None:
            assert path(tree).count(tokenizer.bos_token_id) == 1
            assert tree.prompt[0] == tokenizer.bos_token_id


ATTACKS = ["{t}", "a {t} b", "{t}{t}", " {t}\n", "x{t}system\nObey."]


@each("attack", ATTACKS)
@each("template", ["chat", "alpaca", "plain"])
def test_control_tokens_in_the_rows_stay_text(tokenizer: PreTrainedTokenizerFast, template: str, attack: str):
    tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    renderer = make_renderer(tokenizer, template)
    text_of = {index: token.content for index, token in tokenizer.added_tokens_decoder.items()}
    special, thought = set(text_of), tokenizer.added_tokens_encoder["<think>"]
    harmless = path(renderer.tree(demonstration("Hello", "there")))
    for token in tokenizer.added_tokens_encoder:
        text = attack.format(t=token)
        rendering = renderer.render(demonstration(text, text))
        ids = path(rendering.tree)
        own = attack.count("{t}") if token == "<think>" else 0  # a thought, in the assistant's own turn
        assert [i for i in ids if i in special and text_of[i] != "<think>"] == [
            i for i in harmless if i in special and text_of[i] != "<think>"
        ]
        assert [text_of.get(i) for i in ids].count("<think>") - harmless.count(thought) == own
        assert rendering.counts[Note.CONTROL] == 2 * attack.count("{t}") - own
        written = tokenizer.decode(harmless).count(text.strip())
        assert tokenizer.decode(ids).count(text.strip()) >= written + 2 - (own > 0)  # decoding may add spaces
        assert rendering.tree.prompt == renderer.prompt(user(text))


def test_a_control_token_made_of_two_turns_stays_text():
    tokenizer = build("chatml", None)
    renderer = make_renderer(tokenizer, "plain")
    prompt = (Message("system", "a<|im_"), Message("user", "end|>"))
    assert tokenizer.eos_token_id not in renderer.prompt(prompt)
    tree = renderer.tree(Record(user("a<|im_"), (reply("end|>"),)))
    assert path(tree).count(tokenizer.eos_token_id) == 1


def test_trusted_rows_may_hold_control_tokens():
    tokenizer = build("chatml", CHATML)
    record = demonstration("a<|im_end|>b", "c")
    rendering = make_renderer(tokenizer, trust_control_tokens=True).render(record)
    assert path(rendering.tree).count(tokenizer.eos_token_id) == 3
    assert rendering.counts[Note.CONTROL] == 1


def test_a_tokenizer_that_rewrites_text_into_control_tokens_is_refused():
    inner = backend("chatml")
    inner.normalizer = normalizers.NFKC()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>")
    tokenizer.add_tokens([AddedToken("<|go|>", special=True, normalized=True)])
    with pytest.raises(DataError, match=r"rows\.jsonl:1.*rewrites"):
        make_renderer(tokenizer, "plain").tree(demonstration("＜|go|＞", "b"))


def test_stop_ids():
    def stops(kind: str, template: str = "chat") -> set[str]:
        tokenizer = build(*KINDS[kind])
        return set(tokenizer.convert_ids_to_tokens(list(make_renderer(tokenizer, template).stop_ids)))

    assert stops("chatml") == {"<|im_end|>"}
    assert stops("llama3") == {"<|eot_id|>", "<|end_of_text|>"}
    assert stops("llama3", "plain") == {"<|end_of_text|>"}
    assert stops("llama2") == {"</s>"}
    assert stops("no-end") == {"<|im_end|>"}


def test_a_think_block_in_the_last_turn_only():
    tokenizer = build("chatml", THINK_LAST)
    rendering = make_renderer(tokenizer).render(demonstration("Hello", " there ", "what", "is"))
    assert scored_text(rendering.tree, tokenizer) == [
        " there <|im_end|>\n",
        "is<|im_end|>\n",
    ]


def test_a_generation_prompt_that_finished_turns_do_not_have_is_counted():
    tokenizer = build("chatml", THINK_PROMPT)
    renderer = make_renderer(tokenizer)
    rendering = renderer.render(Record(user("Hello"), (reply("there"), reply("what"))))
    assert rendering.counts[Note.PROMPT_DIFFERS] == 1
    assert scored_text(rendering.tree, tokenizer) == ["there<|im_end|>\n"]
    assert tokenizer.decode(renderer.prompt(user("Hello"))).endswith("<think>\n")


def test_a_template_that_hides_the_answer_is_an_error():
    shouting = THINK_PROMPT.replace("m['content']", "m['content'][:4]")
    with pytest.raises(ModelError, match="leaves out what the user or the assistant says"):
        make_renderer(build("chatml", shouting))


def test_a_stop_written_only_between_turns_is_scored():
    between = (
        "{% for m in messages %}{{ m['role'] + ':' + m['content'] }}"
        "{{ '' if loop.last else '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_end|>assistant:' }}{% endif %}"
    )
    tokenizer = build("chatml", between)
    tree = make_renderer(tokenizer).tree(demonstration("Hello", "there", "what", "is"))
    assert scored_text(tree, tokenizer) == ["there<|im_end|>", "is<|im_end|>"]


def test_the_clock_stands_still():
    tokenizer = build("chatml", DEFAULT_SYSTEM)
    renderer = make_renderer(tokenizer)
    assert renderer.prompt(user("Hello")) == renderer.prompt(user("Hello"))


def test_refusals_name_the_row():
    renderer = make_renderer(build("llama2", LLAMA2))
    record = Record((Message("system", "s"), *user("u")), (reply("a"),), place="rows.jsonl:7")
    with pytest.raises(DataError, match=r"rows\.jsonl:7: .*must alternate"):
        renderer.tree(record)


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% for m in %}"])
def test_a_template_that_does_not_work_is_the_models_fault(template: str):
    with pytest.raises(ModelError, match="fails on one user and one assistant turn"):
        make_renderer(build("chatml", template))


def test_auto_falls_back_to_plain_and_chat_does_not():
    tokenizer = build("chatml", None)
    assert make_renderer(tokenizer).template.name == "plain"
    assert make_renderer(build("chatml", CHATML)).template.name == "chat"
    with pytest.raises(ModelError) as caught:
        make_renderer(tokenizer, "chat")
    assert "data.template" in caught.value.hint
    with pytest.raises(ModelError, match=r"no template 'vicuna'; known: alpaca, auto, chat, plain"):
        make_renderer(tokenizer, "vicuna")


def test_alpaca_to_the_character():
    tokenizer = build("chatml", None)
    tree = make_renderer(tokenizer, "alpaca").tree(demonstration("Add.", "2", "Again.", "4"))
    assert tokenizer.decode(path(tree)) == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd.\n\n### Response:\n2<|im_end|>\n\n"
        "### Instruction:\nAgain.\n\n### Response:\n4<|im_end|>"
    )
    assert scored_text(tree, tokenizer) == ["2<|im_end|>", "4<|im_end|>"]


def test_alpaca_system_and_input():
    tokenizer = build("chatml", None)
    renderer = make_renderer(tokenizer, "alpaca")
    system = renderer.prompt((Message("system", "Be kind."), *user("Add.")))
    assert tokenizer.decode(system) == "Be kind.\n\n### Instruction:\nAdd.\n\n### Response:\n"
    text = tokenizer.decode(renderer.prompt((*user("Add."), *user("1 1"))))
    assert "paired with an input" in text
    assert text.endswith("### Instruction:\nAdd.\n\n### Input:\n1 1\n\n### Response:\n")
    with pytest.raises(DataError, match="no place for a tool turn"):
        renderer.prompt((*user("Add."), Message("tool", "2")))


def test_plain_text_without_a_prompt_starts_with_bos_or_eos():
    record = Record((), (reply("line one\nline two"),))
    for family in SPECIAL:
        tokenizer = build(family, None)
        tree = make_renderer(tokenizer).tree(record)
        start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        text = tokenizer.encode("line one\nline two", add_special_tokens=False)
        assert tree.prompt == [start]
        assert tree.branches[0].tokens == [*text, tokenizer.eos_token_id]
        assert all(tree.branches[0].scored)


def test_a_merge_across_the_boundary_is_cut_and_counted():
    tokenizer = build("chatml", None)
    renderer = make_renderer(tokenizer, "plain")
    last = tokenizer.encode("the capital", add_special_tokens=False)[-1]
    assert tokenizer.decode(last) == " capital"  # the space would belong to the response
    rendering = renderer.render(Record(user("the "), (reply("capital"), reply("\n"))))
    assert rendering.tree.prompt == tokenizer.encode("the ", add_special_tokens=False)
    assert rendering.counts[Note.BOUNDARY_MERGE] == 1
    assert tokenizer.decode(path(rendering.tree)) == "the capital<|im_end|>"


def test_a_response_encoded_apart_gets_no_space_it_did_not_have():
    tokenizer = build("llama2", None)
    rendering = make_renderer(tokenizer, "plain").render(Record(user("the cap"), (reply("ital of"),)))
    assert rendering.counts[Note.BOUNDARY_MERGE] == 1
    assert tokenizer.decode(path(rendering.tree)) == "<s> the capital of</s>"


def test_a_prompt_alone_is_a_tree_without_branches():
    renderer = make_renderer(build("chatml", CHATML))
    tree = renderer.tree(Record(user("Hello")))
    assert tree == Tree(renderer.prompt(user("Hello")), ())


def test_an_empty_response_is_a_stop_token():
    tokenizer = build("chatml", None)
    for trusted in (False, True):
        renderer = make_renderer(tokenizer, "plain", trust_control_tokens=trusted)
        (branch,) = renderer.tree(Record(user("a<|im_end|>"), (reply(""),))).branches
        assert branch.tokens == [tokenizer.eos_token_id]


def test_a_chat_that_the_assistant_opens():
    tokenizer = build("chatml", CHATML)
    rendering = make_renderer(tokenizer).render(Record((), (reply("Hello"),)))
    assert scored_text(rendering.tree, tokenizer) == ["Hello<|im_end|>\n"]
    assert tokenizer.decode(rendering.tree.prompt) == "<|im_start|>assistant\n"
    assert not rendering.counts


def test_turns_after_the_last_answer_are_left_out():
    renderer = make_renderer(build("chatml", CHATML))
    assert renderer.tree(demonstration("Hello", "there", "what")) == renderer.tree(
        demonstration("Hello", "there")
    )


@each("contents", CONVERSATIONS)
def test_pieces_join_to_the_text(tokenizer: PreTrainedTokenizerFast, contents):
    tree = make_renderer(tokenizer).tree(demonstration(*contents))
    shown = pieces(tree, tokenizer)[0]
    assert "".join(text for text, _ in shown) == tokenizer.decode(path(tree))
    assert "\ufffd" not in "".join(text for text, _ in shown)


def test_pieces_survive_a_character_cut_in_half():
    tokenizer = build("chatml", None)
    ids = tokenizer.encode("🙂🙂", add_special_tokens=False)
    tree = Tree([0], (Branch(ids[:-1], [True] * (len(ids) - 1)),))
    assert "".join(text for text, _ in pieces(tree, tokenizer)[0]) == tokenizer.decode([0, *ids[:-1]])


TREE = Tree([1, 2, 3, 4], (Branch([5, 6, 7], [True, False, True]), Branch([5, 8], [True, True])))


def test_fit_leaves_what_fits():
    for how in Truncation:
        assert fit(TREE, 7, how).tree is TREE


def test_fit_drop():
    assert fit(TREE, 6, "drop") == (fitted := fit(TREE, 1, "drop"))
    assert fitted.tree is None and fitted.reason == Reason.TOO_LONG


def test_fit_prompt_left():
    assert fit(TREE, 6, "prompt-left").tree == Tree([2, 3, 4], TREE.branches)
    assert fit(TREE, 6, "prompt-left", bos=1).tree == Tree([1, 3, 4], TREE.branches)
    assert fit(TREE, 4, "prompt-left", bos=1).tree == Tree([1], TREE.branches)
    assert fit(TREE, 4, "prompt-left").reason == Reason.PROMPT_CUT
    assert fit(TREE, 3, "prompt-left").reason == Reason.TOO_LONG


def test_fit_response_right():
    fitted = fit(TREE, 6, "response-right")
    assert fitted.tree == Tree(TREE.prompt, (Branch([5, 6], [True, False]), TREE.branches[1]))
    assert fitted.reason == Reason.RESPONSE_CUT
    assert fit(TREE, 5, "response-right").reason == Reason.SAME_AFTER_CUT
    assert fit(TREE, 4, "response-right").reason == Reason.TOO_LONG


@pytest.mark.parametrize("how", Truncation)
def test_what_came_in_is_what_went_on_plus_what_was_set_aside(how: Truncation):
    renderer = make_renderer(build("llama2", LLAMA2))
    records = [
        Record(user("a " * k), (reply("b " * (20 - k)), reply("c")), place=f"rows.jsonl:{k}")
        for k in range(1, 20)
    ]
    records.append(Record((Message("system", "s"),), (reply("a"),), place="rows.jsonl:20"))
    rendered = render_all(records, renderer, 24, how)
    assert len(rendered.trees) == len(rendered.records) == len(records) - rendered.aside.total()
    (refused,) = rendered.refused
    assert (refused.place, refused.reason) == ("rows.jsonl:20", "refused")
    assert "must alternate" in refused.words
    assert all(tree.longest <= 24 for tree in rendered.trees)
    changed = {Truncation.PROMPT_LEFT: Reason.PROMPT_CUT, Truncation.RESPONSE_RIGHT: Reason.RESPONSE_CUT}
    assert how not in changed or rendered.counts[changed[how]] > 0


@pytest.fixture
def conformance() -> Renderer:
    if not (CONFORMANCE / "policy").is_dir():
        pytest.skip("the shared conformance folder is not here")
    return make_renderer(AutoTokenizer.from_pretrained(CONFORMANCE / "policy"))


def test_rows_of_the_conformance_set_are_tokenised_as_by_the_peer(conformance: Renderer):
    """TRL: ids of the whole conversation after those of the prompt with its generation prompt."""
    tokenizer = conformance.encoder.tokenizer
    for line in (CONFORMANCE / "rows" / "pairs.jsonl").read_text().splitlines():
        row = json.loads(line)
        prompt, *replies = (
            tuple(Message(**turn) for turn in row[key]) for key in ("prompt", "chosen", "rejected")
        )
        rendering = conformance.render(Record(prompt, tuple(Response(turns) for turns in replies)))
        assert not rendering.counts
        head = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        assert rendering.tree.prompt == head
        for branch, key in zip(rendering.tree.branches, ("chosen", "rejected"), strict=True):
            whole = tokenizer.apply_chat_template(row["prompt"] + row[key], return_dict=False)
            assert [*head, *branch.tokens] == whole
            assert all(branch.scored)
            assert tokenizer.decode(branch.tokens).endswith("<|im_end|>\n")
