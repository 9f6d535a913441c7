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
    # Feedback
    "across: all compares responses to different prompts, which only scores can": "across: all 要比较不同提示的回答，这只有打分才能做到",
    "judge: {name: model, path: runs/reward}": "judge: {name: model, path: runs/reward}",
    "no prompt has two different responses to compare": "没有一个提示有两个不同的回答可比",
    "raise k, temperature or max_new_tokens; see {path}": "请调大 k、temperature 或 max_new_tokens；见 {path}",
    "comparing": "比较",
    "The chosen response is the longer one in {share:.0%} of the rows: they teach length.": "{share:.0%} 的数据行中，被选的回答更长：模型会从中学到写长。",
    "{share:.0%} of the pairs have no verdict; the first: {why}": "{share:.0%} 的回答对没有结论；第一个原因：{why}",
    "mend the judge and run the same command: what it has answered is kept": "请修好评判模型，再运行同一条命令：已有的回答都保留着",
    "every response with its strength": "每个回答及其强度",
    "train on them": "用这些数据训练",
    "{text} is no mapping: {error}": "{text} 不是键值映射：{error}",
}
