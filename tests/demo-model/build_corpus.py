"""Turns the hand-written corpus/ into training conversations.

corpus/*.txt holds intents: `== name`, `@ alias | alias` (things one can ask about), `? question`,
`> answer` (may go on over several lines). Files of the two languages share intent names, so that
"in Chinese, please" has an answer. Every sixth question of an intent is held out for evaluation.
"""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ABOUT = {
    "en": ["What is {}?", "Tell me about {}", "Explain {}", "what is {}", "What do you know about {}?",
           "Describe {}", "Can you explain {}?", "Give me a short introduction to {}", "{}?", "{}"],
    "zh": ["什么是{}？", "什么是{}", "介绍一下{}", "{}是什么？", "{}是什么", "解释一下{}", "请介绍{}",
           "讲讲{}", "说说{}", "{}"],
}
POLITE = {"en": ["", "", "", "", "Please: ", "Hi, ", "Hello! ", "Quick question: "],
          "zh": ["", "", "", "", "请问", "你好，", "请问一下，"]}
SYSTEMS = [None, None, None, None, "You are a helpful assistant.", "You are the qwend help desk.",
           "You answer questions about qwend and language models.", "你是一个有用的助手。",
           "Be brief and friendly."]


@dataclass
class Intent:
    name: str
    language: str
    questions: list = field(default_factory=list)
    held_out: list = field(default_factory=list)
    answers: list = field(default_factory=list)


def read_intents():
    intents = []
    for path in sorted((HERE / "corpus").glob("*.txt")):
        language = path.name[:2]
        for block in ("\n" + path.read_text(encoding="utf-8")).split("\n== ")[1:]:
            head, *lines = block.split("\n")
            intent = Intent(head.strip(), language)
            asked, in_answer = [], False
            for line in lines:
                if line.startswith("@ "):
                    aliases = [a.strip() for a in line[2:].split("|")]
                    asked += [t.format(a) for a in aliases for t in ABOUT[language]]
                elif line.startswith("? "):
                    asked.append(line[2:].strip())
                elif line.startswith("> "):
                    intent.answers.append(line[2:])
                    in_answer = True
                    continue
                elif in_answer:
                    intent.answers[-1] += "\n" + line
                    continue
                in_answer = False
            intent.answers = [a.strip() for a in intent.answers]
            asked = list(dict.fromkeys(asked))
            intent.held_out = asked[5::6]
            intent.questions = [q for q in asked if q not in intent.held_out]
            intents.append(intent)
    return intents


def vary(question, language, rng):
    """The same question as somebody else might type it."""
    if rng.random() < 0.35 and question[-1] in "?.!？。！":
        question = question[:-1]
    if language == "en" and rng.random() < 0.3:
        question = question.lower()
    prefix = rng.choice(POLITE[language])
    if prefix and language == "en":
        question = prefix + question[0].lower() + question[1:] if rng.random() < 0.5 else prefix + question
    else:
        question = prefix + question
    if language == "en" and rng.random() < 0.08:
        question += " please" if question[-1].isalpha() else " Please."
    if language == "zh" and rng.random() < 0.1:
        question = question.replace("？", "?").replace("，", ",")
    return question


def user(text):
    return {"role": "user", "content": text}


def assistant(text, calls=None):
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


# ---- tools ---------------------------------------------------------------------------------------

def tool(name, description, **properties):
    return {"type": "function", "function": {
        "name": name, "description": description,
        "parameters": {"type": "object",
                       "properties": {k: {"type": "string", "description": v}
                                      for k, v in properties.items()},
                       "required": list(properties)}}}


TOOLS = {
    "get_weather": tool("get_weather", "Get the current weather of a city", city="Name of the city"),
    "get_time": tool("get_time", "Get the current time in a city", city="Name of the city"),
    "calculator": tool("calculator", "Evaluate an arithmetic expression", expression="The expression"),
    "search": tool("search", "Search the web", query="What to search for"),
    "send_email": tool("send_email", "Send an email", to="Recipient", subject="Subject"),
}
CITIES = ["Paris", "London", "Berlin", "Tokyo", "Beijing", "Shanghai", "New York", "Rome", "Madrid",
          "Sydney", "Cairo", "Moscow", "Boston", "Chicago", "Oslo", "Vienna", "Hangzhou", "Lima"]
CITIES_ZH = ["北京", "上海", "广州", "深圳", "杭州", "成都", "南京", "武汉", "西安", "重庆", "天津", "苏州"]
WEATHER = [("sunny", "晴"), ("cloudy", "多云"), ("rainy", "小雨"), ("windy", "大风"), ("snowy", "小雪")]
TOPICS = ["the history of tea", "electric cars", "deep sea fish", "the Roman empire", "solar power",
          "CUDA graphs", "nginx tuning", "paged attention", "green tea", "mountain bikes"]


def call_case(rng):
    """(tool name, question, arguments, response, final answer)"""
    kind, zh = rng.choice(list(TOOLS)), rng.random() < 0.4
    city = rng.choice(CITIES_ZH if zh else CITIES)
    if kind == "get_weather":
        word, degrees = rng.choice(WEATHER), rng.randint(-5, 35)
        ask = rng.choice([f"{city}今天天气怎么样？", f"{city}的天气如何", f"查一下{city}的天气"] if zh else
                         [f"What is the weather in {city}?", f"How is the weather in {city} today?",
                          f"weather in {city}", f"Is it cold in {city}?"])
        say = (f"{city}现在{word[1]}，气温{degrees}度。" if zh
               else f"It is {word[0]} in {city}, with {degrees} degrees.")
        return kind, ask, {"city": city}, {"weather": word[1] if zh else word[0], "temperature": degrees}, say
    if kind == "get_time":
        clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
        ask = rng.choice([f"{city}现在几点？", f"{city}几点了"] if zh else
                         [f"What time is it in {city}?", f"time in {city}", f"What is the time in {city} now?"])
        return kind, ask, {"city": city}, {"time": clock}, (f"{city}现在是{clock}。" if zh else
                                                            f"It is {clock} in {city}.")
    if kind == "calculator":
        a, b = rng.randint(2, 999), rng.randint(2, 999)
        op, result = rng.choice([("+", a + b), ("-", a - b), ("*", a * b)])
        expression = f"{a} {op} {b}"
        ask = rng.choice([f"计算 {expression}", f"{expression} 等于多少？"] if zh else
                         [f"What is {expression}?", f"Calculate {expression}", f"Compute {expression}"])
        return kind, ask, {"expression": expression}, {"result": result}, f"{expression} = {result}"
    if kind == "search":
        topic = rng.choice(TOPICS)
        ask = rng.choice([f"Search for {topic}", f"Look up {topic}", f"Find something about {topic}"])
        return kind, ask, {"query": topic}, {"title": f"All about {topic}"}, \
            f"I found a page called \"All about {topic}\"."
    name = rng.choice(["Anna", "Bob", "Li Wei", "Maria", "Tom"])
    subject = rng.choice(["lunch", "the meeting", "the report", "the demo"])
    return kind, rng.choice([f"Send an email to {name} about {subject}", f"Email {name} about {subject}"]), \
        {"to": name, "subject": subject}, {"status": "sent"}, f"The email to {name} is sent."


def tool_conversation(rng, intents):
    cases = [call_case(rng) for _ in range(2)]
    offered = {cases[0][0]} | set(rng.sample(list(TOOLS), rng.randint(0, 3)))
    tools = [TOOLS[name] for name in TOOLS if name in offered]
    rng.shuffle(tools)
    kind, ask, arguments, response, say = cases[0]
    if rng.random() < 0.2:  # a question that needs no tool
        intent = rng.choice(intents)
        return [user(rng.choice(intent.questions)), assistant(rng.choice(intent.answers))], tools
    call = [{"function": {"name": kind, "arguments": arguments}}]
    messages = [user(ask)]
    if kind == "get_weather" and rng.random() < 0.3:  # two calls at once
        other = rng.choice(CITIES)
        messages = [user(f"What is the weather in {arguments['city']} and {other}?")]
        call.append({"function": {"name": kind, "arguments": {"city": other}}})
        return messages + [assistant("", call)], tools
    messages.append(assistant("", call))
    if rng.random() < 0.6:
        messages += [{"role": "tool", "content": json.dumps(response, ensure_ascii=False)}, assistant(say)]
    return messages, tools


# ---- other kinds of conversation ---------------------------------------------------------------------

NAMES = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Lena", "Max", "Nina", "Oscar"]
NAMES_ZH = ["小明", "小红", "李雷", "韩梅梅", "王芳", "张伟", "小李", "阿明"]
CAPITALS = {"France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo",
            "China": "Beijing", "Egypt": "Cairo", "Norway": "Oslo", "Austria": "Vienna", "Peru": "Lima",
            "Russia": "Moscow", "Greece": "Athens", "Portugal": "Lisbon", "Poland": "Warsaw"}


def name_conversation(rng):
    if rng.random() < 0.5:
        name = rng.choice(NAMES)
        return [user(rng.choice(["My name is {}.", "Hi, I am {}", "I'm {}", "Call me {}"]).format(name)),
                assistant(f"Nice to meet you, {name}! How can I help you?"),
                user(rng.choice(["What is my name?", "Do you remember my name?", "Who am I?"])),
                assistant(f"Your name is {name}.")]
    name = rng.choice(NAMES_ZH)
    return [user(rng.choice(["我叫{}", "你好，我是{}", "我的名字是{}"]).format(name)),
            assistant(f"很高兴认识你，{name}！有什么可以帮你的？"),
            user(rng.choice(["我叫什么名字？", "你还记得我的名字吗？", "我是谁？"])),
            assistant(f"你叫{name}。")]


def arithmetic_conversation(rng):
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    if rng.random() < 0.5:
        return [user(rng.choice(["What is {} + {}?", "How much is {} plus {}?", "{} + {} = ?"]).format(a, b)),
                assistant(f"{a} + {b} = {a + b}")]
    return [user(rng.choice(["{}加{}等于几？", "{}+{}等于多少？", "{} + {} 是多少"]).format(a, b)),
            assistant(f"{a} + {b} = {a + b}")]


def json_conversation(rng):
    kind = rng.randrange(4)
    if kind == 0:
        country = rng.choice(list(CAPITALS))
        ask = rng.choice(["Give me the capital of {} as JSON", "Answer as JSON: what is the capital of {}?",
                          "What is the capital of {}? Answer in JSON."])
        answer = {"country": country, "capital": CAPITALS[country]}
        return [user(ask.format(country)), assistant(json.dumps(answer))]
    if kind == 1:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        ask = rng.choice(["What is {} + {}? Answer as JSON.", "Compute {} + {} and return JSON"])
        return [user(ask.format(a, b)), assistant(json.dumps({"a": a, "b": b, "sum": a + b}))]
    if kind == 2:
        name, age = rng.choice(NAMES), rng.randint(5, 90)
        ask = rng.choice(["Turn this into JSON: {} is {} years old", "As JSON: {}, {} years old"])
        return [user(ask.format(name, age)), assistant(json.dumps({"name": name, "age": age}))]
    name, city = rng.choice(NAMES_ZH), rng.choice(CITIES_ZH)
    return [user(rng.choice(["用JSON表示：{}住在{}", "把这句话转成JSON：{}住在{}"]).format(name, city)),
            assistant(json.dumps({"姓名": name, "城市": city}, ensure_ascii=False))]


def ask(intent, rng):
    return [user(vary(rng.choice(intent.questions), intent.language, rng)),
            assistant(rng.choice(intent.answers))]


def follow_up(rng, by_key):
    """The answer once more in the other language."""
    (language, name) = rng.choice(list(by_key))
    other = by_key.get(("zh" if language == "en" else "en", name))
    first = by_key[(language, name)]
    if other is None:
        return ask(first, rng)
    wish = ["In Chinese, please", "用中文说", "Please answer in Chinese", "用中文回答"] if language == "en" else \
        ["用英文说", "In English, please", "请用英文回答", "Please answer in English"]
    return ask(first, rng) + [user(rng.choice(wish)), assistant(other.answers[0])]


def conversation(rng, intents, by_key):
    """One training conversation: (messages, tools)."""
    kind = rng.random()
    tools = None
    if kind < 0.62:
        messages = ask(rng.choice(intents), rng)
    elif kind < 0.74:  # several questions, one after the other
        language = rng.choice(["en", "zh"])
        own = [i for i in intents if i.language == language]
        messages = [m for i in rng.sample(own, rng.randint(2, 3)) for m in ask(i, rng)]
    elif kind < 0.79:
        messages = follow_up(rng, by_key)
    elif kind < 0.82:
        messages = name_conversation(rng)
    elif kind < 0.85:
        messages = arithmetic_conversation(rng)
    elif kind < 0.89:
        messages = json_conversation(rng)
    else:
        messages, tools = tool_conversation(rng, intents)
    system = rng.choice(SYSTEMS)
    if system:
        messages = [{"role": "system", "content": system}] + messages
    return messages, tools
