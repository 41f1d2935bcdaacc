"""The page's Markdown: what it makes of a text, the same however the text comes, in time that grows as the text does."""

import json
import pathlib
import random

import pytest
from browser import WHY_NOT, Browser

PAGE = pathlib.Path(__file__).resolve().parents[2] / "daemon/api/page"
SCRIPT = """
function begin() { return new Markdown(document.createElement('div')); }
function htmlOf(markdown) { return markdown.root.innerHTML; }
function render(text) { const m = begin(); m.append(text); m.end(); return htmlOf(m); }
function renderParts(parts) {
  const m = begin();
  for (const part of parts) m.append(part), m.paint();
  m.end();
  return htmlOf(m);
}
function msOf(text, step) {
  const began = performance.now(), m = begin();
  for (let at = 0; at < text.length; at += step) m.append(text.slice(at, at + step)), m.paint();
  m.end();
  return performance.now() - began;
}
"""


if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)


@pytest.fixture(scope="module")
def page():
    browser = Browser()
    page = browser.open("about:blank")
    page.value("\n".join((PAGE / name).read_text() for name in ("words.js", "inline.js", "markdown.js")) + SCRIPT)
    yield page
    browser.close()


def link(url, text=None):
    return f'<a href="{url}" rel="noopener noreferrer nofollow" target="_blank">{text or url}</a>'


def code(text, language=""):
    return (f'<div class="block"><div class="bar"><span>{language}</span><button type="button" class="link" data-copy="" '
            f'data-t="copy">Copy</button></div><pre tabindex="0"><code>{text}</code></pre></div>')


CASES = {
    "": "",
    "a\nb": "<p>a\nb</p>",
    "a\n\n\nb": "<p>a</p><p>b</p>",
    "**a** *b* ***c*** _d_ __e__ ~~f~~": "<p><strong>a</strong> <em>b</em> <em><strong>c</strong></em> <em>d</em> "
                                         "<strong>e</strong> <del>f</del></p>",
    "**中文**字": "<p><strong>中文</strong>字</p>",
    "a_b_c 2*3*4 ** x ** * y *": "<p>a_b_c 2<em>3</em>4 ** x ** * y *</p>",
    "**a *b** c*": "<p><em><em>a <em>b</em></em> c</em></p>",
    "**open": "<p>**open</p>",
    "~a~ ~~~b~~~": "<p>~a~ ~~~b~~~</p>",
    "**a `**` b**": "<p><strong>a <code>**</code> b</strong></p>",
    "`a` ``b`c`` ` `` ` `": "<p><code>a</code> <code>b`c</code> <code>``</code> `</p>",
    "`a\nb` `open": "<p><code>a b</code> `open</p>",
    r"\*a\* \a \\ \`": r"<p>*a* \a \ `</p>",
    "[a](https://b/c_(d)) [*e*](<mailto:f@g> \"h\")": f"<p>{link('https://b/c_(d)', 'a')} {link('mailto:f@g', '<em>e</em>')}</p>",
    "[a](javascript:alert(1)) [b](/c) [d](data:text/html,e)": "<p>[a](javascript:alert(1)) [b](/c) [d](data:text/html,e)</p>",
    "[a] [b]: c [d](": "<p>[a] [b]: c [d](</p>",
    "![x](https://a/b.png) ![](https://c/d)": f"<p>{link('https://a/b.png', 'x')} {link('https://c/d', 'image')}</p>",
    "see https://a.b/c?d=e. (http://f/g) 见https://h/。": f"<p>see {link('https://a.b/c?d=e')}. ({link('http://f/g')}) 见{link('https://h/')}。</p>",
    "<https://a/b> xhttps://c **http://d**": f"<p>{link('https://a/b')} xhttps://c <strong>{link('http://d')}</strong></p>",
    "<b>x</b> &amp; <script>y</script>": "<p>&lt;b&gt;x&lt;/b&gt; &amp;amp; &lt;script&gt;y&lt;/script&gt;</p>",
    "# a\n## b ##\n###### c\n#d\n#": "<h3>a</h3><h4>b</h4><h6>c</h6><p>#d</p><h3></h3>",
    "a\n---\n* * *": "<p>a</p><hr><hr>",
    "> a\n> b\n>\n> - c\n\nd": "<blockquote><p>a\nb</p><ul><li><p>c</p></li></ul></blockquote><p>d</p>",
    "- a\n- b\n  - c\n    1. d\n- e": "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p><ol><li><p>d</p></li></ol></li></ul></li>"
                                     "<li><p>e</p></li></ul>",
    "3. a\n\n   b\n4. c\nd\n\ne": '<ol start="3"><li><p>a</p><p>b</p></li><li><p>c\nd</p></li></ol><p>e</p>',
    "a\n- b\n\n1) c\n2. d": "<p>a</p><ul><li><p>b</p></li></ul><ol><li><p>c</p></li></ol><ol start=\"2\"><li><p>d</p></li></ol>",
    "in 2024\n2024. was": "<p>in 2024\n2024. was</p>",
    "- [ ] a\n- [x] b": '<ul><li class="task"><p>☐ a</p></li><li class="task"><p>☑ b</p></li></ul>',
    "```py\na *b*\n  <c>\n```\nd": code("a *b*\n  &lt;c&gt;\n", "py") + "<p>d</p>",
    "````\n```\n````": code("```\n"),
    "~~~\na\n\n\nb": code("a\n\n\nb\n"),
    "1. a\n   ```\n   b\n     c\n   ```\n2. d": f"<ol><li><p>a</p>{code('b' + chr(10) + '  c' + chr(10))}</li><li><p>d</p></li></ol>",
    "- a\n```\nb\n```": f"<ul><li><p>a</p></li></ul>{code('b' + chr(10))}",
    "x\n| a | b\\|c |\n|:-:|--:|\n| `d` | e | f |\n| g\nh": '<p>x</p><div class="table" tabindex="0"><table><thead><tr><th class="center">a</th>'
        '<th class="right">b|c</th></tr></thead><tbody><tr><td class="center"><code>d</code></td><td class="right">e</td></tr>'
        '<tr><td class="center">g</td></tr></tbody></table></div><p>h</p>',
    "a | b\n---\nc": "<p>a | b</p><hr><p>c</p>",
}


@pytest.mark.parametrize("text", CASES)
def test_markdown(page, text):
    assert page.value(f"render({json.dumps(text)})") == CASES[text]


def test_however_it_comes(page):
    """Split anywhere, and painted in between, it is the same in the end."""
    pick = random.Random(7)
    pieces = [*CASES, "\n", "\n\n", "  ", "- ", "> ", "```", "| - | - |", "| a | b |", "*", "**", "`", "[", "](", "1. ", "字", "word "]
    for _ in range(150):
        text = "".join(pick.choice(pieces) + pick.choice(["", "", "\n", "\n\n"]) for _ in range(pick.randrange(1, 14)))
        parts, at = [], 0
        while at < len(text):
            end = at + pick.randrange(1, 9)
            parts.append(text[at:end])
            at = end
        assert page.value(f"renderParts({json.dumps(parts)})") == page.value(f"render({json.dumps(text)})"), text


HOSTILE = {
    "words": "Lorem ipsum, dolor sit amet. ", "one word": "a", "lines": "some words and\n", "open fence": "```\n" + "code\n" * 9,
    "quotes": "> ", "quote lines": "> a\n", "nested quotes": ">", "items": "- a\n", "deeper": "  - a\n", "stars": "*a ", "pairs": "*a _b ",
    "closers": "a* ", "runs": "*" * 5 + "a" + "*" * 3, "backticks": "`a``b```c", "brackets": "[", "links": "[a](", "targets": "](",
    "urls": "http://", "angles": "<http://", "escapes": "\\", "pipes": "|", "tables": "|a|b|\n|-|-|\n|c|d|\n", "dashes": "-",
    "dashes, words": "-" * 300 + "a\n", "hashes": "# a #" + "#" * 50 + "\n", "blanks": " ", "blank lines": " \n", "numbers": "1. a\n\n",
    "underlines": "_a_", "tildes": "~~a", "images": "![a](http://b ", "h": "h",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_as_the_text_does(page, kind):
    """Eight times the text, painted eight times as often, may take some eight times as long."""
    def text_of(size):
        return (HOSTILE[kind] * (size // len(HOSTILE[kind]) + 1))[:size]

    def took(size):
        return min(page.value(f"msOf({json.dumps(text_of(size))}, 200)") for _ in range(2))

    assert took(160_000) < 8 * 3 * took(20_000) + 300
    assert page.value(f"(() => {{ const m = begin(); m.append({json.dumps(text_of(100_000))}); m.end(); let n = 0; "
                      "for (let e = m.root; e; e = [...e.children].at(-1)) n++; return n; })()") < 64  # nesting
