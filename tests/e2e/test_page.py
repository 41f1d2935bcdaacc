"""The page at GET /, as a headless Chromium shows it: behind a proxy, under a path, which answers in the daemon's
place where a test wants that. After every test: nothing came from elsewhere, and nothing was complained of."""

import json
import re
import subprocess
import threading
import time

import pytest
from browser import ENTER, ESCAPE, WHY_NOT, Browser
from daemon_fixture import Daemon
from page_server import PREFIX, PageServer, delta, error, respond, status, stream

CHAT = "/v1/chat/completions"


if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    running = Browser()
    yield running
    running.close()


@pytest.fixture
def server(daemon):
    running = PageServer(daemon)
    yield running
    running.close()


@pytest.fixture
def visit(browser, server):
    """Opens the page."""
    pages = []

    def visit(ready=True, **how):
        pages.append(browser.open(server.url, **how))
        if ready:
            pages[-1].wait("document.querySelector('#state').dataset.state === 'ready'")
        return pages[-1]

    yield visit
    for page in pages:
        assert page.complaints == []
        assert [a for a in page.addresses if not a.startswith((server.origin + PREFIX, "data:image/svg+xml"))] == []


def say(page, text):
    page.value("document.querySelector('#input').focus()")
    page.write(text)
    page.press(ENTER)


def ask(page, text):
    """What is answered, as it is seen."""
    say(page, text)
    page.wait("document.querySelector('article.assistant:last-child .meta') && !document.querySelector('.growing')")
    return page.text("article.assistant:last-child .text")


def kept(page, name):
    return json.loads(page.value(f"localStorage.getItem('qwend {PREFIX}/ {name}')") or "null")


def test_an_answer_streams_and_is_kept(visit):
    page = visit()
    said = ask(page, "How do I put qwend behind nginx?")
    assert len(said) > 20 and re.search(r"to the first token.*tokens/s.*\d in.*\d out", page.text("article:last-child .meta"), re.S)
    ask(page, "And then?")
    page.reload()
    assert page.count("article") == 4 and page.text("article:nth-child(2) .text") == said
    page.click("#new-chat")
    assert page.count("article") == 0 and kept(page, "chat") is None and page.seen("#welcome")
    page.click("#undo")
    assert page.count("article") == 4 and len(kept(page, "chat")) == 4


def test_without_the_last_slash(visit, server):
    page = visit()
    page.go(server.origin + PREFIX)
    page.wait("document.querySelector('#state').dataset.state === 'ready'")
    assert len(ask(page, "Hello")) > 5
    lines = page.value("document.querySelector('#curl').textContent")
    answered = subprocess.run(["sh", "-c", lines], capture_output=True, text=True).stdout
    assert f"{server.url}v1/chat/completions" in lines and "data: [DONE]" in answered and '"object":"list"' in answered


def test_an_answer_that_a_reload_cut(visit, server):
    go_on = threading.Event()
    server.scripted[CHAT] = stream("Half", "", pause=lambda: go_on.wait(10))
    page = visit()
    say(page, "Well?")
    page.wait("document.querySelector('article .text')?.innerText === 'Half'")
    page.reload()
    assert page.text("article:last-child .text") == "Half" and "incomplete" in page.text(".note p")
    go_on.set()
    server.scripted[CHAT] = stream("All")
    page.click(".note button")
    page.wait("document.querySelector('article:last-child .text')?.innerText === 'All'")


def test_scrolling_back_is_respected(visit, server):
    go_on = threading.Event()
    server.scripted[CHAT] = stream("line\n\n" * 100, *["more\n\n"] * 9, pause=lambda: go_on.wait(10))
    page = visit()
    say(page, "Well?")
    rest = "(m => m.scrollHeight - m.scrollTop - m.clientHeight)(document.querySelector('main'))"
    page.wait(f"document.querySelectorAll('.text p').length > 99 && {rest} < 5")
    page.value("document.querySelector('main').scrollTop = 100")
    time.sleep(0.1)
    go_on.set()
    page.wait("!document.querySelector('.growing')")
    assert page.value("document.querySelector('main').scrollTop") == 100 and page.seen("#to-end")
    page.click("#to-end")
    assert page.value(rest) < 5 and not page.seen("#to-end")


def test_stop(visit, server, daemon):
    page = visit()
    page.click("#open-panel")
    page.value("document.querySelector('[name=more]').focus()")
    page.write('{"ignore_eos": true, "max_tokens": 3500}')
    say(page, "Go on for ever")
    page.wait("document.querySelector('article.assistant .text')?.innerText.length > 20")
    page.press(ESCAPE)
    page.wait("!document.querySelector('.growing')")
    assert page.text(".note") == "Stopped." and kept(page, "chat")[1]["end"] == "stopped"
    daemon.wait_metric("qwend:num_requests_running", 0)
    assert page.seen("#panel")  # it was the answer's Escape
    page.press(ESCAPE)
    assert not page.seen("#panel")
    assert server.bodies()[0]["max_tokens"] == 3500 and server.bodies()[0]["ignore_eos"] is True


def test_edit_and_regenerate(visit, server):
    answers = iter(["one", "two", "three", "four"])
    server.scripted[CHAT] = lambda *to: stream(next(answers))(*to)
    page = visit()
    ask(page, "first")
    assert ask(page, "second") == "two"
    page.click("article:nth-child(2) .tools .link:nth-child(2)")  # regenerates the first, and drops what came then
    page.wait("document.querySelectorAll('article').length === 2 && !document.querySelector('.growing')")
    assert page.text("article:nth-child(2) .text") == "three"
    page.value("document.querySelector('#input').focus()")
    page.press("ArrowUp")
    assert page.value("document.activeElement.value") == "first"
    page.write(" again")
    page.press(ENTER)
    page.wait("document.querySelector('article:last-child .text')?.innerText === 'four'")
    sent = [[(m["role"], m["content"]) for m in body["messages"]] for body in server.bodies()]
    assert sent[1] == [("user", "first"), ("assistant", "one"), ("user", "second")]
    assert sent[2] == [("user", "first")] and sent[3] == [("user", "first again")]


def test_parameters(visit, server):
    server.scripted[CHAT] = stream("yes")
    page = visit()
    page.click("#open-panel")
    for name, text in {"system": "Be brief.", "temperature": "0,5", "top_p": "0.9", "max_tokens": "7", "seed": "1"}.items():
        page.value(f"document.querySelector('[name={name}]').focus()")
        page.write(text)
    ask(page, "Well?")
    page.reload()
    ask(page, "Well?")
    for body in server.bodies():
        assert {name: body[name] for name in ("temperature", "top_p", "max_tokens", "seed")} == {
            "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": 1}
        assert body["messages"][0] == {"role": "system", "content": "Be brief."} and "model" not in body
    page.value("document.querySelector('[name=seed]').focus()")
    page.write("x")
    say(page, "No")
    assert page.text("#wrong") == "Seed: expected a number, or nothing." and len(server.bodies()) == 2
    assert page.value("document.querySelector('#input').value") == "No"
    page.click("#reset")
    assert kept(page, "parameters")["seed"] == ""


FAILURES = {
    "busy": (error(429, "full", "queue_full", Retry_After="1"), "The server is busy: its queue is full."),
    "loading": (error(503, "x", "loading", Retry_After="1"), "The model is still loading."),
    "draining": (error(503, "x", "draining"), "The server is shutting down."),
    "failed": (error(500, "out of memory"), "The server failed (500).\nout of memory"),
    "refused": (error(400, "too long"), "The server refused the request (400).\ntoo long"),
    "proxy": (lambda handler, _: respond(handler, 502, "<html>"), "The proxy in between gets no answer from the server (502)."),
    "no stream": (lambda handler, _: respond(handler, 200, {}), "What came back is no answer of this API."),
    "broken": (stream("Half", done=False), "The connection broke: this answer is incomplete."),
    "in stream": (stream("Half", {"error": {"message": "on fire"}}), "The server ended the answer with an error.\non fire"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_failures_in_words(visit, server, kind):
    server.scripted[CHAT], words = FAILURES[kind]
    page = visit()
    said = ask(page, "Well?")
    assert page.text(".note p") == words and (said == "Half") == (kind in ("broken", "in stream"))
    assert page.value("document.querySelector('.note button').disabled") is (kind in ("busy", "loading"))
    page.reload()
    assert page.text(".note p") == words
    server.scripted[CHAT] = stream("Better")
    page.click(".note button")
    page.wait("document.querySelector('article:last-child .text')?.innerText === 'Better'")
    assert page.count("article") == 2 and not page.seen(".note")
    assert [m["role"] for m in server.bodies()[-1]["messages"]] == ["user"]


def test_a_key(browser, tmp_path):
    (tmp_path / "keys").write_text("sesame\n")
    (tmp_path / "keys").chmod(0o600)
    with Daemon("--api-key-file", str(tmp_path / "keys")) as locked:
        server = PageServer(locked)
        page = browser.open(server.url)

        def give(key, for_long=False):
            page.wait("document.querySelector('#key-dialog').open")
            page.value("document.querySelector('#key').focus()")
            page.write(key)
            if for_long:
                page.click("#keep-key")
            page.press(ENTER)

        give("wrong")
        page.wait("document.querySelector('#state').dataset.state === 'locked' && !document.querySelector('#key-dialog').open")
        assert page.text("#state") == "needs a key"
        say(page, "Hello")
        page.wait("document.querySelector('#key-why').textContent.startsWith('That key was not accepted')")
        give("sesame")
        page.wait("document.querySelector('article:last-child .text')?.innerText.length > 5")
        assert page.count("article") == 2 and page.value("Object.keys(sessionStorage).length") == 1
        assert kept(page, "key") is None and "sesame" not in page.value("JSON.stringify(localStorage)")
        beside = browser.open_beside(page.context, server.url)
        beside.wait("document.querySelector('#key-dialog').open")  # another tab asks again
        page.reload()
        page.wait("document.querySelector('#state').dataset.state === 'ready'")
        page.click("#open-panel")
        assert "$KEY" in page.value("document.querySelector('#curl').textContent")
        page.click("#change-key")
        give("sesame", for_long=True)
        page.wait("!document.querySelector('#key-dialog').open")
        assert kept(page, "key") == "sesame"
        page.click("#forget-key")
        page.wait("document.querySelector('#state').dataset.state === 'locked'")
        assert kept(page, "key") is None and page.complaints == []
        server.close()


def test_reasoning_is_folded_and_calls_are_shown(visit, server):
    call = [{"tool_calls": [{"index": 0, "id": "a", "function": {"name": "get_weather", "arguments": ""}}]},
            *({"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in ('{"city":', '"Paris"}'))]
    server.scripted[CHAT] = stream(delta(reasoning_content="Let me ", reasoning="Let me "), delta(reasoning="see."),
                                   *(delta(**part) for part in call), reason="tool_calls")
    page = visit()
    assert ask(page, "Weather?") == ""
    assert page.seen(".thinking summary") and not page.seen(".thinking > div")
    page.click(".thinking summary")
    assert page.text(".thinking > div") == "Let me see."
    assert page.text(".call") == 'Calls get_weather\n{\n  "city": "Paris"\n}'
    ask(page, "It rains.")
    assert server.bodies()[1]["messages"][1]["tool_calls"] == [
        {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}]


ATTACKS = ["<script>hacked = 1</script>", "<img src=x onerror=hacked=1>", "[a](javascript:hacked=1)", "[a](JaVaScRiPt:hacked=1)",
           "<javascript:hacked=1>", "![a](http://elsewhere.example/x.png)", "[a](data:text/html,<script>hacked=1</script>)",
           "<svg/onload=hacked=1>", "`<img src=x onerror=hacked=1>`", "```<img src=x onerror=hacked=1>\n</code><script>hacked=1</script>\n```",
           "| <img src=x onerror=hacked=1> |\n|---|\n| <iframe src=javascript:hacked=1> |", "# <style>*{display:none}</style>",
           "[a](https://b\" onmouseover=\"hacked=1)", "<a href=\"javascript:hacked=1\">x</a>", "[](vbscript:x) [b]( javascript:hacked=1)",
           "<https://a\"onclick=hacked=1>", "&lt;script&gt;hacked=1&lt;/script&gt;", "- <base href=//elsewhere.example>", "\0\u2028</script>"]


def test_what_a_model_says_is_text(visit, server):
    """Nothing of it runs, loads or leads anywhere but by http and mail."""
    all_of_it = "\n\n".join(ATTACKS)
    server.scripted["/status"] = status({"id": ATTACKS[1], "device": ATTACKS[0]}, {"id": ATTACKS[0]})
    server.scripted[CHAT] = stream(delta(reasoning=all_of_it), *all_of_it, delta(tool_calls=[
        {"index": 0, "id": "x", "function": {"name": ATTACKS[1], "arguments": ATTACKS[0]}}]), {"error": {"message": ATTACKS[1]}})
    page = visit()
    ask(page, ATTACKS[0])
    page.click("#open-panel")
    for _ in range(2):
        time.sleep(0.3)
        assert page.value("typeof hacked") == "undefined"
        assert page.count("main :is(script, img, iframe, style, base, object, embed, form, link, svg, [onerror], [onload], [onclick])") == 0
        urls = page.value("[...document.querySelectorAll('main a')].map(a => [a.href, a.rel])")
        assert urls and all(re.match("https?://|mailto:", url) and "noopener" in rel for url, rel in urls), urls
        assert ATTACKS[0] in page.text("article.user") and ATTACKS[1] in page.text(".note") and ATTACKS[1] in page.text(".call")
        page.reload()  # and nothing of what was kept


@pytest.mark.parametrize("width", [320, 360, 800])
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_narrow(visit, server, width, language):
    server.scripted["/status"] = status({"id": "a" * 90}, {"id": "b"})
    text = ("x" * 300 + "\n\n| " + "column | " * 9 + "\n|" + "---|" * 9 + "\n| " + "y" * 200 + " |\n\n```\n" + "z" * 300 + "\n```\n\n"
            "1. a\n   - b\n     - https://example.com/" + "w" * 200 + "\n\n# " + "h" * 100 + "\n\n`" + "c" * 200 + "`")
    server.scripted[CHAT] = stream(delta(reasoning="r" * 300), text, delta(tool_calls=[
        {"index": 0, "function": {"name": "n" * 99, "arguments": "{}"}}]), {"error": {"message": "e" * 300}})
    page = visit(width=width, height=700, language=language)
    overflow = ("[document.documentElement, document.querySelector('main'), document.querySelector('header'), document.querySelector('#panel')]"
                ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.outerHTML.slice(0, 60))")
    assert page.value(overflow) == []
    ask(page, "q" * 300)
    page.click(".thinking summary")
    assert page.value(overflow) == []
    page.click("#open-panel")
    assert page.seen("#panel") and page.value(overflow) == []
    for selector in ("#open-panel", "#new-chat", "#send"):
        box = page.value(f"(r => [r.left, r.right, r.width, r.height])(document.querySelector('{selector}').getBoundingClientRect())")
        assert box[0] >= 0 and box[1] <= width and min(box[2:]) >= 30, (selector, box)


def test_dark_and_light(visit):
    page = visit(dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.value(paper)
    page.prefer("light")
    page.wait(f"{paper} !== {json.dumps(dark)}")
    page.click("#open-panel")
    page.value("document.querySelector('[name=theme][value=dark]').click()")
    assert page.value(paper) == dark
    page.reload()
    assert page.value(paper) == dark


def test_languages(visit):
    page = visit(language="zh-CN,zh;q=0.9")
    assert page.value("document.documentElement.lang") == "zh" and "设置" in page.text("header") and "就绪" in page.text("#state")
    ask(page, "介绍一下大模型")
    assert re.search("首词元.*词元/秒.*输入.*输出", page.text("article:last-child .meta"), re.S)
    page.click("#open-panel")
    page.value("document.querySelector('[name=language][value=en]').click()")
    assert "Settings" in page.text("header") and "to the first token" in page.text("article:last-child .meta")
    page.reload()
    assert page.value("document.documentElement.lang") == "en"


def test_input_methods(visit, server):
    """The Enter that ends a composition sends nothing; nor does Shift+Enter."""
    server.scripted[CHAT] = stream("yes")
    page = visit()
    page.value("document.querySelector('#input').focus()")
    page.call("Input.imeSetComposition", text="nihao", selectionStart=5, selectionEnd=5)
    page.press({**ENTER, "windowsVirtualKeyCode": 229, "text": ""})
    for told in "isComposing: true", "keyCode: 229":  # Safari's way is the second
        page.value("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
                   f"{{key: 'Enter', {told}, bubbles: true, cancelable: true}}))")
    assert page.count("article") == 0
    page.write("你好")
    page.press(ENTER, modifiers=8)
    assert page.count("article") == 0 and page.value("document.querySelector('#input').value") == "你好\n"
    page.write("吗")
    page.press(ENTER)
    page.wait("document.querySelectorAll('article').length === 2")
    assert server.bodies()[0]["messages"] == [{"role": "user", "content": "你好\n吗"}]


def names(page):
    """Of what a person can use, as a screen reader says them."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    used = [node for node in nodes
            if node.get("role", {}).get("value") in ("button", "textbox", "combobox", "radio", "checkbox", "link")]
    return [node.get("name", {}).get("value") for node in used]


def test_keyboard_and_names(visit):
    page = visit()
    page.press({"key": "/", "code": "Slash", "windowsVirtualKeyCode": 191}, modifiers=2)
    assert page.seen("#help")
    page.press(ESCAPE)
    page.wait("!document.querySelector('#help').open")
    page.press({"key": ".", "code": "Period", "windowsVirtualKeyCode": 190}, modifiers=2)
    page.wait("document.querySelector('#panel').checkVisibility()")
    assert page.value("document.querySelector('#open-panel').ariaExpanded") == "true"
    ask(page, "Hello")
    assert len(names(page)) > 20 and all(names(page))
    page.value("document.activeElement.blur()")
    order = []
    for _ in range(4):
        page.press({"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9})
        order.append(page.value("document.activeElement.id || document.activeElement.className"))
    assert len(set(order)) == 4 and page.text("#said") == "The answer is complete"


def test_several_models(visit, server):
    server.scripted["/status"] = status({"id": "large"}, {"id": "small"}, {"id": "vectors", "task": "embedding"})
    server.scripted[CHAT] = stream("yes")
    page = visit()
    ask(page, "a")
    assert "Model" in names(page) and all(names(page))
    for name in "vectors", "small":
        page.value(f"(e => {{ e.value = '{name}'; e.dispatchEvent(new Event('change')); }})(document.querySelector('#model'))")
        assert page.seen("#composer") == (name == "small") and page.seen("#bare #facts") == (name == "vectors")
    page.click("#open-panel")
    assert page.seen("#panel #facts")
    page.reload()
    page.wait("document.querySelector('#model').value === 'small'")
    ask(page, "b")
    assert [body["model"] for body in server.bodies()] == ["large", "small"]


@pytest.mark.parametrize("task, path, words", [
    ("completion", "v1/completions", "it completes texts"), ("embedding", "v1/embeddings", "vectors of texts"),
    ("classification", "classify", "classifies"), ("reward", "pooling", "how good")])
def test_a_model_that_cannot_chat(visit, server, task, path, words):
    server.scripted["/status"] = status({"id": "other", "task": task})
    page = visit()
    page.wait("document.querySelector('#bare #curl')")
    assert not page.seen("#composer") and page.seen("#facts") and page.seen("#curl") and not page.seen("#new-chat")
    assert server.url + path + " " in page.text("#curl")
    assert "other is not for chatting" in page.text("main") and words in page.text("main")


def test_what_is_loading_becomes_ready(visit, server):
    server.scripted["/status"] = status({"state": "loading", "device": ""}, state="loading")
    page = visit(ready=False)
    page.wait("document.querySelector('#state').innerText === 'loading'")
    del server.scripted["/status"]
    page.wait("document.querySelector('#state').innerText === 'ready'")


def test_a_long_conversation_is_kept_in_part(visit, server):
    server.scripted[CHAT] = stream(*["x" * 99_999 + "\n"] * 4)
    page = visit()
    for i in range(4):
        ask(page, f"question {i}")
    assert page.value("JSON.stringify(localStorage).length") < 1_100_000
    page.reload()
    assert page.count("article") == 4 and "question 2" in page.text("article")


def test_a_long_answer_does_not_hold_the_page_up(visit, server):
    """Twenty thousand tokens; meanwhile the page answers at once, and what is at the end is in view."""
    words = [f"word{i} " + ("**bold** `code`\n" if i % 20 == 0 else "\n\n- item\n" if i % 97 == 0 else "") for i in range(20_000)]
    ready = threading.Event()
    server.scripted[CHAT] = stream(*words, pause=lambda: ready.wait(0.0002))
    page = visit()
    page.value("globalThis.longest = 0; (function look(last) { requestAnimationFrame(now => { longest = Math.max(longest, now - last); look(now); }); })"
               "(performance.now())")
    said = ask(page, "Go on")
    assert said.count("word") == 20_000
    print("longest frame:", page.value("longest"), "ms")
    assert page.value("longest") < 1000
    assert page.value("(m => m.scrollHeight - m.scrollTop - m.clientHeight)(document.querySelector('main'))") < 60
