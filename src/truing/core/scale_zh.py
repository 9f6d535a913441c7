# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about runs on many devices, machines and servers, and about large inputs."""

SCALE_ZH = {
    # Rows on disk
    "looking for {path} among tokenised rows": "查找 {path} 是否已分词",
    "rows that were read and tokenised before: {path}": "这些行先前已读取并分词：{path}",
    "rows lie tokenised in {path}": "分词后的行在 {path}",
    "reading and tokenising {path}, in MB": "读取并分词 {path}，单位 MB",
    "the system has ended a process that worked on rows": "系统结束了一个处理数据行的进程",
    "free some memory and run the same command": "请腾出一些内存，再运行同一条命令",
}
