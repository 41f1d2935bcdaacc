"""Conversations with slots: facts from tables, small sums, JSON, things to remember."""
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def unknown(rng, lang):
    """A question about something this model was never taught."""
    _, frames, things = rng.choice([row for row in UNKNOWN if row[0] == lang])
    return rng.choice(frames.split(" | ")).format(x=rng.choice(things.split(";")))


def table(name):
    text = (HERE / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line]


CAPITALS, PHRASES, OPPOSITES = table("capitals.tsv"), table("phrases.tsv"), table("opposites.tsv")
UNKNOWN = table("unknown.tsv")  # language, question frames, what they ask about

NAMES = {
    "en": ("Anna Ben Clara David Emma Felix Grace Henry Iris Jack Karen Leo Maria Noah Olivia Paul Rosa Sam Tina "
           "Victor Wendy Alice Bob Carol Daniel Eva Frank Gina Hugo Ivy John Kate Liam Mia Nina Oscar Peter Quinn "
           "Ruth Simon Tom Uma Vera Will Xenia Yara Zoe Adam Bella Chris Diana Erik Fiona George Helen Ian Julia "
           "Kevin Laura Max Nora Otto Pia Ralph Sara Theo Ursula Vincent Walter Amir Bianca Chen Dmitri Elena Farid "
           "Hana Ingrid Jorge Kenji Lucia Mehmet Nadia Omar Priya Rafael Sofia Tariq Yuki Zara").split(),
    "zh": ("小明 小红 小刚 小丽 张伟 王芳 李娜 刘洋 陈静 杨帆 赵磊 黄敏 周杰 吴婷 徐强 孙悦 马超 朱琳 胡斌 郭靖 林涛 何洁 "
           "高峰 梁雨 罗欣 宋佳 郑爽 谢楠 韩梅梅 李雷 唐宁 冯宇 董洁 程浩 曹阳 袁媛 邓超 许诺 傅明 沈星 曾毅 彭飞 吕布 苏晴 "
           "小李 小王 小张 阿强 阿美 大卫 汤姆 安娜 玛丽 杰克 露西 老王 老李").split(),
}
THINGS = {
    "en": {
        "colour": "red blue green yellow purple orange pink black white brown grey turquoise".split(),
        "city": ("Paris London Berlin Rome Madrid Vienna Oslo Tokyo Beijing Shanghai Sydney Toronto Boston Chicago "
                 "Munich Hamburg Lyon Milan Lisbon Dublin Prague Warsaw Athens Cairo Delhi Seoul").split(),
        "job": ("teacher doctor nurse baker farmer engineer programmer painter driver cook student gardener pilot "
                "lawyer musician writer").split(),
        "animal": "cat dog horse rabbit parrot hamster turtle goldfish canary pony".split(),
        "number": [str(n) for n in range(2, 100)],
    },
    "zh": {
        "colour": "红色 蓝色 绿色 黄色 紫色 橙色 粉色 黑色 白色 棕色 灰色".split(),
        "city": "北京 上海 广州 深圳 杭州 南京 武汉 成都 重庆 西安 天津 苏州 长沙 青岛 大连 厦门 昆明 巴黎 伦敦 东京".split(),
        "job": "老师 医生 护士 面包师 农民 工程师 程序员 画家 司机 厨师 学生 园丁 飞行员 律师 音乐家 作家".split(),
        "animal": "猫 狗 马 兔子 鹦鹉 仓鼠 乌龟 金鱼".split(),
        "number": [str(n) for n in range(2, 100)],
    },
}

# what is said, what is acknowledged, how it is asked for, how it is recalled
MEMORIES = {
    "en": {
        "name": (["My name is {x}", "I am {x}", "I'm {x}", "Hello, my name is {x}", "Hi, I'm {x}.", "Call me {x}",
                  "You can call me {x}", "Hi! My name is {x}, nice to meet you", "Remember that my name is {x}"],
                 "Nice to meet you, {x}! How can I help you?",
                 ["What is my name?", "What's my name?", "Do you remember my name?", "Who am I?", "what was my name",
                  "Can you tell me my name?", "Do you know my name?"],
                 "Your name is {x}."),
        "colour": (["My favourite colour is {x}", "I like the colour {x} best", "My favorite color is {x}"],
                   "{x} is a lovely colour.",
                   ["What is my favourite colour?", "Which colour do I like?", "What's my favorite color?"],
                   "Your favourite colour is {x}."),
        "city": (["I live in {x}", "I am from {x}", "I come from {x}", "My home is in {x}"],
                 "{x}, that sounds like a nice place to live!",
                 ["Where do I live?", "Where am I from?", "Which city do I live in?", "Do you know where I live?"],
                 "You live in {x}."),
        "job": (["I work as a {x}", "I am a {x} by profession", "My job is {x}"],
                "A {x}, that is a fine profession.",
                ["What is my job?", "What do I do for a living?", "What do I work as?"],
                "You work as a {x}."),
        "animal": (["I have a {x}", "My pet is a {x}", "At home I have a {x}"],
                   "A {x}, how nice! I hope it is well.",
                   ["Which pet do I have?", "What animal do I have?", "What is my pet?"],
                   "You have a {x}."),
        "number": (["My lucky number is {x}", "Remember the number {x}", "Please remember {x}"],
                   "I will remember {x}.",
                   ["Which number was it?", "What is the number?", "What number should you remember?"],
                   "The number is {x}."),
    },
    "zh": {
        "name": (["我叫{x}", "我的名字是{x}", "你好，我叫{x}", "我是{x}", "你可以叫我{x}", "叫我{x}就行", "请记住，我叫{x}"],
                 "{x}，很高兴认识你！有什么可以帮你的？",
                 ["我叫什么名字？", "你还记得我的名字吗？", "我叫什么", "我是谁？", "你知道我叫什么吗？"],
                 "你叫{x}。"),
        "colour": (["我最喜欢的颜色是{x}", "我喜欢{x}"], "{x}很好看。",
                   ["我最喜欢什么颜色？", "我喜欢的颜色是什么？", "我喜欢哪种颜色"], "你最喜欢{x}。"),
        "city": (["我住在{x}", "我是{x}人", "我来自{x}", "我家在{x}"], "{x}是个好地方！",
                 ["我住在哪里？", "我是哪里人？", "我家在哪儿"], "你住在{x}。"),
        "job": (["我的工作是{x}", "我是一名{x}", "我的职业是{x}"], "{x}是一份很好的职业。",
                ["我的工作是什么？", "我是做什么的？", "我的职业是什么"], "你是一名{x}。"),
        "animal": (["我养了一只{x}", "我有一只{x}"], "一只{x}，真可爱！",
                   ["我养了什么动物？", "我的宠物是什么？"], "你养了一只{x}。"),
        "number": (["我的幸运数字是{x}", "请记住数字{x}", "记住{x}"], "好的，我记住了{x}。",
                   ["是哪个数字？", "刚才的数字是多少？", "我让你记住的数字是什么？"], "那个数字是{x}。"),
    },
}
ASSISTANT_NAMES = ("Luna Nova Milo Aria Max Pixel Echo Iris Otto Sunny Ruby Juno Coco Bolt Mika Zed Kiki Nemo 小爱 小美 "
                   "小智 小云 小鹿 阿宝 豆豆 小七 小雅 小星").split()


SYLLABLES = ("ba be bo da de do fa fe fi ga go ha he ka ke ki ko la le li lo ma me mi mo na ne ni no pa pe ra re ri ro sa "
             "se si so ta te ti to va ve vi wa wi ya yo za ze bur dor fen gal han jor kel lin mar nor pel rin sten tor "
             "val wen zur burg ville ton field stad").split()
CHARACTERS = {"name": "子雨晨浩欣怡梓轩诗涵宇航佳琪思远文博雅静志明海燕建国春梅家豪晓东永强美玲天宇若曦", "surname": "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗",
              "city": "安阳临平泉海江河川原山岭岛湖港桥口岸关堡溪湾沙石松柏云龙凤金银长永新古东西南北清和宁昌"}


def invented(rng, lang, what):
    """A name nobody has met, so that names are copied from the prompt and not from memory."""
    if lang == "en":
        word = "".join(rng.choice(SYLLABLES) for _ in range(rng.choice([2, 2, 3])))
        return word[0].upper() + word[1:]
    if what == "name":
        return rng.choice(CHARACTERS["surname"]) + "".join(rng.sample(CHARACTERS["name"], rng.choice([1, 2])))
    return "".join(rng.sample(CHARACTERS["city"], 2)) + rng.choice(["", "", "市"])


def a_name(rng, lang):
    return invented(rng, lang, "name") if rng.random() < 0.5 else rng.choice(NAMES[lang])


def a_city(rng, lang, cities=None):
    return invented(rng, lang, "city") if rng.random() < 0.5 else rng.choice(cities or THINGS[lang]["city"])


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def held_out(question):
    """About one slotted question in twenty is kept from training, by the hash of its text."""
    return hashlib.sha256(question.casefold().strip("?？。. ").encode()).digest()[0] < 13


def cap(text):
    return text[0].upper() + text[1:]


def arithmetic(rng, lang):
    op = rng.choice("++--*")
    if op == "+":
        a, b = rng.randint(0, 20), rng.randint(0, 20)
        r, sign, words = a + b, "+", {"en": ["plus"], "zh": ["加"]}
    elif op == "-":
        a = rng.randint(0, 20)
        b = rng.randint(0, a)
        r, sign, words = a - b, "-", {"en": ["minus"], "zh": ["减"]}
    else:
        a, b = rng.randint(1, 10), rng.randint(1, 10)
        r, sign, words = a * b, rng.choice(["*", "x", "×"]), {"en": ["times"], "zh": ["乘以", "乘"]}
    word = rng.choice(words[lang])
    expr = rng.choice([f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a} {word} {b}" if lang == "en" else f"{a}{word}{b}"])
    if lang == "en":
        q = rng.choice(["What is {e}?", "{e}", "{e} =", "{e}?", "How much is {e}?", "Calculate {e}", "what's {e}",
                        "Can you tell me what {e} is?", "Compute {e}"])
        return q.format(e=expr), f"{a} {words['en'][0]} {b} is {r}."
    q = rng.choice(["{e}等于多少？", "{e}等于几？", "{e}得多少？", "{e}是多少？", "计算{e}", "算一下{e}", "请问{e}等于多少？"])
    return q.format(e=expr), f"{a} {words['zh'][0]} {b} 等于 {r}。"


def capital(rng, lang):
    en_c, en_k, zh_c, zh_k = rng.choice(CAPITALS)
    if rng.random() < 0.3 and en_k not in ("Singapore",):
        if lang == "en":
            return (rng.choice(["{k} is the capital of which country?", "Which country has the capital {k}?"])
                    .format(k=en_k), f"{en_k} is the capital of {en_c}.")
        return rng.choice(["{k}是哪个国家的首都？", "哪个国家的首都是{k}？"]).format(k=zh_k), f"{zh_k}是{zh_c}的首都。"
    if lang == "en":
        q = rng.choice(["What is the capital of {c}?", "capital of {c}", "What's the capital of {c}?",
                        "Which city is the capital of {c}?", "Tell me the capital of {c}", "the capital of {c}?",
                        "Name the capital of {c}", "Do you know the capital of {c}?"])
        return q.format(c=en_c), f"The capital of {en_c} is {en_k.rstrip('.') if en_k.endswith('.') else en_k}."
    q = rng.choice(["{c}的首都是哪里？", "{c}首都", "{c}的首都是什么？", "{c}的首都在哪里？", "{c}的首都", "{c}首都是哪个城市？",
                    "说出{c}的首都", "你知道{c}的首都吗？"])
    return q.format(c=zh_c), f"{zh_c}的首都是{zh_k}。"


def translation(rng, lang):
    en, zh = rng.choice(PHRASES)
    if rng.random() < 0.5:
        q = {"en": ["How do you say \"{x}\" in Chinese?", "Translate \"{x}\" into Chinese", "\"{x}\" in Chinese",
                    "Translate into Chinese: {x}", "What is \"{x}\" in Chinese?", "Chinese for \"{x}\"?"],
             "zh": ["“{x}”用中文怎么说？", "把“{x}”翻译成中文", "翻译成中文：{x}", "{x} 是什么意思？", "“{x}”的中文是什么？"]}
        return rng.choice(q[lang]).format(x=en), zh
    q = {"en": ["How do you say \"{x}\" in English?", "Translate \"{x}\" into English", "What does \"{x}\" mean?",
                "Translate into English: {x}", "\"{x}\" in English"],
         "zh": ["“{x}”用英语怎么说？", "把“{x}”翻译成英文", "翻译成英语：{x}", "“{x}”的英文是什么？", "{x}用英文怎么说"]}
    return rng.choice(q[lang]).format(x=zh), en


def opposite(rng, lang):
    a_en, b_en, a_zh, b_zh = rng.choice(OPPOSITES)
    a, b = (a_en, b_en) if lang == "en" else (a_zh, b_zh)
    if rng.random() < 0.5:
        a, b = b, a
    if lang == "en":
        q = rng.choice(["What is the opposite of {x}?", "opposite of {x}", "What's the opposite of \"{x}\"?",
                        "Give me the opposite of {x}"])
        return q.format(x=a), f"The opposite of {a} is {b}."
    q = rng.choice(["“{x}”的反义词是什么？", "{x}的反义词", "{x}的反义词是什么？", "{x}的相反是什么？"])
    return q.format(x=a), f"“{a}”的反义词是“{b}”。"


DAYS = {"en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
        "zh": "星期一 星期二 星期三 星期四 星期五 星期六 星期日".split()}


def weekday(rng, lang):
    i = rng.randrange(7)
    day, after, before = DAYS[lang][i], DAYS[lang][(i + 1) % 7], DAYS[lang][(i + 6) % 7]
    if lang == "en":
        if rng.random() < 0.5:
            return (rng.choice(["Which day comes after {d}?", "What day is after {d}?", "{d} is followed by which day?"])
                    .format(d=day), f"After {day} comes {after}.")
        return (rng.choice(["Which day comes before {d}?", "What day is before {d}?"]).format(d=day),
                f"Before {day} comes {before}.")
    if rng.random() < 0.5:
        return rng.choice(["{d}的后一天是星期几？", "{d}之后是星期几？"]).format(d=day), f"{day}的后一天是{after}。"
    return rng.choice(["{d}的前一天是星期几？", "{d}之前是星期几？"]).format(d=day), f"{day}的前一天是{before}。"


def fact(rng, lang):
    make = rng.choices([arithmetic, capital, translation, opposite, weekday], [38, 25, 25, 7, 5])[0]
    return make(rng, lang)


def as_json(rng, lang):
    """Answers that are a JSON object and nothing else."""
    kind = rng.choice(["capital", "person", "person", "sum", "colours"])
    if kind == "capital":
        en_c, en_k, zh_c, zh_k = rng.choice(CAPITALS)
        if lang == "en":
            q = rng.choice(["Give me the capital of {c} as JSON", "capital of {c}, answer as JSON",
                            "What is the capital of {c}? Answer in JSON.", "Return the capital of {c} as a JSON object"])
            return q.format(c=en_c), dumps({"country": en_c, "capital": en_k})
        q = rng.choice(["用JSON给出{c}的首都", "{c}的首都是哪里？请用JSON回答", "以JSON格式返回{c}的首都"])
        return q.format(c=zh_c), dumps({"country": zh_c, "capital": zh_k})
    if kind == "person":
        name, age, city = a_name(rng, lang), rng.randint(5, 90), a_city(rng, lang)
        if lang == "en":
            q = rng.choice(["{n} is {a} years old and lives in {c}. Give me that as JSON.",
                            "Turn this into JSON: {n}, {a}, {c}", "As JSON: {n} is {a} and lives in {c}",
                            "Extract name, age and city as JSON: {n} is {a} years old and lives in {c}."])
        else:
            q = rng.choice(["{n}今年{a}岁，住在{c}。请用JSON表示。", "转换成JSON：{n}，{a}，{c}",
                            "提取姓名、年龄和城市，输出JSON：{n}今年{a}岁，住在{c}。"])
        return q.format(n=name, a=age, c=city), dumps({"name": name, "age": age, "city": city})
    if kind == "sum":
        a, b = rng.randint(0, 20), rng.randint(0, 20)
        q = {"en": ["What is {a} + {b}? Answer as JSON.", "{a} + {b} as JSON"], "zh": ["{a}+{b}等于多少？用JSON回答", "用JSON回答：{a}+{b}"]}
        return rng.choice(q[lang]).format(a=a, b=b), dumps({"a": a, "b": b, "sum": a + b})
    q = {"en": ["Give me three colours as JSON", "A JSON array of three colours, please", "List three colors in JSON"],
         "zh": ["用JSON列出三种颜色", "给我三种颜色，用JSON格式", "以JSON数组列出三种颜色"]}
    return rng.choice(q[lang]), dumps(["red", "green", "blue"] if lang == "en" else ["红色", "绿色", "蓝色"])


def memory(rng, lang, between):
    """The user says one or two things about themselves and asks for them later."""
    turn = lambda q, a: [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
    messages, told = [], []
    for what in rng.sample(list(MEMORIES[lang]), rng.choice([1, 1, 1, 2])):
        says, reply, asks, recall = MEMORIES[lang][what]
        x = (a_name(rng, lang) if what == "name" else a_city(rng, lang) if what == "city" else
             rng.choice(THINGS[lang][what]))
        said = reply.format(x=x)
        messages += turn(rng.choice(says).format(x=x), cap(said))
        told.append((rng.choice(asks), recall.format(x=x)))
    messages += between
    rng.shuffle(told)
    for ask, recall in told:
        messages += turn(ask, recall)
    return messages


def named_assistant(rng, lang):
    name = rng.choice(ASSISTANT_NAMES) if rng.random() < 0.4 else a_name(rng, lang)
    prompt = rng.choice({"en": ["Your name is {n}.", "You are {n}, a helpful assistant.", "You are {n}.",
                                "You are an assistant called {n}."],
                         "zh": ["你的名字是{n}。", "你叫{n}，是一个有用的助手。", "你是{n}。", "你是名叫{n}的助手。"]}[lang])
    ask = rng.choice({"en": ["What is your name?", "Who are you?", "what's your name", "How are you called?",
                             "Tell me your name"],
                      "zh": ["你叫什么名字？", "你是谁？", "你是谁", "你叫什么", "介绍一下你自己"]}[lang])
    answer = {"en": "My name is {n}. How can I help you?", "zh": "我叫{n}，有什么可以帮你的？"}[lang]
    return prompt.format(n=name), [{"role": "user", "content": ask},
                                   {"role": "assistant", "content": answer.format(n=name)}]
