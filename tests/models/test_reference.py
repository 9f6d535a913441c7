import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from truing.config.recipe import Lora
from truing.data.packing import LAYOUTS
from truing.data.trees import Branch, Tree
from truing.kernels.fused import fuse
from truing.models.load import add_adapter
from truing.models.reference import (
    AdapterOff,
    Cached,
    NoReferenceError,
    cached,
    code_of_scoring,
    content_hash,
    score_all,
)
from truing.models.scoring import Scorer


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fusing", [False, True], ids=["peft", "fused"])
def test_adapter_off_is_the_base_model(tiny, trees, layout, fusing):
    model = add_adapter(tiny(), Lora(r=4), dropout=False, seed=0, trained=torch.float32)
    if fusing:
        assert fuse(model) > 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    scorer, batch = Scorer(model), LAYOUTS[layout](trees)
    reference = AdapterOff(scorer)
    off = reference(batch)
    torch.testing.assert_close(off, Scorer(tiny())(batch).logps.detach(), atol=1e-5, rtol=1e-5)
    assert not off.requires_grad
    on = scorer(batch).logps
    assert (on - off).abs().mean() > 0.1, "the adapter is on again"
    on.sum().backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "lora_" in name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tokens_per_pass", [1, 30, 1000])
def test_every_tree_is_scored_under_its_own_number(tiny, trees, layout, tokens_per_pass):
    scorer = Scorer(tiny(), layout=layout)
    progress: list[tuple[int, int]] = []
    found = score_all(scorer, trees, tokens_per_pass, lambda *at: progress.append(at))
    for number, tree in enumerate(trees):
        alone = scorer(LAYOUTS[layout]([tree])).logps
        torch.testing.assert_close(found[number], alone, atol=1e-5, rtol=1e-5)
        assert not found[number].requires_grad
    assert progress[-1] == (len(trees), len(trees))


def test_looking_up_follows_the_order_of_the_batch(trees):
    reference = Cached({0: torch.tensor([1.0, 2.0]), 4: torch.tensor([3.0]), 7: torch.tensor([9.0])})
    batch = replace(LAYOUTS["trees"](trees), items=(4, 0))
    assert reference(batch).tolist() == [3.0, 1.0, 2.0]


def test_the_second_call_reads_what_the_first_computed(tmp_path):
    calls = []

    def compute() -> dict[int, torch.Tensor]:
        calls.append(1)
        return {3: torch.tensor([1.5, -2.25]), 11: torch.tensor([0.1])}

    first = cached(tmp_path / "deep/folder", "a" * 64, compute)
    second = cached(tmp_path / "deep/folder", "a" * 64, compute)
    assert len(calls) == 1
    assert first.logps.keys() == second.logps.keys() == {3, 11}
    assert all(torch.equal(first.logps[item], second.logps[item]) for item in first.logps)
    cached(tmp_path / "deep/folder", "b" * 64, compute)
    assert len(calls) == 2, "another key is another computation"


WRITTEN = {0: torch.tensor([1.5]), 11: torch.tensor([-0.25, 2.0])}


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def without_checksum(content: bytes) -> bytes:
    return save(load(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[:-1],
        lambda content: flipped(content, len(content) - 2),
        without_checksum,
    ],
    ids=["empty", "truncated", "last byte gone", "flipped", "without checksum"],
)
def test_a_damaged_file_is_computed_again_and_said_to_be_in_one_line(tmp_path, caplog, damage):
    cached(tmp_path, "a" * 64, lambda: WRITTEN)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    again = cached(tmp_path, "a" * 64, lambda: {0: torch.tensor([7.0])})
    assert again.logps[0].item() == 7.0, "it was computed, not read"
    (record,) = caplog.records
    assert record.message.startswith(f"{path} is damaged and computed again: ")
    assert "\n" not in record.message
    assert cached(tmp_path, "a" * 64, dict).logps[0].item() == 7.0, "and is whole again"


def test_no_bit_of_a_file_can_change_the_numbers_unseen(tmp_path):
    cached(tmp_path, "a" * 64, lambda: WRITTEN)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    computed = 0
    for at in range(len(content)):
        path.write_bytes(flipped(content, at))
        found = cached(tmp_path, "a" * 64, lambda: {-1: torch.tensor([0.0])}).logps
        if found.keys() == {-1}:
            computed += 1
            continue
        # Only white space that pads the header may change without harm.
        assert {item: values.tolist() for item, values in found.items()} == {0: [1.5], 11: [-0.25, 2.0]}
        assert content[at : at + 1] == b" "
    assert computed > len(content) - 8


def test_a_computation_that_fails_leaves_no_file(tmp_path):
    def compute():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "a" * 64, compute)
    assert list(tmp_path.iterdir()) == []


def test_the_hash_tells_tokens_masks_order_and_models_apart():
    def tree(prompt: int = 1, token: int = 2, scored: bool = True) -> Tree:
        return Tree([prompt], (Branch([token, 3], [scored, True]),))

    hashes = [
        content_hash([tree()], "model", "float32"),
        content_hash([tree(prompt=9)], "model", "float32"),
        content_hash([tree(token=9)], "model", "float32"),
        content_hash([tree(scored=False)], "model", "float32"),
        content_hash([tree()], "other", "float32"),
        content_hash([tree()], "model", "bfloat16"),
        content_hash([tree(), tree(prompt=9)], "model", "float32"),
        content_hash([tree(prompt=9), tree()], "model", "float32"),
        content_hash([Tree([1, 2], (Branch([3], [True]),))], "model", "float32"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert content_hash([tree()], "model", "float32") == hashes[0]


def test_the_hash_does_not_depend_on_the_kind_of_sequence():
    lists = Tree([1, 2], (Branch([3], [True]),))
    tuples = Tree((1, 2), (Branch((3,), (True,)),))
    assert content_hash([lists]) == content_hash([tuples])


def test_a_model_that_makes_no_numbers_is_not_kept(tiny, trees):
    model = tiny()
    with torch.no_grad():
        model.model.norm.weight[0] = math.nan
    told = r"of texts 0, 1, 2 are not finite, first in the parameter model\..*norm"
    with pytest.raises(NoReferenceError, match=told) as caught:
        score_all(Scorer(model), trees, 1000)
    assert (caught.value.exit_code, caught.value.items, caught.value.looked) == (4, [0, 1, 2], 3)


def test_other_code_or_libraries_score_under_another_name(monkeypatch):
    before = code_of_scoring()
    code_of_scoring.cache_clear()
    assert code_of_scoring() == before
    code_of_scoring.cache_clear()
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert code_of_scoring() != before
    code_of_scoring.cache_clear()
