# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about runs of many processes and machines."""

SCALE_ZH = {
    # Ranks
    "testing the ranks": "检测各进程",
    "the {name} of 1 … {size} over the ranks is {found:g} instead of {right:g}": "各进程上 1 … {size} 的 {name} 是 {found:g}，应为 {right:g}",
    "use the version of PyTorch that docs/scale.md names": "请使用 docs/scale.md 写明的 PyTorch 版本",
    "the gradient of {name} is missing or not summed over the ranks": "{name} 的梯度缺失，或没有在各进程间求和",
    "train in one process, or without ranks.shard, and report this": "请用单进程训练，或去掉 ranks.shard，并报告此问题",
    "a process of the run has gone without a word: {reason}": "本次训练有一个进程没有留下消息就消失了：{reason}",
    "its own output says more; the same command resumes": "它自己的输出有更多说明；同一条命令可以续训",
    "the ranks hold different values of {name}": "各进程中 {name} 的数值不同",
    "no checkpoint is written; go on from the last one, and check the machines": "不会写检查点；请从上一个检查点继续，并检查机器",
    "rank {rank} failed: {error}": "进程 {rank} 失败：{error}",
    "{n} of {all} trained tensors have had no gradient in {steps} steps, such as {name}": "{all} 个训练张量中有 {n} 个在 {steps} 步内没有得到梯度，例如 {name}",
    "leave them out of what trains, with lora.targets or top_layers": "请用 lora.targets 或 top_layers 把它们排除在训练之外",
    "{what} is one process, and was started as {n}": "{what} 只用一个进程，却启动了 {n} 个",
    "start it alone; `torchrun -m truing train RECIPE` uses many processes": "请单独启动它；`torchrun -m truing train RECIPE` 才使用多个进程",
}
