# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the arena in Chinese, by the English template: responses that are read while they are written."""

ARENA_ZH = {
    # Responses that come piece by piece
    "memory does not hold one response of {n} tokens": "内存放不下一条 {n} 个词元的回答",
    "lower the most tokens of a response, or shorten the prompt": "请调小一条回答最多的词元数，或缩短提示",
    "the conversation has {n} tokens, and the model reads {most}": "对话有 {n} 个词元，而模型最多读 {most} 个",
    "begin a new conversation": "请开始新的对话",
    "{model} takes about {need:.1f} GB, and {left:.1f} GB are left for it": "{model} 约需 {need:.1f} GB，只剩 {left:.1f} GB 可用",
    "give more with --memory, serve it elsewhere, or choose a smaller model": "用 --memory 给更多内存，把它放到别处的服务器上，或换一个更小的模型",
    "{url} gives no answer: {reason}": "{url} 没有给出回答：{reason}",
    "check base_url, which usually ends in /v1, and the name of the model": "请检查 base_url（通常以 /v1 结尾）和模型名",
    "{url} broke off its answer: {reason}": "{url} 中断了回答：{reason}",
    "it ended without a reason": "没有说明原因就结束了",
    "a line of its answer is no JSON: {line}": "回答中有一行不是 JSON：{line}",
    "see what the server printed, and ask again": "请看服务器打印了什么，然后再问一次",
    # The contest
    "{n} model is given, and an arena compares at least two": "只给了 {n} 个模型，竞技场至少比较两个",
    "name another one, such as the model before training": "请再给一个，例如训练前的模型",
    "a question of {n} characters: expected 1 to {most}": "问题有 {n} 个字符，应为 1 到 {most} 个",
    "the last question is open": "上一个问题还没有结果",
    "another question of yours is still being answered": "您的另一个问题还在回答中",
    "wait for its responses, or stop them in its conversation": "等它的回答结束，或在那个对话中停止",
    "vote on it, or skip it": "请先投票，或跳过它",
    "the conversation has {n} questions, the most": "对话已有 {n} 个问题，达到上限",
    "it was stopped before its first word": "第一个字出来之前就停止了",
    "{model} failed: {kind}: {error}": "{model} 出错：{kind}：{error}",
    "there are no two responses to compare": "没有可以比较的两个回答",
    "wait until both have ended, or stop them": "请等两边结束，或停止它们",
    "{name} is given twice": "{name} 给了两次",
    "an arena compares models with names that differ": "竞技场比较的模型名字要各不相同",
}
