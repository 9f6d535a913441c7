"""A branch gets the logit the model gives its row alone: packed, padded, under LoRA, whatever the family."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from truing.config.recipe import Lora
from truing.core.errors import ConfigError, ModelError
from truing.data.packing import LAYOUTS, pack, pad
from truing.data.trees import Branch, Tree
from truing.kernels import attention
from truing.models.load import add_adapter, freeze_below, trainable
from truing.models.reward import RewardScorer, choose_reward_layout, last_tokens

CONFORMANCE = Path(__file__).parents[3] / "shared/conformance"
SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DISTIL = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
CTRL = {"n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4}
MODERN = {"cls_token_id": 1, "sep_token_id": 2}
# family, what is special about it, and the layout it must get
FAMILIES = {
    "llama, two queries per key": ("llama", {"num_key_value_heads": 2}, "trees"),
    "mistral, a window of four": ("mistral", {"num_key_value_heads": 2, "sliding_window": 4}, "trees"),
    "gemma2, soft caps": ("gemma2", {"head_dim": 8, "num_key_value_heads": 2}, "padded"),
    "gpt2, learned positions": ("gpt2", {}, "trees"),
    "opt, positions with an offset": ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32}, "trees"),
    "ctrl, padding told by its token": ("ctrl", {**CTRL, "pad_token_id": 1}, "padded"),
    "bert, a pooler": ("bert", {}, "padded"),
    "roberta, positions with an offset": ("roberta", {"pad_token_id": 1}, "padded"),
    "distilbert, two head layers": ("distilbert", DISTIL, "padded"),
    "modernbert, a window": ("modernbert", {**MODERN, "local_attention": 4}, "padded"),
}
EVERY_FAMILY = pytest.mark.parametrize(("family", "changes", "layout"), FAMILIES.values(), ids=FAMILIES)


def judge(family: str = "llama", *, seed: int = 0, labels: int = 1, **changes: object) -> PreTrainedModel:
    """A two-layer reward model in eval mode, with weights drawn from `seed`."""
    config = AutoConfig.for_model(family, **{**SIZES, **changes}, num_labels=labels)
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_config(config).eval()


def alone(model: PreTrainedModel, trees: list[Tree]) -> Tensor:
    """The textbook way: every response in a row of its own, without padding. [B]"""
    rows = [[*tree.prompt, *branch.tokens] for tree in trees for branch in tree.branches]
    return torch.cat([model(torch.tensor([row])).logits[:, 0] for row in rows])


def branch(*tokens: int) -> Branch:
    return Branch(tokens, [True] * len(tokens))


@EVERY_FAMILY
@pytest.mark.parametrize("root", [0, 16], ids=["", "prompts that begin alike"])
def test_every_layout_gives_the_models_own_scores_and_gradients(
    trees, measured, family, changes, layout, root
):
    trees = [replace(tree, prompt=[*range(3, 3 + root), *tree.prompt]) for tree in trees]
    model = judge(family, **changes)
    assert choose_reward_layout(RewardScorer(model))[0] == layout
    assert not model.training
    wanted = measured(model, lambda model: alone(model, trees))
    assert wanted.plain[0].std() > 0.01, "the branches differ enough to be told apart"
    for name in {"padded", layout}:
        got = RewardScorer(model, layout=name)(LAYOUTS[name](trees))
        assert got.shape == (6,)
        wanted.agree(got)


def test_the_score_is_that_of_the_last_token_not_of_the_one_before():
    model = judge()
    one, other = Tree([5, 6], (branch(7, 8),)), Tree([5, 6], (branch(7, 9),))
    for name, layout in LAYOUTS.items():
        first, second = RewardScorer(model, layout=name)(layout([one, other]))
        assert (first - second).abs() > 0.01


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_where_the_last_tokens_stand(layout):
    # 9 is the pad token. Padded rows are 5 wide; packed, the second tree starts at 8.
    trees = [Tree([1, 2], (branch(3, 4), branch(5, 9), branch(9, 9))), Tree([9, 7], (branch(9, 6, 8),))]
    padded = layout is pad
    plain = [3, 8, 13, 19] if padded else [3, 5, 7, 12]
    assert last_tokens(layout(trees), None).tolist() == plain
    over = [3, 7, 11, 19] if padded else [3, 4, 1, 12]
    assert last_tokens(layout(trees), 9).tolist() == over


def test_a_branch_of_padding_is_passed_over_into_what_its_prompt_shares():
    root = [1, 2] * 16
    trees = [Tree([*root, 9, 9], (branch(9, 9), branch(9, 3))), Tree(root, (branch(9),))]
    assert last_tokens(pack(trees), 9).tolist() == [31, 37, 31]
    assert last_tokens(pack(trees), None).tolist() == [35, 37, 38]
    nothing = [Tree([9] * 32, (branch(9),)), Tree([9] * 33, (branch(9),))]
    assert last_tokens(pack(nothing), 9).tolist() == [0, 0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_pad_token_that_is_also_an_end_token_is_passed_over_as_transformers_does(name):
    """Such a head was trained to read the token before; the third branch is nothing but padding."""
    model = judge(pad_token_id=2)
    trees = [
        Tree([1, 5, 6], (branch(7, 2), branch(8, 2, 9, 2), branch(2, 2))),
        Tree([2, 2], (branch(2), branch(4, 2))),
    ]
    scores = RewardScorer(model, layout=name)(LAYOUTS[name](trees))
    torch.testing.assert_close(scores, alone(model, trees), atol=1e-5, rtol=1e-5)
    without = [Tree([1, 5, 6], (branch(7),))]
    torch.testing.assert_close(scores[:1], alone(model, without), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_an_adapter_and_its_trained_head_are_scored(trees, family):
    base = judge(family)
    before = RewardScorer(base)(pad(trees))
    model = add_adapter(base, Lora(r=2), dropout=False, seed=0, trained=torch.float32, task="SEQ_CLS")
    heads = [name for name in trainable(model) if "lora_" not in name]
    assert all("modules_to_save" in name for name in heads)
    assert {name.split(".")[2] for name in heads} == {"score" if family == "llama" else "classifier"}
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.1)
    scorer = RewardScorer(model.eval())
    scorer.layout, _ = choose_reward_layout(scorer)
    assert scorer.layout == ("trees" if family == "llama" else "padded")
    got = scorer(LAYOUTS[scorer.layout](trees))
    torch.testing.assert_close(got, alone(scorer.inner, trees), atol=1e-5, rtol=1e-5)
    assert (got - before).abs().mean() > 0.05
    got.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in trainable(model).values())
    with model.disable_adapter():
        torch.testing.assert_close(RewardScorer(model)(pad(trees)), before)


def test_a_head_of_two_layers_can_have_an_adapter_below():
    model = judge("distilbert", **DISTIL)
    adapted = add_adapter(model, Lora(r=2), dropout=False, seed=0, trained=torch.float32, task="SEQ_CLS")
    assert {n.split(".")[2] for n in trainable(adapted) if "lora_" not in n} == {
        "pre_classifier",
        "classifier",
    }


def test_padding_asked_for_is_padding():
    assert choose_reward_layout(RewardScorer(judge()), "padded") == ("padded", "asked for by the recipe")


def test_why_rows_are_padded_is_said():
    _, reason = choose_reward_layout(RewardScorer(judge("bert")))
    assert reason == "BertForSequenceClassification pools its rows itself"
    _, reason = choose_reward_layout(RewardScorer(judge("gemma2", head_dim=8)))
    assert reason == "Gemma2ForSequenceClassification does not take a tree mask"


def test_attention_that_ignores_the_spans_is_found_out(monkeypatch):
    def causal(module, query, key, value, mask, *, scaling=None, **_):
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
        return mixed.transpose(1, 2), None

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, attention.TREES, causal)
    for autocast in (None, torch.bfloat16):
        layout, reason = choose_reward_layout(RewardScorer(judge(), autocast=autocast))
        assert layout == "padded"
        assert "packed and plain scores differ by" in reason


def test_a_model_that_refuses_the_spans_is_padded(refuse_spans):
    model = judge()
    refuse_spans(model)
    layout, reason = choose_reward_layout(RewardScorer(model))
    assert layout == "padded"
    assert "LlamaForSequenceClassification cannot run packed trees" in reason


def test_logits_nobody_told_us_about_stop_the_run(monkeypatch):
    model = judge()
    forward = type(model).forward

    def doubled(self, *args, **kwargs):
        out = forward(self, *args, **kwargs)
        out.logits = out.logits * 2
        return out

    monkeypatch.setattr(type(model), "forward", doubled)
    for asked in ("auto", "padded"):
        with pytest.raises(ModelError, match="scores a padded row otherwise than the row alone"):
            choose_reward_layout(RewardScorer(model), asked)


def test_choosing_a_layout_leaves_the_model_as_it_was():
    scorer = RewardScorer(judge())
    before = scorer.inner.config._attn_implementation
    scorer.train()
    choose_reward_layout(scorer)
    assert scorer.model.training
    assert scorer.inner.config._attn_implementation == before
    assert all(parameter.grad is None for parameter in scorer.parameters())


def test_the_check_does_not_depend_on_the_size_of_the_head():
    for factor in (0.0, 1e-3, 1e3):
        model = judge()
        model.score.weight.data *= factor
        assert choose_reward_layout(RewardScorer(model))[0] == "trees"


def test_more_than_one_label_is_no_reward_model():
    with pytest.raises(ModelError, match="LlamaForSequenceClassification has 3 labels"):
        RewardScorer(judge(labels=3))


def test_every_weight_is_listed_once_under_the_name_of_the_model():
    model = judge()
    assert dict(RewardScorer(model).named_parameters()).keys() == {
        f"model.{name}" for name, _ in model.named_parameters()
    }


def test_a_model_in_bfloat16_still_packs():
    assert choose_reward_layout(RewardScorer(judge().bfloat16()))[0] == "trees"
    assert choose_reward_layout(RewardScorer(judge(), autocast=torch.bfloat16))[0] == "trees"


def test_the_head_multiplies_in_its_own_format_under_autocast(trees):
    exact = RewardScorer(judge(), layout="trees")(pack(trees))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(RewardScorer(judge(), layout="trees")(pack(trees)), exact)
    low = RewardScorer(judge(), layout="trees", autocast=torch.bfloat16)(pack(trees))
    assert low.dtype is torch.float32
    assert 0 < (low - exact).abs().mean() < 0.15 * exact.std()
    assert not torch.equal(low, low.bfloat16().float()), "the product itself is not rounded"


@pytest.mark.parametrize(
    ("family", "changes", "wanted"),
    [
        ("llama", {}, {"model.layers.1.", "model.norm.", "score."}),
        ("gpt2", {}, {"transformer.h.1.", "transformer.ln_f.", "score."}),
        (
            "opt",
            {"ffn_dim": 48, "word_embed_proj_dim": 32},
            {"model.decoder.layers.1.", "model.decoder.final_layer_norm.", "score."},
        ),
        ("bert", {}, {"bert.encoder.layer.1.", "bert.pooler.", "classifier."}),
        ("distilbert", DISTIL, {"distilbert.transformer.layer.1.", "pre_classifier.", "classifier."}),
        ("modernbert", MODERN, {"model.layers.1.", "model.final_norm.", "head.", "classifier."}),
        (
            "phimoe",
            {"num_key_value_heads": 2, "num_local_experts": 2},
            {"model.layers.1.", "model.norm.", "score."},
        ),
    ],
)
def test_top_layers_train_what_is_above_them_and_the_head(family, changes, wanted):
    model = judge(family, **changes)
    freeze_below(model, 1, head=True)
    names = {name for name, _ in model.named_parameters() if name.startswith(tuple(wanted))}
    assert set(trainable(model)) == names
    assert all(any(name.startswith(part) for name in names) for part in wanted)
    freeze_below(model, 0, head=True)
    assert set(trainable(model)) == {name for name in names if ".1." not in name}


def test_more_layers_than_there_are_is_a_mistake_in_the_recipe():
    with pytest.raises(ConfigError, match="top_layers is 3, but the model has 2 layers"):
        freeze_below(judge(), 3, head=True)
    with pytest.raises(ModelError, match="AlbertForSequenceClassification has no list of layers"):
        freeze_below(judge("albert"), 1, head=True)


@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason=f"the peer's numbers are not here: {CONFORMANCE}")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hyper", [{}, {"margin": True}, {"center_rewards_coefficient": 0.01}], ids=str)
def test_bradley_terry_is_trls(layout, hyper):
    """-log sigmoid(r_w - r_l - margin) + c (r_w + r_l)^2, MISSION.md section 2, as TRL 1.16 computed it."""
    cases = json.loads((CONFORMANCE / "cases.json").read_text())["cases"]
    (case,) = [case for case in cases if (case["method"], case["hyper"]) == ("reward", hyper)]
    tokenizer = AutoTokenizer.from_pretrained(CONFORMANCE / "reward")
    rows = [json.loads(line) for line in (CONFORMANCE / "rows/pairs.jsonl").read_text().splitlines()]

    def tree(row: dict[str, list]) -> Tree:
        prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        sides = [
            tokenizer.apply_chat_template(row["prompt"] + row[side], tokenize=False)
            for side in ("chosen", "rejected")
        ]
        parts = [tokenizer(side.removeprefix(prompt), add_special_tokens=False).input_ids for side in sides]
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        return Tree(ids, tuple(branch(*part) for part in parts))

    model = AutoModelForSequenceClassification.from_pretrained(CONFORMANCE / "reward", dtype=torch.float32)
    scores = RewardScorer(model.eval(), layout=layout)(LAYOUTS[layout]([tree(row) for row in rows]))
    chosen, rejected = scores[0::2], scores[1::2]
    margin = torch.tensor([row["margin"] for row in rows]) if "margin" in hyper else 0.0
    centre = hyper.get("center_rewards_coefficient", 0.0)
    loss = (-logsigmoid(chosen - rejected - margin) + centre * (chosen + rejected).square()).mean()
    loss.backward()
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    assert norm.item() == pytest.approx(case["grad_norm"], rel=1e-5)
