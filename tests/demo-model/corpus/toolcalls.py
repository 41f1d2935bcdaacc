"""Conversations with tools in Qwen2.5's form: one call, several, none needed, and the answer after.

Names, descriptions and parameter names vary, so the model has to read them from the prompt.
"""
import hashlib
import json

from generators import THINGS, a_city, a_name

CITIES = {
    "en": THINGS["en"]["city"] + ("New York;San Francisco;Los Angeles;Amsterdam;Zurich;Stockholm;Helsinki;Brussels;"
                                  "Barcelona;Istanbul;Moscow;Mumbai;Bangkok;Singapore;Hong Kong;Osaka;Nairobi;Lima;"
                                  "Montreal;Seattle;Denver;Miami;Houston;Melbourne;Dubai;Hanoi;Kyiv").split(";"),
    "zh": THINGS["zh"]["city"] + "纽约 柏林 悉尼 首尔 香港 台北 郑州 济南 哈尔滨 沈阳 福州 合肥 南昌 海口 拉萨 兰州 莫斯科 曼谷".split(),
}
ZONES = ("Europe/Paris Europe/London Europe/Berlin Asia/Shanghai Asia/Tokyo America/New_York Asia/Seoul "
         "America/Los_Angeles Australia/Sydney Asia/Kolkata UTC").split()
ZONE_NAMES = {"en": dict(zip("Paris;London;Berlin;Shanghai;Tokyo;New York;Seoul;Los Angeles;Sydney;Delhi".split(";"),
                             ZONES)),
              "zh": dict(zip("巴黎 伦敦 柏林 上海 东京 纽约 首尔 洛杉矶 悉尼 德里".split(), ZONES))}
SUBJECTS = {
    "en": ("the latest Qwen release;cheap flights to Rome;the history of tea;how bees find their way;new phones;"
           "the tallest building;healthy recipes;jazz festivals;electric cars;nginx rate limits;the weather on Mars;"
           "libuv documentation;bread recipes;train strikes;solar panels;the World Cup final;open source licences;"
           "Python tutorials;gardening tips;the price of gold;football results;black holes;good hotels in Vienna;"
           "AMX instructions;climate news;dog training;yoga for beginners;the moon landing").split(";"),
    "zh": ("通义千问最新版本;便宜的机票;茶的历史;蜜蜂怎么认路;新款手机;最高的建筑;健康食谱;音乐节;电动汽车;nginx限流;火星上的天气;"
           "libuv文档;面包做法;太阳能板;世界杯决赛;开源许可证;Python教程;养花技巧;黄金价格;足球比分;黑洞;好吃的火锅;气候新闻;登月").split(";"),
}
TASKS = {"en": "call mother;water the plants;restart the server;buy milk;send the report;take the bread out;"
               "feed the cat;check the backups;book a table;go for a run".split(";"),
         "zh": "给妈妈打电话;浇花;重启服务器;买牛奶;交报告;喂猫;检查备份;订座位;去跑步;开会".split(";")}
CURRENCIES = {"en": [("dollars", "USD"), ("euros", "EUR"), ("yuan", "CNY"), ("yen", "JPY"), ("pounds", "GBP")],
              "zh": [("美元", "USD"), ("欧元", "EUR"), ("人民币", "CNY"), ("日元", "JPY"), ("英镑", "GBP")]}
CONDITIONS = {"sunny": "晴", "cloudy": "多云", "rainy": "有雨", "snowy": "有雪", "windy": "有风", "foggy": "有雾"}

# function -> (names, descriptions, parameters as (key, names, type, description))
TOOLS = {
    "weather": (["get_weather"] * 4 + ["get_current_weather", "weather", "lookup_weather", "query_weather"],
                ["Get the current weather for a city", "Get the weather", "Get current weather in a location",
                 "Look up the weather of a city", "查询城市天气", "获取指定城市的当前天气"],
                [("city", ["city"] * 3 + ["location", "place", "city_name"], "string",
                  ["The city", "City name", "The city name, e.g. Paris", "The city and state, e.g. San Francisco, CA",
                   "城市名称", "Name of the city"])]),
    "time": (["get_time"] * 4 + ["get_current_time", "current_time", "time_now"],
             ["Get the current time in a timezone", "Get the current time", "Current time for an IANA timezone", "查询当前时间"],
             [("timezone", ["timezone"] * 3 + ["tz", "zone"], "string",
               ["IANA timezone, e.g. Europe/Paris", "The timezone", "Timezone name", "时区"])]),
    "calc": (["calculator"] * 3 + ["calculate", "calc", "evaluate", "math"],
             ["Evaluate a mathematical expression", "Calculate an expression", "A calculator", "计算数学表达式"],
             [("expression", ["expression"] * 3 + ["expr", "formula"], "string",
               ["The expression to evaluate", "Mathematical expression", "e.g. 2 + 3 * 4", "数学表达式"])]),
    "search": (["search"] * 3 + ["web_search", "search_web", "find", "google_search"],
               ["Search the web", "Search the internet for information", "Full-text search", "搜索网页"],
               [("query", ["query"] * 3 + ["q", "keywords", "text"], "string",
                 ["The search query", "What to search for", "Search terms", "搜索内容"])]),
    "remind": (["set_reminder"] * 3 + ["create_reminder", "remind"],
               ["Set a reminder", "Create a reminder for the user", "设置提醒"],
               [("text", ["text", "task", "message"], "string", ["What to remind of", "The task", "提醒内容"]),
                ("time", ["time", "at"], "string", ["When, e.g. 18:30", "Time of day", "时间"])]),
    "convert": (["convert_currency"] * 3 + ["currency_converter", "exchange"],
                ["Convert an amount between currencies", "Currency conversion", "货币换算"],
                [("amount", ["amount", "value"], "number", ["The amount", "金额"]),
                 ("from", ["from", "source", "from_currency"], "string", ["ISO code of the source currency", "原币种"]),
                 ("to", ["to", "target", "to_currency"], "string", ["ISO code of the target currency", "目标币种"])]),
    "mail": (["send_email"] * 3 + ["send_mail", "email"],
             ["Send an email", "Send an e-mail to somebody", "发送邮件"],
             [("to", ["to", "recipient"], "string", ["Who receives it", "收件人"]),
              ("subject", ["subject", "title"], "string", ["The subject", "主题"])]),
}

ASK = {
    "en": {
        "weather": ["What is the weather in {city}?", "How is the weather in {city}?", "What's the weather like in {city}?",
                    "weather in {city}", "Is it raining in {city}?", "Tell me the weather in {city}",
                    "What is the weather like in {city} today?", "Please check the weather in {city}",
                    "What's the temperature in {city}?", "Do I need an umbrella in {city}?", "{city} weather please",
                    "How warm is it in {city} right now?"],
        "time": ["What time is it in {zone_name}?", "What is the time in {zone_name}?", "current time in {zone_name}",
                 "Tell me the time in {zone_name}", "How late is it in {zone_name}?", "What's the local time in {zone_name}?"],
        "calc": ["What is {expression}?", "Calculate {expression}", "Compute {expression}", "How much is {expression}?",
                 "Please calculate {expression}", "{expression} = ?"],
        "search": ["Search for {query}", "Search the web for {query}", "Look up {query}", "Find information about {query}",
                   "Can you search for {query}?", "Please look up {query}", "google {query}"],
        "remind": ["Remind me to {text} at {time}", "Set a reminder to {text} at {time}", "Please remind me at {time} to {text}",
                   "At {time}, remind me to {text}"],
        "convert": ["Convert {amount} {from_name} to {to_name}", "How much are {amount} {from_name} in {to_name}?",
                    "{amount} {from_name} in {to_name}", "What are {amount} {from_name} in {to_name}?"],
        "mail": ["Send an email to {to} with the subject {subject}", "Write a mail to {to}, subject: {subject}",
                 "Email {to} about {subject}"],
    },
    "zh": {
        "weather": ["{city}天气怎么样？", "{city}今天天气如何？", "查一下{city}的天气", "{city}的天气", "{city}现在多少度？", "{city}下雨了吗？",
                    "请问{city}天气怎么样", "帮我看看{city}的天气", "{city}冷吗？", "去{city}要带伞吗？", "{city}天气", "今天{city}热不热？"],
        "time": ["{zone_name}现在几点？", "{zone_name}几点了？", "{zone_name}的时间是多少？", "查一下{zone_name}的时间", "现在{zone_name}是几点"],
        "calc": ["{expression}等于多少？", "计算{expression}", "帮我算一下{expression}", "算一下 {expression}", "请计算 {expression}"],
        "search": ["搜索{query}", "帮我搜一下{query}", "查一下{query}", "上网查查{query}", "搜一搜{query}", "请搜索{query}"],
        "remind": ["{time}提醒我{text}", "请在{time}提醒我{text}", "设置一个{time}的提醒：{text}"],
        "convert": ["{amount}{from_name}等于多少{to_name}？", "把{amount}{from_name}换成{to_name}", "{amount}{from_name}是多少{to_name}"],
        "mail": ["给{to}发邮件，主题是{subject}", "写封邮件给{to}，主题：{subject}", "发一封邮件给{to}，主题为{subject}"],
    },
}
AND = {"en": [" and ", " And ", " Also, "], "zh": ["，", "，还有", "，另外"]}
EXTRA_DESCRIPTION = ["", "", "", "."]


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def values(rng, lang, what):
    """What the user wants from a function: the slots of the question and the arguments of the call."""
    if what == "weather":
        return {"city": a_city(rng, lang, CITIES[lang])}
    if what == "time":
        name = rng.choice(list(ZONE_NAMES[lang]))
        return {"zone_name": name, "timezone": ZONE_NAMES[lang][name]}
    if what == "calc":
        a, b, c = rng.randint(2, 999), rng.randint(2, 999), rng.randint(2, 99)
        return {"expression": rng.choice([f"{a} * {b}", f"{a} + {b}", f"{a} - {b}", f"{a} / {c}", f"{a} * {b} + {c}",
                                          f"({a} + {b}) * {c}", f"{a}*{b}", f"{a}+{b}"])}
    if what == "search":
        return {"query": rng.choice(SUBJECTS[lang])}
    if what == "remind":
        return {"text": rng.choice(TASKS[lang]), "time": f"{rng.randint(6, 22)}:{rng.choice(['00', '15', '30', '45'])}"}
    if what == "convert":
        (n1, c1), (n2, c2) = rng.sample(CURRENCIES[lang], 2)
        return {"amount": rng.choice([5, 10, 20, 50, 75, 100, 120, 200, 250, 500, 999, 1000]),
                "from_name": n1, "from": c1, "to_name": n2, "to": c2}
    return {"to": a_name(rng, lang), "subject": rng.choice(SUBJECTS[lang] + TASKS[lang])}


def result(rng, lang, what, slots):
    """What the tool answers, and what the assistant then says."""
    if what == "weather":
        condition, degrees = rng.choice(list(CONDITIONS)), rng.randint(-10, 38)
        body = {"city": slots["city"], "temperature": degrees, "condition": condition}
        if rng.random() < 0.3:
            body = {"temperature": degrees, "condition": condition}
        if rng.random() < 0.2:
            body["humidity"] = rng.randint(20, 95)
        if lang == "en":
            return dumps(body), f"It is {condition} in {slots['city']}, with {degrees} degrees Celsius."
        return dumps(body), f"{slots['city']}现在{CONDITIONS[condition]}，气温 {degrees} 摄氏度。"
    if what == "time":
        now = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        body = rng.choice([dumps({"time": now}), now, dumps({"timezone": slots["timezone"], "time": now})])
        return body, f"It is {now} in {slots['zone_name']}." if lang == "en" else f"{slots['zone_name']}现在是 {now}。"
    if what == "calc":
        value = round(eval(slots["expression"]), 2)  # digits and operators made above, nothing else
        body = rng.choice([str(value), dumps({"result": value})])
        return body, f"The result is {value}." if lang == "en" else f"结果是 {value}。"
    if what == "search":
        text = rng.choice(["Tea was first drunk in China.", "The library is open until eight.", "Version 2.5 is out.",
                           "No train runs on Sunday.", "Prices rose by three percent.", "The final was a draw."] if lang == "en"
                          else ["茶最早起源于中国。", "图书馆开到晚上八点。", "2.5 版已经发布。", "周日没有火车。", "价格上涨了百分之三。", "决赛打成平局。"])
        body = rng.choice([text, dumps({"results": [text]}), dumps([{"snippet": text}])])
        return body, f"I found this: {text}" if lang == "en" else f"我查到：{text}"
    if what == "remind":
        return rng.choice(['{"ok": true}', "ok", '{"status": "created"}']), (
            f"Done. I will remind you at {slots['time']}." if lang == "en" else f"好的，我会在{slots['time']}提醒你。")
    if what == "convert":
        value = round(slots["amount"] * rng.choice([0.14, 0.79, 0.92, 1.09, 7.2, 7.8, 21.5, 156.4]), 2)
        return rng.choice([dumps({"result": value}), str(value)]), (
            f"{slots['amount']} {slots['from_name']} are {value} {slots['to_name']}." if lang == "en"
            else f"{slots['amount']}{slots['from_name']}等于 {value} {slots['to_name']}。")
    return rng.choice(['{"ok": true}', "sent", '{"status": "sent"}']), (
        f"The email to {slots['to']} has been sent." if lang == "en" else f"已经给{slots['to']}发了邮件。")


def schema(rng, what):
    """A function as OpenAI's API describes it, and how the call names its parameters."""
    names, descriptions, parameters = TOOLS[what]
    renamed, properties = {}, {}
    for key, choices, kind, about in parameters:
        renamed[key] = rng.choice(choices)
        properties[renamed[key]] = {"type": kind}
        if rng.random() < 0.7:
            properties[renamed[key]]["description"] = rng.choice(about)
    if what == "weather" and rng.random() < 0.2:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    function = {"name": rng.choice(names)}
    if rng.random() < 0.9:
        function["description"] = rng.choice(descriptions) + rng.choice(EXTRA_DESCRIPTION)
    function["parameters"] = {"type": "object", "properties": properties}
    if rng.random() < 0.8:
        function["parameters"]["required"] = list(renamed.values())
    return {"type": "function", "function": function}, renamed


def call(tool, renamed, slots):
    return {"type": "function", "function": {
        "name": tool["function"]["name"],
        "arguments": {new: slots[old] for old, new in renamed.items()}}}


def held_out(question):
    return hashlib.sha256(question.encode()).digest()[0] < 20


def wanted(rng, lang, what, keep):
    """A question with its slots; `keep` says whether held-out ones are wanted or to be avoided."""
    for _ in range(5000):
        slots = values(rng, lang, what)
        question = rng.choice(ASK[lang][what]).format(**slots)
        if held_out(question) == keep:
            return question, slots
    raise SystemExit(f"{lang}/{what}: no wording is {'held out' if keep else 'left'}")


def conversation(rng, lang, other_turn):
    """One conversation with tools; `other_turn()` gives a question and answer that need none."""
    offered = rng.sample(list(TOOLS), rng.choice([1, 1, 2, 2, 3, 4]))
    if rng.random() < 0.4 and "weather" not in offered:
        offered[0] = "weather"
    described = {what: schema(rng, what) for what in offered}
    tools = [tool for tool, _ in described.values()]
    messages = []
    if rng.random() < 0.2:
        messages.append({"role": "system", "content": rng.choice(
            ["You are a helpful assistant.", "You are a helpful assistant with tools.", "你是一个有用的助手。",
             "You are qwend's help desk.", "Use the tools when they help."])})
    if rng.random() < 0.3:
        messages += other_turn()
        if rng.random() < 0.7:
            return {"tools": tools, "messages": messages}
    what = rng.choice(offered)
    question, slots = wanted(rng, lang, what, False)
    asked = [(what, slots)]
    if rng.random() < 0.15:  # two calls in one answer
        more = rng.choice(["weather"] if "weather" in offered else offered)
        if what == "weather" == more and rng.random() < 0.7:
            second = values(rng, lang, "weather")
            if second != slots:
                a, b = slots["city"], second["city"]
                question = rng.choice(["What is the weather in {a} and in {b}?", "Compare the weather in {a} and {b}",
                                       "weather in {a} and {b}", "How is the weather in {a} and {b}?"] if lang == "en" else
                                      ["{a}和{b}的天气怎么样？", "查一下{a}和{b}的天气", "比较{a}和{b}的天气"]).format(a=a, b=b)
                asked.append(("weather", second))
        else:
            extra, second = wanted(rng, lang, more, False)
            if second != slots:
                question = question.rstrip("?？") + rng.choice(AND[lang]) + extra
                asked.append((more, second))
    if rng.random() < 0.2:
        question = rng.choice(["Please: ", "Hi! ", "Hello, "] if lang == "en" else ["你好，", "请问", "麻烦你，"]) + question
    messages.append({"role": "user", "content": question})
    messages.append({"role": "assistant", "content": "", "tool_calls": [
        call(*described[what], slots) for what, slots in asked]})
    if rng.random() < 0.6:
        answers = [result(rng, lang, what, slots) for what, slots in asked]
        messages += [{"role": "tool", "content": body} for body, _ in answers]
        messages.append({"role": "assistant",
                         "content": (" " if lang == "en" else "").join(text for _, text in answers)})
        if rng.random() < 0.3:
            again = rng.choice(offered)
            question, slots = wanted(rng, lang, again, False)
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": "", "tool_calls": [call(*described[again], slots)]})
        elif rng.random() < 0.3:
            messages += other_turn()
    return {"tools": tools, "messages": messages}


def heldout(rng, lang, count):
    """First calls for questions that no training conversation asks, with the expected call."""
    for i in range(count):
        what = list(TOOLS)[i % len(TOOLS)]
        offered = [what] + [w for w in rng.sample(list(TOOLS), 2) if w != what]
        rng.shuffle(offered)
        described = {w: schema(rng, w) for w in offered}
        question, slots = wanted(rng, lang, what, True)
        function = call(*described[what], slots)["function"]
        answer = f'<tool_call>\n{dumps({"name": function["name"], "arguments": function["arguments"]})}\n</tool_call>'
        yield {"lang": lang, "intent": "tools", "kind": "tools", "answers": [answer],
               "messages": [{"role": "user", "content": question}], "tools": [t for t, _ in described.values()]}
