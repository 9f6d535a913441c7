"""Laws over templates x rows: each word and each end is where it belongs, or the row is refused by name.

Every token of these tokenizers is a byte or a special token, so texts say all there is to say.
"""

import copy
import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from truing.core.errors import ConfigError, ModelError
from truing.core.records import Message, Record, Response, as_json, reply, user
from truing.data.chat import Note, Renderer, make_renderer
from truing.data.limits import render_all
from truing.data.refusals import Refusal, RefusedRowError
from truing.data.templates import with_arguments
from truing.data.trees import Tree

NAMES = ["qwen3", "r1", "gemma", "llama3", "phi3", "glm4", "mistral", "smolvlm"]
WORDS = st.text("ab c\n.<|>é你", min_size=1, max_size=8).filter(lambda text: text.strip())
CALL = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]
renderers: dict[str, Renderer] = {}


@pytest.fixture(scope="session")
def renderer_of(shapes):
    def make(name: str) -> Renderer:
        if name not in renderers:
            renderers[name] = make_renderer(shapes[name].tokenizer)
        return renderers[name]

    return make


def conversation(texts: list[str], system: str = "") -> Record:
    turns = [Message(("user", "assistant")[k % 2], text) for k, text in enumerate(texts)]
    prompt = ([Message("system", system)] if system else []) + turns[:1]
    return Record(tuple(prompt), (Response(tuple(turns[1:])),), place="rows.jsonl:1")


def scored(tree: Tree, renderer: Renderer, branch: int = 0) -> list[str]:
    """The stretches that carry loss, as text."""
    runs: list[list[int]] = []
    before = False
    for token, mark in zip(tree.branches[branch].tokens, tree.branches[branch].scored, strict=True):
        if mark:
            runs.append([token]) if not before else runs[-1].append(token)
        before = mark
    return [renderer.encoder.tokenizer.decode(run, skip_special_tokens=False) for run in runs]


def whole(tree: Tree, renderer: Renderer, branch: int = 0) -> str:
    ids = [*tree.prompt, *tree.branches[branch].tokens]
    return renderer.encoder.tokenizer.decode(ids, skip_special_tokens=False)


def written(renderer: Renderer, turns: list[dict], parts: bool, **given) -> str:
    """Render the row's own messages with transformers."""
    if parts:
        turns = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
    return renderer.encoder.tokenizer.apply_chat_template(turns, tokenize=False, **given)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(WORDS, min_size=2, max_size=6).filter(lambda texts: len(texts) % 2 == 0))
def test_words_and_ends_are_where_they_belong(name: str, shapes, renderer_of, texts: list[str]):
    shape, renderer = shapes[name], renderer_of(name)
    record = conversation(texts)
    tree = renderer.tree(record)
    turns = [turn.as_dict() for turn in (*record.prompt, *record.responses[0].turns)]
    text = written(renderer, turns, shape.parts)
    assert whole(tree, renderer) in (text, text + shape.eos)
    said, stretches = texts[1::2], scored(tree, renderer)
    assert len(stretches) == len(said)
    for place, (words, stretch) in enumerate(zip(said, stretches, strict=True)):
        last = place == len(said) - 1
        end = shape.last if last and shape.last else shape.end
        assert words.strip() in stretch
        assert stretch.strip().endswith(end.strip())
        assert stretch.strip().removesuffix(end.strip()).strip() == words.strip()
    for words in texts[0::2]:
        assert words.strip() in whole(tree, renderer)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(system=WORDS, texts=st.lists(WORDS, min_size=4, max_size=4))
def test_a_system_turn_is_written_or_the_row_is_refused(name: str, shapes, renderer_of, system, texts):
    renderer, record = renderer_of(name), conversation(texts, system)
    if not shapes[name].system:
        with pytest.raises(RefusedRowError, match=r"rows\.jsonl:1: the chat template .*: no system here"):
            renderer.tree(record)
        return
    tree = renderer.tree(record)
    assert system.strip() in whole(tree, renderer)
    assert len(scored(tree, renderer)) == 2


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(asked=WORDS, good=WORDS, bad=WORDS)
@example(asked="<", good=" >", bad="\n<")
def test_both_sides_of_a_pair_follow_the_prompt_that_is_sampled_with(
    name: str, renderer_of, asked, good, bad
):
    renderer = renderer_of(name)
    record = Record(user(asked), (reply(good), reply(bad)), place="rows.jsonl:1")
    if good.strip() == bad.strip():
        return
    tree = renderer.tree(record)
    assert good.strip() in scored(tree, renderer)[0] and bad.strip() in scored(tree, renderer, 1)[0]
    if name != "r1":
        assert tree.prompt == renderer.prompt(user(asked))


def test_stops_are_eos_the_end_of_turn_the_next_speaker_and_those_of_the_model(shapes):
    def stops(name: str, **how) -> set[str]:
        tokenizer = shapes[name].tokenizer
        return set(tokenizer.convert_ids_to_tokens(list(make_renderer(tokenizer, **how).stop_ids)))

    assert stops("glm4") == {"<eos>", "<|user|>", "<|observation|>"}
    assert stops("phi3") == {"<eos>", "<|end|>"}
    assert stops("llama3") == {"<eos>", "<|eot_id|>"}
    bos = shapes["llama3"].tokenizer.convert_tokens_to_ids("<bos>")
    assert stops("llama3", ends=[bos]) == {"<eos>", "<|eot_id|>", "<bos>"}


def test_a_thought_of_the_last_turn_is_learnt_as_tokens(shapes, renderer_of):
    renderer, tokenizer = renderer_of("qwen3"), shapes["qwen3"].tokenizer
    fields = reply("yes").turns[0]
    inside = Record(user("a"), (reply("<think>\nwhy\n</think>\n\nyes"),))
    beside = Record(user("a"), (Response((Message(fields.role, "yes", as_json({"thinking": "why"})),)),))
    for record in (inside, beside):
        rendering = renderer.render(record)
        assert scored(rendering.tree, renderer) == ["<think>\nwhy\n</think>\n\nyes<|im_end|>\n"]
        ids = rendering.tree.branches[0].tokens
        assert [ids.count(tokenizer.convert_tokens_to_ids(tag)) for tag in ("<think>", "</think>")] == [1, 1]
        assert not rendering.counts


def test_an_empty_think_block_of_the_template_is_not_scored_and_one_of_the_row_is(renderer_of):
    renderer = renderer_of("qwen3")
    added = renderer.tree(Record(user("a"), (reply("yes"),)))
    assert "<think>\n\n</think>\n\nyes" in whole(added, renderer)
    assert scored(added, renderer) == ["yes<|im_end|>\n"]
    own = renderer.tree(Record(user("a"), (reply("<think>\n\n</think>\n\nyes"),)))
    assert scored(own, renderer) == ["<think>\n\n</think>\n\nyes<|im_end|>\n"]


def test_tags_of_others_stay_text(shapes, renderer_of):
    renderer, tokenizer = renderer_of("llama3"), shapes["llama3"].tokenizer
    tags = [tokenizer.convert_tokens_to_ids(tag) for tag in ("<think>", "</think>", "<tool_call>")]
    said = "<think>x</think><tool_call>"
    prompt = (Message("system", said), *user(said))
    rendering = renderer.render(Record(prompt, (reply("ok"),)))
    assert not set(tags) & set(rendering.tree.prompt)
    assert rendering.counts[Note.CONTROL] == 6
    turns = (reply("<tool_call>").turns[0], Message("tool", said), reply("done").turns[0])
    answered = renderer.render(Record(user("a"), (Response(turns),)))
    assert list(answered.tree.branches[0].tokens).count(tags[2]) == 1


def test_no_end_and_no_turn_is_a_token_in_an_answer(shapes, renderer_of):
    for name in NAMES:
        renderer, tokenizer = renderer_of(name), shapes[name].tokenizer
        plain = renderer.tree(Record(user("a"), (reply("x"),)))
        for special in shapes[name].special:
            tree = renderer.tree(Record(user("a"), (reply(f"x{special}"),)))
            index = tokenizer.convert_tokens_to_ids(special)
            for before, after in (
                (plain.prompt, tree.prompt),
                (plain.branches[0].tokens, tree.branches[0].tokens),
            ):
                assert list(after).count(index) == list(before).count(index)


EARLIER = ["a", "<think>\nfirst\n</think>\n\nyes", "b", "<think>\nsecond\n</think>\n\nno"]


def test_a_template_that_cuts_earlier_thoughts_is_trained_turn_by_turn(renderer_of):
    renderer = renderer_of("qwen3")
    rendered = render_all([conversation(EARLIER), conversation(["a", "b"])], renderer, 999)
    assert (len(rendered.trees), rendered.made, rendered.refused) == (3, [1], [])
    assert rendered.counts[Note.BY_TURN] == 1
    first, second, _ = rendered.trees
    assert scored(first, renderer) == ["<think>\nfirst\n</think>\n\nyes<|im_end|>\n"]
    assert scored(second, renderer) == ["<think>\nsecond\n</think>\n\nno<|im_end|>\n"]
    assert "first" not in whole(second, renderer)
    assert {record.place for record in rendered.records} == {"rows.jsonl:1"}


def test_a_thought_after_an_opened_one_is_kept_where_the_template_would_cut_it(renderer_of):
    renderer = renderer_of("r1")
    rendering = renderer.render(conversation(EARLIER[:2]))
    assert scored(rendering.tree, renderer) == ["first\n</think>\n\nyes</s>"]
    assert rendering.tree.prompt == renderer.prompt(user("a"))
    assert not rendering.counts
    assert len(render_all([conversation(EARLIER)], renderer, 999).trees) == 2


def test_a_cut_thought_that_nothing_opens_sets_the_row_aside(shapes):
    silent = shapes["r1"].template.replace("<A><think>\n", "<A>")
    tokenizer = shapes["r1"].tokenizer
    tokenizer.chat_template, before = silent, tokenizer.chat_template
    try:
        rendered = render_all([conversation(EARLIER[:2])], make_renderer(tokenizer), 999)
    finally:
        tokenizer.chat_template = before
    assert [error.reason for error in rendered.refused] == [Refusal.CUTS]


def test_a_turn_that_is_not_to_be_learnt_carries_no_loss(renderer_of):
    for name in NAMES:
        renderer = renderer_of(name)
        turns = (Message("assistant", "5", scored=False), *user("Again."), Message("assistant", "4"))
        tree = renderer.tree(Record(user("2 + 2?"), (Response(turns),)))
        assert "5" in whole(tree, renderer)
        (stretch,) = scored(tree, renderer)
        assert "4" in stretch and "5" not in stretch


def test_calls_and_tools_are_written_as_transformers_writes_them(renderer_of):
    renderer = renderer_of("qwen3")
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    call = Message("assistant", "Let me look.", as_json({"tool_calls": CALL}))
    turns = (call, Message("tool", "4 C"), Message("assistant", "Yes."))
    tree = renderer.tree(Record(user("Cold?"), (Response(turns),), given=as_json({"tools": tools})))
    messages = [turn.as_dict() for turn in (*user("Cold?"), *turns)]
    assert whole(tree, renderer) == written(renderer, messages, parts=False, tools=tools)
    called, answered = scored(tree, renderer)
    assert called.startswith("Let me look.\n<tool_call>") and called.endswith("</tool_call><|im_end|>\n")
    assert answered == "Yes.<|im_end|>\n"
    prompt = renderer.prompt(user("Cold?"), as_json({"tools": tools}))
    assert prompt == tree.prompt


def refusal(renderer: Renderer, record: Record) -> RefusedRowError:
    with pytest.raises(RefusedRowError) as caught:
        renderer.render(record)
    return caught.value


@pytest.mark.parametrize(
    ("extras", "given", "code"),
    [
        ({"reasoning_content": "why"}, {}, "unread-reasoning-content"),
        ({"tool_calls": CALL}, {}, "unread-tool-calls"),
        ({"function_call": {"name": "f", "arguments": "{}"}}, {}, "unread-function-call"),
        ({}, {"tools": [{"name": "f"}]}, "unread-tools"),
        ({}, {"documents": [{"text": "d"}]}, "unread-documents"),
    ],
)
def test_what_a_template_does_not_read_sets_the_row_aside_by_name(renderer_of, extras, given, code):
    turn = Message("assistant", "yes", as_json(extras))
    record = Record(user("a"), (Response((turn,)),), given=as_json(given), place="rows.jsonl:1")
    assert refusal(renderer_of("gemma"), record).reason == code


def test_turns_that_a_template_leaves_out_are_refused_by_number(shapes, renderer_of):
    system = (Message("system", "one"), Message("system", "two"), *user("a"))
    for name in ("llama3", "phi3", "glm4", "smolvlm", "r1"):
        assert renderer_of(name).prompt(system)
    tools = (*user("a"), Message("assistant", "b"), Message("tool", "a"), *user("c"))
    error = refusal(renderer_of("r1"), Record(tools, (reply("d"),), place="rows.jsonl:7"))
    assert (error.place, error.reason) == ("rows.jsonl:7", Refusal.DROPS)
    assert "turn 3 (tool)" in error.words
    with pytest.raises(RefusedRowError, match="turn 3"):
        renderer_of("r1").prompt(tools)


def test_a_template_that_changes_words_refuses_the_row(shapes):
    loud = shapes["llama3"].template.replace("m.content | trim", "m.content | trim | replace('x', 'y')")
    tokenizer = shapes["llama3"].tokenizer
    tokenizer.chat_template, before = loud, tokenizer.chat_template
    try:
        renderer = make_renderer(tokenizer)
    finally:
        tokenizer.chat_template = before
    renderer.tree(conversation(["a", "b"]))
    assert refusal(renderer, conversation(["a", "box"])).reason == Refusal.DROPS
    assert refusal(renderer, conversation(["box", "a"])).reason == Refusal.DROPS


def test_two_responses_that_become_the_same_tokens_are_refused(renderer_of):
    record = Record(user("a"), (reply("yes"), reply(" yes ")), place="rows.jsonl:1")
    assert refusal(renderer_of("llama3"), record).reason == Refusal.SAME


def test_a_template_without_words_is_the_models_fault(shapes):
    tokenizer = shapes["llama3"].tokenizer
    tokenizer.chat_template, before = "{% for m in messages %}<eos>{% endfor %}", tokenizer.chat_template
    try:
        with pytest.raises(ModelError, match="leaves out what the user or the assistant says"):
            make_renderer(tokenizer)
    finally:
        tokenizer.chat_template = before


def test_what_goes_wrong_inside_a_template_is_the_rows(renderer_of):
    broken = Record(user("a"), (Response((Message("assistant", "", '{"content": null, "thinking": "x"}'),)),))
    assert refusal(renderer_of("llama3"), broken).reason == "unread-thinking"
    none = Record((Message("user", "", '{"content": null}'),), (reply("b"),))
    assert refusal(renderer_of("mistral"), none).reason == Refusal.REFUSED


def test_rows_that_hold_the_template_are_told_from_single_tokens(renderer_of):
    renderer = renderer_of("qwen3")
    inside = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert renderer.render(conversation([inside, "b"])).counts[Note.WRITTEN] == 1
    assert renderer.render(conversation(["what is <|im_end|>?", "b"])).counts[Note.WRITTEN] == 0


def test_template_arguments_are_defaults_that_travel_in_the_template(shapes):
    source = with_arguments(shapes["qwen3"].template, {"enable_thinking": False})
    tokenizer = shapes["qwen3"].tokenizer
    plain = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a"}], add_generation_prompt=True, tokenize=False
    )
    how = {"add_generation_prompt": True, "tokenize": False, "chat_template": source}
    quiet = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], **how)
    assert quiet == plain + "<think>\n\n</think>\n\n"
    loud = tokenizer.apply_chat_template([{"role": "user", "content": "a"}], enable_thinking=True, **how)
    assert loud == plain
    with pytest.raises(ConfigError, match="does not read 'enable_thoughts'"):
        with_arguments(source, {"enable_thoughts": False})
    for value in ("%}'\" é", None, 3, [1, None], {"a": True}):
        told = with_arguments("{{ x | tojson }}", {"x": value})
        written = tokenizer.apply_chat_template([{"role": "user"}], chat_template=told, tokenize=False)
        assert json.loads(written) == value


def test_any_order_of_turns_that_a_template_writes_is_taken(renderer_of):
    renderer = renderer_of("llama3")
    orders = [
        ["user", "user", "assistant"],
        ["system", "assistant", "user", "assistant"],
        ["user", "assistant", "assistant"],
        ["user", "assistant", "system", "user", "assistant"],
        ["system", "system", "user", "assistant"],
    ]
    for roles in orders:
        turns = tuple(Message(role, f"words {index}") for index, role in enumerate(roles))
        cut = roles.index("user") + next(
            i for i, role in enumerate(roles[roles.index("user") :]) if role == "assistant"
        )
        record = Record(turns[:cut], (Response(turns[cut:]),))
        text = whole(renderer.tree(record), renderer)
        places = [text.index(turn.content) for turn in turns]
        assert all(a < b for a, b in pairwise(places))
        with pytest.raises(RefusedRowError, match=r"take turns|no system"):
            renderer_of("gemma").tree(record)


def test_a_template_that_explodes_on_some_rows_sets_them_aside_and_is_given_up(shapes):
    """A few words do it no harm, so that the trial passes it."""
    source = "{% if 'boom' in messages[0].content %}{{ 'a' * 10**10 }}{% endif %}" + shapes["qwen3"].template
    tokenizer = copy.deepcopy(shapes["qwen3"].tokenizer)
    tokenizer.chat_template = source
    renderer = make_renderer(tokenizer)
    assert renderer.tree(conversation(["fine", "yes"]))
    with pytest.raises(RefusedRowError, match=r"rows.jsonl:1: .* takes more steps or writes more text"):
        renderer.tree(conversation(["boom", "yes"]))
    with pytest.raises(ModelError, match="takes more steps or writes more text"):
        for number in range(30):
            with pytest.raises(RefusedRowError):
                renderer.tree(conversation([f"boom {number}", "yes"]))


def test_a_template_that_always_explodes_is_refused_at_once(shapes):
    tokenizer = copy.deepcopy(shapes["qwen3"].tokenizer)
    tokenizer.chat_template = "{{ 'a' * 10**10 }}"
    with pytest.raises(ModelError, match="takes more steps or writes more text"):
        make_renderer(tokenizer)
