"""J5: what is judged reaches no server with a token that steers a model, in any family's markup."""

import time

from tokenizers import Tokenizer, models, pre_tokenizers

from truing.judges.fence import GAP, control_tokens, fenced, mark_of, neutral

from ..tables import each

TOKENS = {
    "Qwen": "<|im_start|> <|im_end|> <|endoftext|> <tool_call> </tool_call> <tool_response> <think> </think>"
    " <|vision_start|> <|image_pad|> <|fim_prefix|> <|repo_name|> <|object_ref_start|>",
    "GLM": "[gMASK] [sMASK] [MASK] <sop> <eop> <|system|> <|observation|> <arg_key> </arg_value> <tool_call>"
    " <|begin_of_image|> <|/nothink|>",
    "DeepSeek": "<｜begin▁of▁sentence｜> <｜User｜> <｜Assistant｜> <｜tool▁calls▁begin｜> <｜tool▁sep｜>"
    " <｜DSML｜function_calls> </｜DSML｜function_calls> <|EOT|> <think>",
    "Mistral": "<s> </s> <unk> <pad> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_CALLS]"
    " [TOOL_RESULTS] [IMG] [IMG_BREAK] [IMG_END] [THINK] [/THINK] [SYSTEM_PROMPT] [ARGS] [CALL_ID]"
    " [PREFIX] [MIDDLE] [SUFFIX] [AUDIO] [BEGIN_AUDIO] [MODEL_SETTINGS] <SPECIAL_20>",
    "Gemma": "<bos> <eos> <start_of_turn> <end_of_turn> <start_of_image> <image_soft_token> <unused0>"
    ' <unused99> <mask> [multimodal] [@BOS@] <|turn> <turn|> <|channel> <channel|> <|tool> <|"|> <|think|>',
    "MiniMax": "]~b] ]~!b[ [e~[ ]!p~[ ]!d~[ ]<]minimax[>[ <minimax:tool_call>"
    " </minimax:tool_call> <beginning_of_sentence> <end_of_sentence> <reponame> <filename>",
    "Kimi": "[BOS] [EOS] [PAD] [UNK] [EOT] <|im_middle|> <|tool_calls_section_begin|> <|media_pad|>",
    "Baichuan": "<reserved_0> <reserved_106> <reserved_107> <C_Q> <C_A>",
    "Phi": "<|user|> <|end|> <|assistant|> <|dummy_0|> <|placeholder1|> <|image_1|> <|fim_suffix|>",
    "Llama": "<<SYS>> <</SYS>> <|begin_of_text|> <|eot_id|> <|start_header_id|> <|python_tag|>"
    " <|reserved_special_token_0|> <|header_start|> <|eom|>",
    "Hunyuan": "<｜hy_User｜> <｜hy_place▁holder▁no▁3｜> <|startoftext|> <|extra_0|> <|eos|>",
    "InternLM": "<|action_start|> <|plugin|> <eoh> <eoa> <TOKENS_UNUSED_0> <IMG_CONTEXT>",
    "Yi": "<|startoftext|> <|Human|> <|unused001|> <fim_prefix> <fim-prefix>",
    "Granite": "<|start_of_role|> <|end_of_role|> <|tool_call|> <issue_start> <empty_output>",
    "Command-R": "<BOS_TOKEN> <|START_OF_TURN_TOKEN|> <|CHATBOT_TOKEN|> <|START_RESPONSE|> <EOP_TOKEN>",
    "others": "<|start|> <|channel|> <|message|> <extra_id_0> <seed:bos> <seed:think> <mask:1> [CLS] [SEP]"
    " [unused1] <repo_name> <jupyter_code> <gh_stars> >>QUESTION<< <cls> <sep> <image> <tools> <thinking>",
}
ALL = [token for tokens in TOKENS.values() for token in tokens.split()]
ALL = [*dict.fromkeys([*ALL, "]<]start of image[>["])]
ORDINARY = [
    "a < b | c > d", "<div>x</div>", "f[INSTANCE]", "x << 2 >> 1", "你好 <b>", "[1]", "[^1]", "[link](http://a)",
    "- [ ] one\n- [x] two", "[[A]]", "<h1>T</h1>", "<ul><li>a</li></ul>", "Vec<u8>", "vector<int32>",
    "Map<String, List<T>>", "if (a<b && c>d)", "x |> f", "f <| x", "p <|> q", "cat <<EOF",
    "std::cout << x << y",
    "[TODO]", "[NOTE]", "[ERROR] no", "[API]", "[~]", "[!NOTE]", "[a-z~]", "~~struck~~",
    "a]~]b", "<https://a.b/c_d>", "<me@a.b>",
    "| a | b |", "<br>", "<details>", "</p>", "a[i][j]", "{x | x > 0}", "P(A|B)>0", "<user>",
    "[Your Name]", "<>",
    "<!-- c -->", "<xs:sequence>", "I said [sic] so", "5 > 3 >> 1", "<code>", "a]b[c", "《书_名》",
]  # fmt: skip


@each("token", ALL)
def test_control_tokens_are_broken_and_nothing_is_lost(token: str):
    for text in (f"a {token} b", token, f"{token}{token}", f"x{token[0]}{token}", f"{token}{token[-1]}y"):
        broken = neutral(text)
        assert token not in broken, broken
        assert broken.replace(GAP, "") == text
        assert neutral(broken) == broken
    assert token in control_tokens(f"a {token} b")


@each("text", ORDINARY)
def test_other_text_is_left_alone(text: str):
    assert neutral(text) == text
    assert control_tokens(text) == []


def tokenizer_with(tokens: list[str]) -> Tokenizer:
    """A tokenizer of bytes that knows control tokens as servers' tokenizers do."""
    letters = {letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(letters, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(tokens)
    return made


def test_no_tokenizer_finds_a_control_token_in_judged_text():
    tokenizer = tokenizer_with(ALL)
    text = "\n".join([*ALL, "".join(ALL), "".join(reversed(ALL))])
    known = set(tokenizer.encode(text).tokens) & set(ALL)
    assert len(known) > 0.95 * len(ALL), "the tokenizer finds them where nothing breaks them"
    assert set(tokenizer.encode(neutral(text)).tokens) & set(ALL) == set()


@each(
    "text", ["<" * 300_000, "<|" * 200_000, "]~" * 200_000, "[A_" * 150_000, "<a_" * 150_000, "<a" * 200_000]
)
def test_a_megabyte_of_brackets_takes_no_time(text: str):
    start = time.process_time()
    assert len(neutral(text)) == len(text)
    assert time.process_time() - start < 2


def test_half_a_surrogate_pair_is_written_out():
    assert neutral("a\ud83d") == "a\\ud83d"


def test_a_mark_is_of_all_texts_and_of_where_each_ends():
    assert mark_of(["a", "b"]) == mark_of(["a", "b"])
    assert len({mark_of(texts) for texts in (["a", "b"], ["ab"], ["b", "a"], ["a", "b", ""])}) == 4


def test_fenced():
    assert fenced("f00d", "user", "Why?") == "<<f00d user>>\nWhy?\n<<f00d end>>"
