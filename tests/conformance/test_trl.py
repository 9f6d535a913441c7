"""Loss and gradient norm of one batch are those TRL 1.16 computed from the same weights and rows."""

import math

import pytest
from transformers import AutoTokenizer

from truing.config.recipe import Recipe
from truing.runs.check import check_session
from truing.runs.session import Session, open_session

from .peer import PeerCase, peer_cases

LAYOUTS = {"trees": 64, "padded": 10_000}  # tokens a pass: one item each, and all at once


@pytest.mark.parametrize("peer_case", peer_cases(), ids=str)
def test_loss_gradient_norm_and_tokens(peer_case, tmp_path):
    for packing, tokens_per_pass in LAYOUTS.items():
        asked = {"packing": packing, "tokens_per_pass": tokens_per_pass}
        session = open_session(Recipe.model_validate(peer_case.recipe(tmp_path, **asked)))
        assert session.scorer.layout == packing
        assert (len(session.passes(session.plan.items_of(1))) > 3) == (packing == "trees")
        found = check_session(session)
        peer_case.agrees(found.logs["loss"], found.grad_norm)
        assert math.isfinite(sum(found.logs.values()))
        rows = found.rows
        assert rows["kept"] == found.items == len(peer_case.read())
        assert rows["kept"] + sum(rows["set_aside"].values()) == rows["read"] + rows["made"]
        assert found.tokens > 0
        assert_tokens_are_those_of_the_tokenizers_own_template(session, peer_case)


def assert_tokens_are_those_of_the_tokenizers_own_template(session: Session, peer_case: PeerCase) -> None:
    """The end of turn and its newline are scored, and one more EOS where the peer appends one."""
    tokenizer = AutoTokenizer.from_pretrained(session.source)
    for tree, row in zip(session.train, peer_case.read(), strict=True):
        prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        assert list(tree.prompt) == tokenizer(prompt, add_special_tokens=False).input_ids
        sides = [row[side] for side in ("completion", "chosen", "rejected") if side in row]
        for branch, turns in zip(tree.branches, sides, strict=True):
            whole = tokenizer.apply_chat_template(row["prompt"] + turns, tokenize=False)
            tokens = tokenizer(whole.removeprefix(prompt), add_special_tokens=False).input_ids
            assert list(branch.tokens) == tokens + [tokenizer.eos_token_id] * peer_case.appends_eos
            assert all(branch.scored)
