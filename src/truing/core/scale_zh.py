# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about runs on many devices, machines and servers."""

SCALE_ZH = {
    # Servers that draw
    "{url} is no longer listed, and draws no more": "{url} 已不在列表中，不再采样",
    "{url} is left out until it is well again: {reason}": "暂不使用 {url}，直到它恢复：{reason}",
    "{url} is in use": "{url} 已投入使用",
    "no server can be used: {reasons}; waiting {seconds:.0f} s for one": "没有可用的服务器：{reasons}；最多等待 {seconds:.0f} 秒",
    "{url}: {reason}": "{url}：{reason}",
    "the list of servers is empty": "服务器列表为空",
    "no server is left to sample from: {reasons}": "没有可以采样的服务器：{reasons}",
    "see what the servers printed, start them again, and repeat the command": "查看服务器的输出，重新启动它们，再运行同一条命令",
    "the list of servers is not taken: {reason}": "没有采用服务器列表：{reason}",
    "write one address of a server a line": "每行写一个服务器地址",
    "{count} questions whether it is well went without answer": "连续 {count} 次询问状态没有回答",
    "its context is {context} tokens, and responses are drawn for {needed}": "它的上下文是 {context} 个词元，而回答按 {needed} 个词元采样",
    "no answer within {seconds:g} s": "{seconds:g} 秒内没有回答",
    "it has lost the weights of step {step}: it was started anew": "它已失去第 {step} 步的权重：它被重新启动过",
    "it does not say which weights it holds: {reason}": "它没有说明自己持有哪一份权重：{reason}",
    "it does not note the name of its weights: {reason}": "它没有记下权重的名称：{reason}",
    "{url} goes on with the weights of step {step}: {reason}": "{url} 继续使用第 {step} 步的权重：{reason}",
    # Responses of older weights
    "online.max_staleness is {bound}, and loss.correction is none": "online.max_staleness 是 {bound}，而 loss.correction 是 none",
    "set loss.correction: token_truncate": "请设置 loss.correction: token_truncate",
    "online.max_staleness is 0, and online.overlap draws from weights one step old": "online.max_staleness 是 0，而 online.overlap 用早一步的权重采样",
    "set online.max_staleness: 1, or leave it out": "请设置 online.max_staleness: 1，或不写",
}
