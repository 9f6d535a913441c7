"""Packed trees, padded rows and the model's own logits say the same, for every family with a twist."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from truing.core.errors import ModelError
from truing.data.packing import LAYOUTS, pack, split_into_passes
from truing.data.trees import Branch, Tree
from truing.kernels import attention
from truing.models.scoring import Scorer, choose_layout, head_of

# family, what is special about it, and the layout it must get
FAMILIES = {
    "llama, two queries per key": ("llama", {}, "trees"),
    "llama, tied embeddings": ("llama", {"tie_word_embeddings": True}, "trees"),
    "qwen2, biases": ("qwen2", {}, "trees"),
    "qwen3, normalised queries": ("qwen3", {"head_dim": 16}, "trees"),
    "mistral, a window of four": ("mistral", {"sliding_window": 4}, "trees"),
    "gemma2, soft caps": (
        "gemma2",
        {"head_dim": 8, "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0, "sliding_window": 4},
        "padded",
    ),
    "gemma3, window in some layers": (
        "gemma3_text",
        {"head_dim": 8, "sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]},
        "trees",
    ),
    "cohere, scaled logits": ("cohere", {"logit_scale": 0.25}, "trees"),
    "granite, divided logits": ("granite", {"logits_scaling": 4.0}, "trees"),
    "gpt2, learned positions": ("gpt2", {}, "trees"),
    "opt, positions with an offset": ("opt", {}, "trees"),
}
EVERY_FAMILY = pytest.mark.parametrize(("family", "changes", "layout"), FAMILIES.values(), ids=FAMILIES)


def plain(model: PreTrainedModel, trees: list[Tree]) -> Tensor:
    """The textbook way: every response in a row of its own, without padding. [N]"""
    found = []
    for tree in trees:
        for branch in tree.branches:
            tokens = torch.tensor([[*tree.prompt, *branch.tokens]])
            logps = model(tokens).logits[0, :-1].log_softmax(-1).gather(1, tokens[0, 1:, None])[:, 0]
            found.append(logps[len(tree.prompt) - 1 :][torch.tensor(branch.scored)])
    return torch.cat(found)


@EVERY_FAMILY
@pytest.mark.parametrize("root", [0, 16], ids=["", "prompts that begin alike"])
def test_every_layout_gives_the_models_own_numbers_and_gradients(
    tiny, trees, measured, family, changes, layout, root
):
    trees = [replace(tree, prompt=[*range(3, 3 + root), *tree.prompt]) for tree in trees]
    model = tiny(family, **changes)
    if family == "llama":
        nn.init.normal_(model.get_output_embeddings().weight)
    assert choose_layout(Scorer(model))[0] == layout
    assert not model.training
    wanted = measured(model, lambda model: plain(model, trees))
    for name in {"padded", layout}:
        wanted.agree(Scorer(model)(LAYOUTS[name](trees)).logps)


def test_what_is_wrong_by_a_hundred_thousandth_is_told_from_rounding(tiny, trees, measured):
    model = tiny()
    wanted = measured(model, lambda model: plain(model, trees))
    wanted.agree(plain(model, trees))
    with pytest.raises(AssertionError, match="from float64"):
        wanted.agree(plain(model, trees) * (1 + 1e-5))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tokens_per_pass", [1, 15, 30])
def test_how_trees_share_passes_changes_nothing(tiny, trees, layout, tokens_per_pass):
    scorer = Scorer(tiny())
    whole = scorer(LAYOUTS[layout](trees)).logps
    sizes = [sum(branch.count for branch in tree.branches) for tree in trees]
    for group in split_into_passes(trees, tokens_per_pass, layout):
        apart = scorer(LAYOUTS[layout]([trees[i] for i in group])).logps
        expected = torch.cat([whole.split(sizes)[i] for i in group])
        torch.testing.assert_close(apart, expected, atol=1e-5, rtol=1e-5)


def test_a_window_reaches_from_a_branch_back_into_its_prompt(tiny):
    # The prompt alone is longer than the window, so both the trunk and the second branch need it.
    tree = Tree(list(range(3, 15)), tuple(Branch([b, 8, 9, 10, 11, 12], [True] * 6) for b in (5, 6)))
    narrow, wide = tiny("mistral", sliding_window=4), tiny("mistral", sliding_window=None)
    packed = Scorer(narrow)(pack([tree])).logps
    torch.testing.assert_close(packed, plain(narrow, [tree]), atol=1e-5, rtol=1e-5)
    assert (packed - plain(wide, [tree])).abs().mean() > 0.1, "here the window matters"


def test_entropy_is_that_of_the_next_token(tiny, trees):
    model = tiny()
    found = Scorer(model)(pack(trees[1:2]), entropy=True).entropy
    assert found is not None
    logps = model(torch.tensor([trees[1].prompt])).logits[0, -1].log_softmax(-1)
    torch.testing.assert_close(found, -(logps.exp() * logps).sum()[None])


def test_padding_asked_for_is_padding(tiny):
    assert choose_layout(Scorer(tiny()), "padded") == ("padded", "asked for by the recipe")


def test_soft_capped_attention_is_padded_and_says_so(tiny):
    _, reason = choose_layout(Scorer(tiny("gemma2", head_dim=8)))
    assert reason == "Gemma2ForCausalLM does not take a tree mask"


def test_attention_that_ignores_the_spans_is_found_out(tiny, monkeypatch):
    def causal(module, query, key, value, mask, *, scaling=None, **_):
        key, value = (part.repeat_interleave(2, dim=1) for part in (key, value))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
        return mixed.transpose(1, 2), None

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, attention.TREES, causal)
    layout, reason = choose_layout(Scorer(tiny()))
    assert layout == "padded"
    assert "packed and plain log-probabilities differ by" in reason


def test_a_model_that_refuses_the_spans_is_padded(tiny, refuse_spans):
    model = tiny()
    refuse_spans(model)
    layout, reason = choose_layout(Scorer(model))
    assert layout == "padded"
    assert "LlamaForCausalLM cannot run packed trees" in reason
    assert "spans" in reason


def test_a_window_kept_to_the_mask_is_padded_though_short_rows_never_show_it(tiny):
    # PhiMoE draws its window into the mask and hands attention none; 100 is longer than any trial row.
    windowed = tiny("phimoe", sliding_window=100, num_local_experts=2)
    layout, reason = choose_layout(Scorer(windowed))
    assert layout == "padded"
    assert "its sliding_attention is not handed to the attention function" in reason
    assert choose_layout(Scorer(tiny("phimoe", sliding_window=None, num_local_experts=2)))[0] == "trees"


def test_logits_nobody_told_us_about_stop_the_run(tiny, monkeypatch):
    model = tiny()
    forward = type(model).forward

    def doubled(self, *args, **kwargs):
        out = forward(self, *args, **kwargs)
        out.logits = out.logits * 2
        return out

    monkeypatch.setattr(type(model), "forward", doubled)
    for asked in ("auto", "padded"):
        with pytest.raises(ModelError, match="does something to its logits that truing does not know"):
            choose_layout(Scorer(model), asked)


def test_choosing_a_layout_leaves_the_model_as_it_was(tiny):
    scorer = Scorer(tiny())
    before = scorer.model.config._attn_implementation
    scorer.train()
    choose_layout(scorer)
    assert scorer.model.training
    assert scorer.model.config._attn_implementation == before, "sampling runs the model's own attention"
    assert all(parameter.grad is None for parameter in scorer.parameters())


def test_a_head_that_is_not_linear_is_named(tiny):
    model = tiny()
    model.lm_head = nn.Bilinear(2, 2, 2)
    with pytest.raises(ModelError, match="LlamaForCausalLM has no linear output head"):
        head_of(model)


def test_products_run_in_the_asked_format_whatever_surrounds_the_call(tiny, trees):
    exact = Scorer(tiny())(pack(trees)).logps
    with torch.autocast("cpu", torch.bfloat16):
        inside = Scorer(tiny())(pack(trees)).logps
    assert torch.equal(inside, exact), "no autocast was asked for"
    low = Scorer(tiny(), autocast=torch.bfloat16)(pack(trees)).logps
    assert 0 < (low - exact).abs().mean() < 0.15
    assert low.dtype is torch.float32


def test_a_model_in_bfloat16_still_packs(tiny):
    assert choose_layout(Scorer(tiny().bfloat16()))[0] == "trees"
    assert choose_layout(Scorer(tiny(), autocast=torch.bfloat16))[0] == "trees"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_is_seen_by_the_next_pass_even_inside_another_autocast(tiny, trees, layout):
    """Autocast keeps the bf16 copy of a weight until the outermost one ends: after a step it is stale."""
    scorer, batch = Scorer(tiny(), autocast=torch.bfloat16), LAYOUTS[layout](trees)
    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        before = scorer(batch).logps
        before.sum().backward()
        optimizer.step()
        after = scorer(batch).logps
    fresh = tiny(seed=1)
    fresh.load_state_dict(scorer.model.state_dict())
    assert torch.equal(after, Scorer(fresh, autocast=torch.bfloat16)(batch).logps)
    assert (after - before).abs().mean() > 0.1, "the step was large enough to notice"
