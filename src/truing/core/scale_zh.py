# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the terminal in Chinese about runs on many devices, machines and servers, and about large inputs."""

SCALE_ZH = {
    # Rows on disk
    "looking for {path} among tokenised rows": "查找 {path} 是否已分词",
    "rows that were read and tokenised before: {path}": "这些行先前已读取并分词：{path}",
    "rows lie tokenised in {path}": "分词后的行在 {path}",
    "reading and tokenising {path}, in MB": "读取并分词 {path}，单位 MB",
    "the system has ended a process that worked on rows": "系统结束了一个处理数据行的进程",
    # Shards
    "--shard {given}: expected a number and how many there are, such as 2/8": "--shard {given}：应为编号与总数，例如 2/8",
    "shards count from 1: sbatch --array=1-8, --shard $SLURM_ARRAY_TASK_ID/8": "分片从 1 编号：sbatch --array=1-8，--shard $SLURM_ARRAY_TASK_ID/8",
    "{path} is being written by another process": "{path} 正由另一个进程写入",
    "wait for it, or give each process a shard of its own": "请等它结束，或给每个进程单独的分片",
    "{path} is shorter than its note says": "{path} 比其说明文件所记的短",
    "remove {path} and its note: the shard begins again": "请删除 {path} 及其说明文件：该分片会重新开始",
    "{path} has no note {note} beside it": "{path} 旁边没有说明文件 {note}",
    "copy both files of each shard, as --shard wrote them": "请复制每个分片的两个文件，保持 --shard 写出的样子",
    "{path} is not finished: {n} of {of} items": "{path} 尚未完成：{of} 项中完成了 {n} 项",
    "run its command again: it goes on from there": "请再运行它的命令：它会接着做",
    "{path} has another content than was written": "{path} 的内容与写入时不同",
    "copy it again, or run its command again": "请重新复制，或再运行它的命令",
    "{first} and {path} are shards of different work": "{first} 与 {path} 不是同一任务的分片",
    "their notes say what was asked: merge the shards of one request": "说明文件写明了各自的要求：请只合并同一要求的分片",
    "shard {n} of {of} is given twice: {paths}": "分片 {n}/{of} 给了两次：{paths}",
    "name one file of each shard": "每个分片只给一个文件",
    "of {of} shards these are missing: {missing}": "{of} 个分片中缺少：{missing}",
    "run their commands, or name their files too": "请运行它们的命令，或补上它们的文件",
    "--shard takes the prompts of --file and writes to --output": "--shard 读取 --file 的提示，写入 --output",
    "--shard needs --output": "--shard 需要 --output",
    "put the shards together, once all are done": "全部完成后，把分片合并",
    "merging {n} shards": "合并 {n} 个分片",
    "free some memory and run the same command": "请腾出一些内存，再运行同一条命令",
}
