# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about rows that models make: judging, feedback, constitutions, red teams."""

SYNTHESIS_ZH = {
    "role": "角色",
    "the prompt is too long for the model": "提示对模型来说太长",
    "k is {k}, and at temperature 0 all texts of a prompt are the same": "k 是 {k}，而温度为 0 时同一提示的所有文本都相同",
    "set a temperature, such as 1.0": "请设置温度，例如 1.0",
    "{path} was begun with another request": "{path} 开始时的要求不同",
    "choose another output, or remove {path}": "请换一个输出目录，或删除 {path}",
    "{n} rows repeat a prompt and are asked once": "{n} 行的提示重复，只问一次",
    "a row of prompts is {example}": "一行提示写作 {example}",
    "{path}: a recipe is a mapping of keys": "{path}：配方应是键值映射",
    "it needs at least prompts": "至少要有 prompts",
}
