"""Templates, static files and the words of scripts."""

from truing.web.pages import Pages, data, said_in_script, static_files


def test_a_script_says_its_words_by_t():
    script = 'x = t("a {n}", {n}); t(\n"b \\"c\\""); start("no"); t(variable)'
    assert said_in_script(script) == ["a {n}", 'b "c"']


def test_no_text_ends_the_block_that_holds_it():
    found = data("words", {"a": "</script><!--&"})
    assert found.count("<") == 2 and "\\u003c/script\\u003e\\u003c!--\\u0026" in found


def test_static_files_have_a_kind_and_a_tag():
    files = static_files(())
    assert {"base.css", "base.js", "tokens.css", "icon.svg"} <= files.keys()
    assert files["base.js"].kind.startswith("text/javascript") and len(files["base.js"].tag) == 18


def test_an_unknown_value_of_a_template_is_an_error():
    assert Pages([]).environment.undefined.__name__ == "StrictUndefined"
