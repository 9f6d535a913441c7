"""Several roles on one backbone: each reads through its adapter, and trains nothing but itself."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

from truing.core.errors import ModelError
from truing.models.roles import add_role, linear, playing, read_role

IDS = torch.tensor([[5, 6, 7]])
CONFIG = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")


@pytest.fixture
def model(tiny) -> PeftModel:
    torch.manual_seed(0)
    found = get_peft_model(tiny(), CONFIG)
    assert isinstance(found, PeftModel)
    return found


def logits(model: PeftModel) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def trained(model: PeftModel) -> set[str]:
    return {name for name, one in model.named_parameters() if one.requires_grad}


def test_a_role_is_another_model_and_the_policy_stays_what_it_is(model: PeftModel):
    policy, before = logits(model), trained(model)
    added = add_role(model, "critic", CONFIG, trained=torch.float32, trains=True, seed=1)
    assert all(".critic." in name for name in added) and trained(model) == before | set(added)
    with playing(model, "critic"):
        critic = logits(model)
    with playing(model, None):
        base = logits(model)
    assert torch.equal(logits(model), policy)
    assert not torch.allclose(critic, policy) and not torch.allclose(base, policy)
    assert trained(model) == before | set(added)


def test_a_draw_is_that_of_its_seed_and_leaves_the_generator_alone(model: PeftModel):
    state = torch.get_rng_state()
    one = add_role(model, "one", CONFIG, trained=torch.float32, trains=False, seed=3)
    two = add_role(model, "two", CONFIG, trained=torch.bfloat16, trains=False, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for (name, left), right in zip(one.items(), two.values(), strict=True):
        assert torch.equal(left.to(torch.bfloat16), right), name
        assert not left.requires_grad


def test_stored_weights_must_fit(model: PeftModel):
    with pytest.raises(ModelError, match="the adapter of reward"):
        add_role(model, "reward", CONFIG, trained=torch.float32, trains=False, weights={"x": torch.zeros(1)})


def test_an_adapter_without_a_head_is_no_reward_role(tmp_path: Path):
    save_file({"base_model.model.a": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="holds an adapter without a score head"):
        read_role(tmp_path)


def test_a_head_is_its_weight_in_float32():
    head = linear(torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16))
    assert head(torch.tensor([3.0, 4.0])).item() == 11.0 and head.weight.dtype is torch.float32
