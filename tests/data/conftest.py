"""Small chat templates in the shapes of those in use, each with a tokenizer of bytes and its own tokens."""

from dataclasses import dataclass, field

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>")  # added, and not marked special

# A think block in the last turn alone, and in the turns of one answer; earlier thoughts are cut.
QWEN3 = """{%- if tools %}{{- '<|im_start|>system\n# Tools\n' + tools | tojson + '<|im_end|>\n' }}{%- endif %}
{%- set ns = namespace(asked=0) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.asked = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in messages %}
    {{- '<|im_start|>' + ('user' if m.role == 'tool' else m.role) + '\n' }}
    {%- set words = m.content if m.content is string else '' %}
    {%- if m.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if m.reasoning_content is string %}
            {%- set thought = m.reasoning_content %}
        {%- elif '</think>' in words %}
            {%- set thought = words.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set words = words.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.asked and (loop.last or thought) %}
            {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + words.lstrip('\n') }}
        {%- else %}{{- words }}{%- endif %}
        {%- for call in m.tool_calls or [] %}
            {{- '\n<tool_call>\n' + call.function | tojson + '\n</tool_call>' }}
        {%- endfor %}
    {%- else %}{{- words }}{%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"""
# The generation prompt opens a thought, and all thoughts are cut.
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% endif %}{% endfor %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<U>' + m.content }}{% elif m.role == 'assistant' %}"
    "{{ '<A>' + m.content.split('</think>')[-1] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<A><think>\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}"
    "{% endif %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}"
    "{% endif %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n'"
    " + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n'"
    " + (m.content | tojson if m.role == 'tool' else m.content | trim) + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# EOS at the end of the conversation alone.
PHI3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}"
)
# Nothing closes an assistant's turn but the token of who speaks next.
GLM4 = (
    "[gMASK]<sop>{% for m in messages %}{{ ('<|observation|>' if m.role == 'tool' else '<|' + m.role + '|>')"
    " + '\n' + m.content }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# The system turn stands before the last user turn.
MISTRAL = (
    "{{ bos_token }}{% set rest = messages[1:] if messages[0].role == 'system' else messages %}"
    "{% for m in rest %}{% if m.role == 'user' %}{{ '[INST] ' }}"
    "{% if messages[0].role == 'system' and (loop.last or loop.index0 == (rest | length) - 2) %}"
    "{{ messages[0].content + '\n\n' }}{% endif %}{{ m.content + '[/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content | trim + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
# Words are read from lists of parts.
SMOLVLM = (
    "<|im_start|>{% for m in messages %}{{ m.role | capitalize + ': ' }}{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """One template, the special tokens it writes, and what it makes of turns."""

    template: str
    special: tuple[str, ...]
    bos: str | None
    eos: str
    end: str  # what ends an assistant's turn in the middle of a conversation
    system: bool = True  # whether a system turn has a place
    parts: bool = False
    answer: str = ""  # white space between the generation prompt and the words
    last: str | None = None  # what ends the last turn, where that is something else
    made: list = field(default_factory=list, compare=False)  # its tokenizer, once

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        if not self.made:
            self.made.append(tokenizer_of(self))
        return self.made[0]


SHAPES = {
    "qwen3": Shape(QWEN3, ("<|im_start|>", "<|im_end|>"), None, "<|im_end|>", "<|im_end|>\n"),
    "r1": Shape(R1, ("<s>", "</s>", "<U>", "<A>"), "<s>", "</s>", "</s>"),
    "gemma": Shape(
        GEMMA,
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>",
        "<eos>",
        "<end_of_turn>\n",
        system=False,
    ),
    "llama3": Shape(
        LLAMA3,
        ("<bos>", "<eos>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<bos>",
        "<eos>",
        "<|eot_id|>",
    ),
    "phi3": Shape(
        PHI3,
        ("<eos>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"),
        None,
        "<eos>",
        "<|end|>\n",
    ),
    "glm4": Shape(
        GLM4,
        ("<eos>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        None,
        "<eos>",
        "<|user|>",
        answer="\n",
        last="<eos>",
    ),
    "mistral": Shape(MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>", "</s>", answer=" "),
    "smolvlm": Shape(
        SMOLVLM,
        ("<|im_start|>", "<end_of_utterance>"),
        None,
        "<end_of_utterance>",
        "<end_of_utterance>\n",
        parts=True,
        answer=" ",
    ),
}


def tokenizer_of(shape: Shape) -> PreTrainedTokenizerFast:
    """A token for every byte, for every special token of the shape and for the tags of thoughts and calls."""
    inner = Tokenizer(models.BPE(vocab={byte: index for index, byte in enumerate(BYTES)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in shape.special])
    inner.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=shape.bos, eos_token=shape.eos)
    tokenizer.chat_template = shape.template
    return tokenizer


@pytest.fixture(scope="session")
def shapes() -> dict[str, Shape]:
    return SHAPES
