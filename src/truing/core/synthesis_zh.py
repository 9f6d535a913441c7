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
    # Rubrics, rankings, panels
    "a rubric is a list of criteria, this is {value}": "评分标准应是一个列表，这里是 {value}",
    "no criterion of the rubric has a weight above 0": "评分标准中没有一条的权重大于 0",
    "criterion {place} has {key!r}; known: {known}": "第 {place} 条标准有 {key!r}；可用：{known}",
    "criterion {place} has must and a weight below 0": "第 {place} 条标准既有 must，权重又小于 0",
    "criterion {place} has no text": "第 {place} 条标准没有 text",
    "criterion {place} has the weight {weight}, expected a number other than 0": "第 {place} 条标准的权重是 {weight}，应为非 0 的数",
    "criterion {place} has must {must}, expected true or false": "第 {place} 条标准的 must 是 {must}，应为 true 或 false",
    "criterion {place} is {value}, expected a text or an object": "第 {place} 条标准是 {value}，应为文本或对象",
    "there is no verdict on criterion {place}": "第 {place} 条标准没有结论",
    "the answer has a verdict on criterion {place} of {count}": "回答对共 {count} 条标准中的第 {place} 条给出了结论",
    "a ranking is of {count} responses, expected 2 to {most}": "排名的回答有 {count} 个，应为 2 到 {most} 个",
    "the ranking does not name the responses {places} once each": "排名没有把回答 {places} 各写一次",
    "the rule of a panel is {rule!r}, expected majority or mean": "评判组的规则是 {rule!r}，应为 majority 或 mean",
    "a panel needs a judge": "评判组至少需要一个评判",
    "{missing} of {count} judges have no verdict; the first: {reason}": "{count} 个评判中有 {missing} 个没有结论；第一个：{reason}",
}
