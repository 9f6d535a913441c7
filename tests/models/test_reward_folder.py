"""Reward folders open with the same scores, whoever wrote the head and whoever opens them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from truing.config.recipe import Lora
from truing.core.errors import ModelError, StorageError
from truing.core.files import problems
from truing.data.packing import LAYOUTS
from truing.data.trees import Branch, Tree
from truing.models.export import MAKER
from truing.models.load import add_adapter, trainable
from truing.models.reward import RewardScorer, choose_reward_layout
from truing.models.reward_folder import HeadOrigin, RewardModel, load_reward, save_reward

CPU = torch.device("cpu")
WORDS = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{number}" for number in range(57))]
TEXTS = ["w3 w9 w2 </s>", "w4 </s>", "w8 w1 w2 w3 w7 w11 </s>", "w5 w6"]
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
SIZES = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
ENCODER = {**SIZES, **SPECIAL, "num_hidden_layers": 2, "initializer_range": 0.3}


def make_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, **{"eos_token": "</s>", **special})


@pytest.fixture
def base(tiny, tmp_path) -> Path:
    """The folder of a causal language model."""
    tiny().save_pretrained(tmp_path / "base")
    make_tokenizer(pad_token="<pad>").save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def open_reward(folder: Path, **options) -> RewardModel:
    return load_reward(folder, torch.float32, CPU, **options)


def trained(folder: Path) -> RewardModel:
    """A reward model whose head is far from any draw."""
    opened = open_reward(folder)
    opened.model.score.weight.data.copy_(torch.linspace(-2, 2, 32)[None])
    return opened


@torch.no_grad()
def logits(model: torch.nn.Module, tokenizer, texts: list[str] = TEXTS) -> Tensor:
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits[:, 0]


@torch.no_grad()
def alone(model: torch.nn.Module, tokenizer) -> Tensor:
    return torch.cat([logits(model, tokenizer, [text]) for text in TEXTS])


def trees_of(tokenizer) -> list[Tree]:
    rows = tokenizer(TEXTS).input_ids
    return [Tree(row[:1], (Branch(row[1:], [True] * (len(row) - 1)),)) for row in rows]


@torch.no_grad()
def last_states(model: PreTrainedModel, tokenizer) -> Tensor:
    """The state of the very last token of every text, whatever the model pools. [B, D]"""
    rows = [torch.tensor([tokenizer(text).input_ids]) for text in TEXTS]
    return torch.stack([model.base_model(row).last_hidden_state[0, -1] for row in rows])


def test_a_base_model_gets_a_head_that_the_seed_alone_decides(base):
    torch.manual_seed(int(torch.randint(1000, ())))  # whatever ran before
    opened = open_reward(base, seed=3)
    assert opened.head is HeadOrigin.NEW
    assert (opened.model.training, opened.model.config.num_labels) == (False, 1)
    assert torch.equal(opened.model.score.weight, open_reward(base, seed=3).model.score.weight)
    assert not torch.equal(opened.model.score.weight, open_reward(base, seed=4).model.score.weight)
    draws = torch.cat([open_reward(base, seed=seed).model.score.weight for seed in range(30)])
    # Of 960 draws, the deviation is itself known to 1 / sqrt(2 * 960), about 2 %.
    assert draws.std().item() == pytest.approx(1 / 33**0.5, rel=0.1)


def test_a_base_model_is_named_where_a_head_is_needed(base):
    with pytest.raises(ModelError, match=f"{base} holds no reward head") as error:
        open_reward(base, require_head=True)
    assert "method: reward" in error.value.hint


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("layout", ["transformers", "value_head"])
def test_what_is_saved_opens_elsewhere_with_the_same_logits(base, tmp_path, layout, side):
    opened = trained(base)
    target = save_reward(opened.model, opened.tokenizer, tmp_path / "out", layout)
    theirs = AutoModelForSequenceClassification.from_pretrained(target).eval()
    tokenizer = AutoTokenizer.from_pretrained(target, padding_side=side)
    wanted = alone(opened.model, opened.tokenizer)
    torch.testing.assert_close(logits(theirs, tokenizer), wanted, atol=1e-5, rtol=0)
    again = open_reward(target, require_head=True)
    assert again.head is HeadOrigin.OWN
    torch.testing.assert_close(logits(again.model, again.tokenizer), wanted, atol=1e-5, rtol=0)
    assert problems(target, maker=MAKER, hashes=True) == []
    assert "reward-model" in (target / "README.md").read_text()
    assert (target / "value_head.safetensors").exists() == (layout == "value_head")


@pytest.mark.parametrize(
    ("special", "pad"),
    [
        pytest.param({"pad_token": "<pad>"}, "<pad>", id="its own"),
        pytest.param({"pad_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>"}, "<unk>", id="unk"),
        pytest.param({"unk_token": "</s>", "bos_token": "<s>"}, "<s>", id="bos"),
        pytest.param({"pad_token": "</s>", "unk_token": "</s>", "bos_token": "</s>"}, "<|pad|>", id="new"),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_last_token_is_read_whatever_the_tokenizer_pads_with(base, tmp_path, special, pad, side):
    make_tokenizer(padding_side=side, **special).save_pretrained(base)
    opened = trained(base)
    model, tokenizer = opened.model, opened.tokenizer
    assert tokenizer.pad_token == pad
    assert model.config.pad_token_id == tokenizer.pad_token_id
    wanted = last_states(model, tokenizer) @ model.score.weight[0]
    torch.testing.assert_close(logits(model, tokenizer), wanted, atol=1e-5, rtol=0)
    trees = [Tree(ids[:1], (Branch(ids[1:], [True] * (len(ids) - 1)),)) for ids in tokenizer(TEXTS).input_ids]
    for name, layout in LAYOUTS.items():
        got = RewardScorer(model, layout=name)(layout(trees))
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    target = save_reward(model, tokenizer, tmp_path / "out")
    theirs = AutoModelForSequenceClassification.from_pretrained(target).eval()
    found = logits(theirs, AutoTokenizer.from_pretrained(target))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_a_new_pad_token_grows_the_embedding_by_a_row_of_zeros(base):
    make_tokenizer().save_pretrained(base)
    opened = open_reward(base)
    embedding = opened.model.get_input_embeddings().weight
    assert (opened.model.config.vocab_size, *embedding.shape, embedding[61].any()) == (62, 62, 32, False)


def test_a_head_trained_in_transformers_keeps_the_pad_token_it_was_trained_with(base, tmp_path):
    make_tokenizer(pad_token="</s>", unk_token="<unk>").save_pretrained(base)
    trained(base).model.save_pretrained(base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "pad_token_id": 2}))
    opened = open_reward(base)
    assert (opened.model.config.pad_token_id, opened.tokenizer.pad_token) == (2, "</s>")
    theirs = AutoModelForSequenceClassification.from_pretrained(base).eval()
    wanted = alone(theirs, opened.tokenizer)
    torch.testing.assert_close(logits(opened.model, opened.tokenizer), wanted, atol=1e-5, rtol=0)
    target = save_reward(opened.model, opened.tokenizer, tmp_path / "out")
    again = open_reward(target)
    torch.testing.assert_close(logits(again.model, again.tokenizer), wanted, atol=1e-5, rtol=0)


def write_head(folder: Path, layout: str, weight: Tensor, bias: Tensor | None) -> None:
    """A head as other toolkits leave it: beside the weights, or under a name of its own inside them."""
    place, _, name = layout.partition(": ")
    tensors = {f"{name}.weight": weight, **({f"{name}.bias": bias} if bias is not None else {})}
    if place == "value_head.bin":
        torch.save(tensors, folder / place)
        return
    held = load_file(folder / place) if (folder / place).exists() else {}
    save_file(held | tensors, folder / place, metadata={"format": "pt"})


LAYOUTS_READ = [
    "value_head.safetensors: v_head.summary",
    "value_head.bin: v_head.summary",
    "model.safetensors: v_head.summary",
    "model.safetensors: v_head",
    "model.safetensors: score_head",
]


@pytest.mark.parametrize("layout", LAYOUTS_READ)
def test_a_head_of_another_toolkit_is_read_and_written_back(base, tmp_path, layout):
    weight = torch.linspace(-1, 1, 32)[None]
    write_head(base, layout, weight, torch.tensor([0.25]))
    opened = open_reward(base, require_head=True, import_bin=layout.startswith("value_head.bin"))
    assert opened.head is HeadOrigin.VALUE_HEAD
    assert opened.bias == 0.25
    assert torch.equal(opened.model.score.weight, weight)
    assert choose_reward_layout(RewardScorer(opened.model))[0] == "trees"
    wanted = last_states(opened.model, opened.tokenizer) @ weight[0]
    torch.testing.assert_close(logits(opened.model, opened.tokenizer), wanted, atol=1e-5, rtol=0)

    target = save_reward(opened.model, opened.tokenizer, tmp_path / "out", "value_head")
    written = load_file(target / "value_head.safetensors")
    assert torch.equal(written["v_head.summary.weight"], weight)
    assert written["v_head.summary.bias"].tolist() == [0.25]
    again = open_reward(target, require_head=True)
    assert (again.head, again.bias) == (HeadOrigin.OWN, 0.25)
    assert torch.equal(again.model.score.weight, weight)
    plain = save_reward(again.model, again.tokenizer, tmp_path / "plain")
    assert open_reward(plain).bias == 0.25


@pytest.mark.parametrize("bias", [None, torch.zeros(1)])
def test_a_head_without_bias_or_with_a_zero_one_leaves_nothing_behind(base, bias):
    write_head(base, "model.safetensors: score_head", torch.ones(1, 32), bias)
    opened = open_reward(base)
    assert opened.bias == 0.0
    assert not hasattr(opened.model.config, "reward_bias")


def test_a_head_of_another_size_is_named(base):
    write_head(base, "value_head.safetensors: v_head.summary", torch.ones(1, 64), None)
    with pytest.raises(ModelError, match=r"weight of value_head.safetensors is \[1, 64\].* is \[1, 32\]"):
        open_reward(base)


def test_two_heads_must_be_the_same(base):
    write_head(base, "value_head.safetensors: v_head.summary", torch.ones(1, 32), None)
    write_head(base, "model.safetensors: score_head", torch.ones(1, 32), None)
    assert open_reward(base).head is HeadOrigin.VALUE_HEAD
    write_head(base, "model.safetensors: score_head", torch.zeros(1, 32), None)
    found = r"score_head\.weight of model\.safetensors and v_head\.summary\.weight of value_head\.safetensors"
    with pytest.raises(ModelError, match=f"holds two heads that differ: {found}"):
        open_reward(base)


def test_a_classifier_with_more_labels_is_refused(base):
    config = AutoConfig.from_pretrained(base)
    config.num_labels = 3
    AutoModelForSequenceClassification.from_config(config).save_pretrained(base)
    with pytest.raises(ModelError, match=r"has 3 labels \(score.weight is \[3, 32\]\)"):
        open_reward(base)


def test_a_folder_whose_backbone_has_other_names_is_refused(base):
    tensors = load_file(base / "model.safetensors")
    renamed = {name.replace("model.layers.0.", "model.blocks.0."): value for name, value in tensors.items()}
    save_file(renamed, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 9 of the weights of LlamaForSequenceClassification \(model"):
        open_reward(base)


def test_folders_that_are_no_model_are_named(tiny, base, tmp_path):
    adapter = tmp_path / "adapter"
    adapted = add_adapter(tiny(), Lora(r=2), dropout=False, seed=0, trained=torch.float32)
    adapted.save_pretrained(adapter)
    make_tokenizer(pad_token="<pad>").save_pretrained(adapter)
    with pytest.raises(ModelError, match="holds an adapter"):
        open_reward(adapter)
    (base / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=str(base)):
        open_reward(base)
    AutoConfig.for_model("t5").save_pretrained(base)
    with pytest.raises(ModelError, match="it is an encoder-decoder"):
        open_reward(base)


def test_a_head_trained_beside_an_adapter_is_what_is_saved(base, tmp_path):
    """Peers have written the base's head, or let the next load draw a new one (PEERS.md, 30)."""
    opened = open_reward(base, seed=1)
    start = opened.model.score.weight.clone()
    model = add_adapter(opened.model, Lora(r=2), dropout=False, seed=0, trained=torch.float32, task="SEQ_CLS")
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.2)
    model.eval()
    wanted = alone(model, opened.tokenizer)
    target = save_reward(model, opened.tokenizer, tmp_path / "out", "value_head")
    theirs = AutoModelForSequenceClassification.from_pretrained(target).eval()
    torch.testing.assert_close(alone(theirs, opened.tokenizer), wanted, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(theirs.score.weight, start + 0.2)
    head = load_file(target / "value_head.safetensors")["v_head.summary.weight"]
    assert torch.equal(head, theirs.score.weight)
    again = open_reward(target, seed=9, require_head=True)
    assert torch.equal(again.model.score.weight, theirs.score.weight)
    with model.disable_adapter():
        assert (alone(model, opened.tokenizer) - wanted).abs().min() > 0.1, "the live model is as it was"


def save_encoder(folder: Path, kind: str = "bert") -> Path:
    """The folder of a masked language model."""
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **ENCODER)).save_pretrained(folder)
    make_tokenizer(pad_token="<pad>").save_pretrained(folder)
    return folder


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_an_encoder_is_opened_trained_and_saved_like_a_decoder(tmp_path, kind, side):
    """BERT lacks its pooler too in such a folder; ModernBERT has part of its head already."""
    opened = open_reward(save_encoder(tmp_path / "base", kind), seed=1)
    assert opened.head is HeadOrigin.NEW
    again = open_reward(tmp_path / "base", seed=1)
    for name, value in opened.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), "classifier and pooler come from the seed"
    torch.nn.init.normal_(opened.model.classifier.weight)
    wanted = alone(opened.model, opened.tokenizer)
    opened.tokenizer.padding_side = side
    scores = RewardScorer(opened.model)(LAYOUTS["padded"](trees_of(opened.tokenizer)))
    torch.testing.assert_close(scores, wanted, atol=1e-5, rtol=0)
    target = save_reward(opened.model, opened.tokenizer, tmp_path / "out")
    theirs = AutoModelForSequenceClassification.from_pretrained(target).eval()
    torch.testing.assert_close(alone(theirs, opened.tokenizer), wanted, atol=1e-5, rtol=0)
    assert open_reward(target, require_head=True).head is HeadOrigin.OWN


def test_an_encoder_has_no_value_head(tmp_path):
    opened = open_reward(save_encoder(tmp_path / "base"))
    with pytest.raises(ModelError, match="BertForSequenceClassification has no linear head to write"):
        save_reward(opened.model, opened.tokenizer, tmp_path / "out", "value_head")
    save_file({"v_head.summary.weight": torch.ones(1, 32)}, tmp_path / "base/value_head.safetensors")
    with pytest.raises(ModelError, match="BertForSequenceClassification pools and scores in its own way"):
        open_reward(tmp_path / "base")


def test_the_tokenizer_that_is_saved_must_pad_with_what_the_model_passes_over(base, tmp_path):
    opened = open_reward(base)
    other = make_tokenizer(pad_token="</s>")
    with pytest.raises(ModelError, match="pads with token 2, and the model passes over 0"):
        save_reward(opened.model, other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_previous_reward_folder_is_replaced_and_nothing_else(base, tmp_path, monkeypatch):
    opened = trained(base)
    target = save_reward(opened.model, opened.tokenizer, tmp_path / "out", "value_head")
    opened.model.score.weight.data.neg_()
    save_reward(opened.model, opened.tokenizer, target, "value_head")
    assert torch.equal(open_reward(target).model.score.weight, opened.model.score.weight)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"notes\.txt"):
        save_reward(opened.model, opened.tokenizer, target, "value_head")
    (target / "notes.txt").unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("truing.models.reward_folder.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        save_reward(opened.model, opened.tokenizer, target, "value_head")
    assert problems(target, maker=MAKER, hashes=True) == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]
