# ruff: noqa: E501 - a text and its translation on one line
"""Texts of the pages of a server in Chinese: the frame of all of them, and those about runs."""

from truing.core.runs_pages_zh import RUNS_PAGES_ZH

WEB_ZH = RUNS_PAGES_ZH | {
    "Skip to the content": "跳到正文",
    "Pages": "页面",
    "To the first page": "回到首页",
    "Who is there?": "请先登录",
    "Open the link that the terminal printed, or the one that you were sent.": "请打开终端中显示的链接，或别人发给您的链接。",
    "Password": "密码",
    "Enter": "进入",
    "Go on": "继续",
    "This is not the password.": "密码不正确。",
    "The request holds no JSON object.": "请求中没有 JSON 对象。",
    "The request has no use: {fields}.": "请求无法使用：{fields}。",
    "This server does not answer to that name.": "本服务器不以该名称应答。",
    "The request comes from another page.": "请求来自其他页面。",
    "The page is from another session: load it again.": "页面属于另一次会话：请重新加载。",
    "The request is larger than {n:,} bytes.": "请求超过 {n:,} 字节。",
    "There is no such page.": "没有这个页面。",
    "This cannot be done here.": "此处不能这样做。",
    "Something went wrong here; the terminal says more.": "这里出了错；详情见终端。",
    "The server does not answer.": "服务器没有应答。",
}
