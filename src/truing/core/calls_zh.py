# ruff: noqa: E501 - a text and its translation on one line
"""Chinese texts of the calls from Python: `truing.train`, `sample`, `score`, `evaluate`, `report`."""

CALLS_ZH = {
    "a loaded model was passed without its tokenizer": "传入了已加载的模型，却没有它的分词器",
    "pass tokenizer=TOKENIZER beside it, or name the model's folder": "请同时传入 tokenizer=分词器，或改为给出模型目录",
    "a run folder is what a recipe names as its `output`; truing.train returns one": "运行目录就是配方里的 `output`；truing.train 会返回它",
    "{path} holds other {what} than those of this call": "{path} 里的{what}与这次调用的不同",
    "rows": "数据",
    "choose another output; the run that began there keeps what it began with": "请换一个 output；原来的运行保留它开始时的内容",
    "no run was given": "没有给出运行目录",
    "name a run folder": "请给出一个运行目录",
    "pass a text, or a list of them": "请传入一段文字，或文字的列表",
    "pass another model as against": "请用 against 传入另一个模型",
    "{name} is a function that was passed in Python, and not to this process": "{name} 是在 Python 中传入的函数，没有传给当前进程",
    "pass {own} again: truing.train with the same arguments": "请再次传入 {own}：以同样的参数调用 truing.train",
    "rows are dicts, a datasets.Dataset or a pandas.DataFrame": "数据应为字典、datasets.Dataset 或 pandas.DataFrame",
    "stopped after step {step}; the same call goes on": "在第 {step} 步后停下；再次执行同一调用即可继续",
    "two models of this call are both called {name}": "这次调用的两个模型都叫 {name}",
    "set config.name_or_path of a loaded model to a name of its own": "把已加载模型的 config.name_or_path 设为它自己的名称",
    "{key} is a {kind}: expected a run, a folder, a name, or a server as a dict": "{key} 是 {kind}：应为一次运行、目录、名称或以字典给出的服务器",
    "save a loaded model with save_pretrained, and name its folder": "用 save_pretrained 保存已加载的模型，再给出它的目录",
    "{kind} is no model: expected a run, a folder, a name, or a loaded model": "{kind} 不是模型：应为一次运行、目录、名称或已加载的模型",
    "{name} holds no rows": "{name} 没有任何数据行",
    "{name} is a {kind}: expected files or rows": "{name} 是 {kind}：应为文件或数据行",
    "{name}, row {n} cannot be written as JSON: {error}": "{name} 第 {n} 行不能写成 JSON：{error}",
    "{name}, row {n}: a {kind}, expected a dict such as {{'prompt': …, 'chosen': …}}": "{name} 第 {n} 行是 {kind}，应为字典，例如 {{'prompt': …, 'chosen': …}}",
    "{origin}: a {kind} is no value of a recipe: expected text, a number, true, false, a list or a dict": "{origin}：{kind} 不能作为配方的值：应为文字、数字、true、false、列表或字典",
}
