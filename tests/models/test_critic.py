"""The critic: a value for each target, from the state that predicts it."""

import torch

from truing.data.packing import pad
from truing.models.critic import Critic, new_head

CPU = torch.device("cpu")


def test_a_head_is_a_function_of_its_seed_and_small():
    one, again, other = (new_head(64, seed, CPU) for seed in (1, 1, 2))
    assert torch.equal(one.weight, again.weight) and not torch.equal(one.weight, other.weight)
    assert one.bias is None and 0.5 < float(one.weight.detach().std()) * 65**0.5 < 1.5


def test_a_value_is_the_heads_of_the_state_before_the_token(tiny, trees):
    model, head = tiny(), new_head(32, 0, CPU)
    batch = pad(trees)
    values = Critic(model, head, role=None, layout="padded")(batch)
    assert values.shape == (len(batch.target),) and values.dtype is torch.float32
    tree = trees[0]
    path = torch.tensor([[*tree.prompt, *tree.branches[0].tokens]])
    states = model.base_model(input_ids=path).last_hidden_state[0]
    first = head(states[len(tree.prompt) - 1]).item()
    torch.testing.assert_close(values[0].item(), first, atol=1e-4, rtol=1e-4)
