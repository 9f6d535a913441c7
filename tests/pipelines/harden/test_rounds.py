"""Keys of a training recipe are laid over another, section by section."""

from truing.pipelines.harden.rounds import laid


def test_a_section_keeps_its_other_keys():
    under = {"optim": {"epochs": 2, "learning_rate": 1e-3}, "lora": {"r": 16}, "seed": 0}
    found = laid(under, {"optim": {"epochs": 1}, "lora": None, "seed": 3})
    assert found == {"optim": {"epochs": 1, "learning_rate": 1e-3}, "lora": None, "seed": 3}
    assert under["optim"] == {"epochs": 2, "learning_rate": 1e-3}
