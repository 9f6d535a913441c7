"""Markdown becomes elements of an allow-list, and anything else stays text."""

import time

from truing.web.markdown import markdown, markdown_tree

from ..tables import each


@each(
    ("text", "markup"),
    [
        (
            "a *b* **c** `d` ~~e~~",
            '<p dir="auto">a <em>b</em> <strong>c</strong> <code>d</code> <s>e</s></p>',
        ),
        ("one\ntwo", '<p dir="auto">one<br>two</p>'),
        ("# Title", '<p class="heading" dir="auto">Title</p>'),
        ("- a\n- b", '<ul dir="auto"><li dir="auto">a</li><li dir="auto">b</li></ul>'),
        ("3. a", '<ol start="3" dir="auto"><li dir="auto">a</li></ol>'),
        ("```js\nx<y\n```", '<pre dir="auto"><code>x&lt;y\n</code></pre>'),
        ("<b>x</b>", '<p dir="auto">&lt;b&gt;x&lt;/b&gt;</p>'),
        ("![cat](https://a.test/cat.png)", '<p dir="auto">cat</p>'),
        ("![](https://a.test/cat.png)", '<p dir="auto">https://a.test/cat.png</p>'),
    ],
)
def test_a_text_becomes_elements(text: str, markup: str):
    assert str(markdown(text)) == markup


def test_columns_of_a_table_keep_their_side_without_a_style():
    found = str(markdown("| a | b |\n|:-|-:|\n| 1 | 2 |"))
    assert '<td class="right" dir="auto">2</td>' in found
    assert "style" not in found


@each(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "/admin",
        "//a.test",
        "#main",
    ],
)
def test_a_link_that_leads_elsewhere_stays_text(address: str):
    assert "<a " not in str(markdown(f"[press me]({address}) <{address}>"))


def test_a_link_opens_apart_and_tells_nothing():
    assert markdown_tree('[](https://a.test "title")') == [
        [
            "p",
            {"dir": "auto"},
            [
                [
                    "a",
                    {"href": "https://a.test", "rel": "noopener noreferrer nofollow", "target": "_blank"},
                    ["https://a.test"],
                ]
            ],
        ]
    ]


def test_escapes_of_terminals_and_marks_of_direction_are_gone():
    assert markdown_tree("\x1b[31mred\x1b[0m \u202eabc") == [["p", {"dir": "auto"}, ["red ⟨U+202E⟩abc"]]]


@each(
    "text",
    [
        "*" * 9000 + "x" + "*" * 9000,
        "> " * 9000 + "x",
        "[" * 20000,
        "![[](" * 4000,
        "- " * 9000,
        "x" * 1_000_000,
        "a\n" * 500_000,
    ],
)
def test_a_text_made_to_be_slow_or_deep_is_neither(text: str):
    began = time.perf_counter()
    markdown_tree.cache_clear()
    found = markdown(text)
    assert time.perf_counter() - began < 20
    assert len(found) < 200_000
