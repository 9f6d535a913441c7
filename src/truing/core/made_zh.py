# ruff: noqa: E501 - a text and its translation on one line
"""Words of pages in Chinese about rows that models make: feedback, constitutions, red teams."""

MADE_ZH = {
    "Row by row": "逐行查看",
    # Feedback
    "Feedback of {judge}": "{judge} 的反馈",
    "{n} rows of {prompts} prompts; {compared} pairs = {account}.": "{prompts} 个提示得到 {n} 行；{compared} 对 = {account}。",
    "kept": "保留",
    "not chosen": "未选",
    "equal texts": "文本相同",
    "ties": "平局",
    "unsure": "不确定",
    "errors": "出错",
    "this feedback": "这次反馈",
    "Responses by strength": "按强度排列的回答",
    "Strength in log-odds, with its 95 % interval, among the responses to one prompt: one that leads by 1.1 wins three comparisons in four.": "同一提示的各个回答之间的强度（对数几率）及其 95 % 区间：领先 1.1 的回答在四次比较中赢三次。",
    "never compared": "未被比较",
    "equal, empty, unreadable or failed": "相同、空白、无法读取或失败",
    "Preference of the chosen response": "被选回答受偏好的概率",
    "Mean probability that the chosen response is preferred, as the fit of all comparisons has it.": "按全部比较的拟合，被选回答更受偏好的平均概率。",
    "Chosen response is longer": "被选回答更长",
    "Share of rows whose chosen response is the longer one; far above 50 % the rows teach length.": "被选回答更长的行所占比例；远高于 50 % 时，这些数据会教模型写长。",
    "Strength above the random control": "高出随机对照的强度",
    "Mean strength of the chosen responses minus that of as many drawn at random. The judge that chose them measures this: train on both files and compare the models.": "被选回答的平均强度减去同样多随机抽取的回答。这是由选出它们的评判模型自己量的：请用两份文件各训练一次，再比较模型。",
    "{policy} preferred to the others": "{policy} 胜过其他模型",
    "Share of its comparisons with the other policies that it wins; a tie is a half.": "它与其他模型的比较中获胜的比例；平局算一半。",
}
