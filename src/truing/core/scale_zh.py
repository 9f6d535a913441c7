# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about scale: plans of memory and time, GPUs, long rows."""

SCALE_ZH = {
    # Plans
    "plan        {machine}, from config.json alone": "计划      {machine}，只依据 config.json",
    "memory      {layout}: {total:.1f} of {room:.0f} GB a rank, {verdict} ({parts})": "内存      {layout}：每个进程 {total:.1f} / {room:.0f} GB，{verdict}（{parts}）",
    "{part} {gigabytes:.1f}": "{part} {gigabytes:.1f}",
    "one rank": "单进程",
    "replicated": "复制",
    "sharded": "分片",
    "fits": "放得下",
    "does not fit": "放不下",
    "weights": "权重",
    "gradients": "梯度",
    "optimiser": "优化器",
    "activations": "激活",
    "working": "运算中",
    "gathered": "聚合",
    "sampler": "采样器",
    "process": "进程",
    "pace        {tokens:,.0f} tokens/s, {steps} steps in {duration}; {basis}": "速度      每秒 {tokens:,.0f} 个词元，{steps} 步：{duration}；{basis}",
    "an estimate: {share:.0%} of {peak:.0f} TFLOP/s ({sheet}), traffic not counted": "估计值：按 {peak:.0f} TFLOP/s 的 {share:.0%} 计（{sheet}），未计通信",
    "an estimate: half of the rate of products measured here": "估计值：本机实测矩阵乘法速度的一半",
    "measured in the first step": "第一步实测",
    "no data sheet known": "没有该设备的数据手册",
    "cheapest    none fits: set activation_checkpointing: true, train an adapter, lower data.max_tokens or tokens_per_pass, or take more or larger GPUs": "最省      都放不下：请设 activation_checkpointing: true、改训适配器、调低 data.max_tokens 或 tokens_per_pass，或用更多、更大的 GPU",
    "cheapest    {layout}, {ranks} of them: the least traffic that fits": "最省      {layout}（{ranks} 个进程）：放得下的方案里通信最少",
    "cheapest    {layout}: more ranks take as many hours of machines, and traffic on top": "最省      {layout}：进程再多，总机时也不会少，还要加上通信",
    "--gpus {asked}: expected a number and a kind, such as 8xH200": "--gpus {asked}：应为数量和型号，例如 8xH200",
    "known kinds: {names}": "已知型号：{names}",
    "--nodes {n} needs --gpus, such as --gpus 8xH200": "--nodes {n} 要和 --gpus 一起用，例如 --gpus 8xH200",
    "{model} cannot run without numbers, so no plan is made: {error}": "{model} 不能不带数值地运行，因此没有计划：{error}",
    "running a pass without numbers": "不带数值地跑一遍",
    "give a folder with its config.json and its tokenizer": "请给出含 config.json 和分词器的目录",
    # Layers that run twice
    "activation_checkpointing: {model} has no such layers": "activation_checkpointing：{model} 没有这样的层",
    "leave it out, and lower data.max_tokens or tokens_per_pass where memory is short": "请去掉它；内存不够时调低 data.max_tokens 或 tokens_per_pass",
}
