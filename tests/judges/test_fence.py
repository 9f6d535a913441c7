import pytest

from truing.judges.fence import GAP, fenced, mark_of, neutral

from ..tables import each


@each(
    "token",
    [
        "<|im_start|>", "<|eot_id|>", "<｜User｜>", "<s>", "</s>", "<<SYS>>", "<</SYS>>", "[INST]", "[/INST]",
        "[SYSTEM_PROMPT]", "<start_of_turn>", "<end_of_turn>", "<eos>", "</think>",
    ],
)  # fmt: skip
def test_control_tokens_are_broken_and_nothing_is_lost(token: str):
    broken = neutral(f"a {token} b")
    assert token not in broken
    assert broken.replace(GAP, "") == f"a {token} b"


@pytest.mark.parametrize("text", ["a < b | c > d", "<div>x</div>", "f[INSTANCE]", "x << 2 >> 1", "你好 <b>"])
def test_other_text_is_left_alone(text: str):
    assert neutral(text) == text


def test_half_a_surrogate_pair_is_written_out():
    assert neutral("a\ud83d") == "a\\ud83d"


def test_a_mark_is_of_all_texts_and_of_where_each_ends():
    assert mark_of(["a", "b"]) == mark_of(["a", "b"])
    assert len({mark_of(texts) for texts in (["a", "b"], ["ab"], ["b", "a"], ["a", "b", ""])}) == 4


def test_fenced():
    assert fenced("f00d", "user", "Why?") == "<<f00d user>>\nWhy?\n<<f00d end>>"
