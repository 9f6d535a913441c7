"""Small models and trees that many tests share: random weights, large enough to make mistakes visible."""

from collections.abc import Callable, Iterator

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from truing.data.trees import Branch, Tree

VOCABULARY = 61
LAYERS = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OTHER_NAMES = {
    "gpt2": {
        "vocab_size": VOCABULARY,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 128,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "opt": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "init_std": 0.3,
    },
}


@pytest.fixture(autouse=True)
def _few_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Models this small are slower on many threads, and much slower beside other work."""
    before = torch.get_num_threads()
    if "slow" not in request.keywords:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Tiny = Callable[..., PreTrainedModel]


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Makes a two-layer model of a family, in eval mode, with weights drawn from `seed`."""

    def make(family: str = "llama", *, seed: int = 0, **changes: object) -> PreTrainedModel:
        config = AutoConfig.for_model(family, **{**OTHER_NAMES.get(family, LAYERS), **changes})
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()

    return make


def _branch(tokens: list[int], silent: tuple[int, ...] = ()) -> Branch:
    return Branch(tokens, [at not in silent for at in range(len(tokens))])


@pytest.fixture(scope="session")
def trees() -> list[Tree]:
    """A tree of one, two and three branches; some have tokens without loss: a second turn of the user's."""
    return [
        Tree([5, 6, 7], (_branch([8, 9]), _branch([10, 11, 12, 13, 14, 15], silent=(2, 3)))),
        Tree([3], (_branch([4]),)),
        Tree(
            [20, 21, 22, 23, 24],
            (_branch([25, 26], silent=(0,)), _branch([26, 27, 9]), _branch([28, 29, 30, 31])),
        ),
    ]


@pytest.fixture(scope="session")
def pairs() -> list[Tree]:
    """Seven preference pairs of unlike lengths."""
    generator = torch.Generator().manual_seed(4)

    def draw(count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()

    sizes = [(3, 4, 2), (1, 1, 1), (6, 2, 7), (4, 5, 5), (2, 9, 3), (5, 3, 6), (8, 1, 2)]
    return [Tree(draw(p), (_branch(draw(c)), _branch(draw(r)))) for p, c, r in sizes]
