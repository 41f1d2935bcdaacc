#!/usr/bin/env python3
"""Turns the hand-written content of this folder into conversations to train and to evaluate on.

    build_corpus.py [--out build/demo-model] [--count 60000] [--seed 1]

writes OUT/train.jsonl.gz (one conversation a line: {"messages": [...], "tools": [...]} or, for
plain completions, {"text": ...}) and OUT/heldout.jsonl (prompts whose exact wording is in no
training conversation, with the answers that count as right).
"""
import argparse
import gzip
import json
import pathlib
import random
import re
from dataclasses import dataclass, field

import generators
import toolcalls

HERE = pathlib.Path(__file__).resolve().parent

FRAMES = {
    "en": [
        "What is {x}?", "What {is} {x}?", "Explain {x}", "Can you explain {x}?", "Tell me about {x}",
        "{x}?", "{x}", "Please explain {x} to me", "I want to know what {x} {is}",
        "Describe {x}", "Give me a short explanation of {x}", "What does {x} mean?", "Define {x}",
        "What do you know about {x}?", "Could you tell me about {x}?", "I don't understand {x}",
        "Explain {x} in simple words", "Introduce {x}", "Briefly, what {is} {x}?",
        "What exactly {is} {x}?", "Teach me about {x}", "I have a question about {x}",
        "I keep hearing about {x}, what is that?",
        "Give me an overview of {x}", "Talk about {x}", "Say something about {x}",
    ],
    "zh": [
        "什么是{x}？", "{x}是什么？", "介绍一下{x}", "解释一下{x}", "讲讲{x}", "{x}", "{x}是什么意思？",
        "请介绍一下{x}", "请解释一下{x}", "给我讲讲{x}", "跟我说说{x}", "能介绍一下{x}吗？",
        "能解释一下{x}吗？", "我想了解{x}", "简单介绍一下{x}", "什么叫{x}？", "{x}是啥？",
        "{x}是怎么回事？", "说说{x}", "谈谈{x}", "我不懂{x}", "用简单的话解释{x}", "你知道{x}吗？",
        "科普一下{x}", "帮我介绍一下{x}", "可以讲一下{x}吗？",
    ],
}

# A question that matches is sometimes asked in one of the other ways.
REPHRASE = {
    "en": [
        (r"(?:How do I|How can I|How to|How do you) (?P<x>.+?)\??$",
         ["How do I {x}?", "How can I {x}?", "How to {x}", "How to {x}?", "I want to {x}", "I need to {x}", "{x}",
          "Show me how to {x}", "What do I do to {x}?", "Can you help me {x}?", "how would I {x}",
          "What is the best way to {x}?", "Please explain how to {x}", "Is there a way to {x}?", "I'd like to {x}"]),
        (r"(?P<v>Tell me|Write me|Write|Give me|Show me|Explain|Name|List) (?P<x>.+?)$",
         ["Can you {v} {x}?", "Please {v} {x}", "Could you {v} {x}?", "I want you to {v} {x}", "{v} {x} please",
          "Would you {v} {x}?", "I would like {x}"]),
        (r"What(?: is|'s) (?P<x>.+?)\?$",
         ["What's {x}?", "what is {x}", "Tell me what {x} is", "Do you know what {x} is?", "What exactly is {x}?",
          "Can you tell me what {x} is?"]),
        (r"(?:Does|Can) qwend (?:support|use|run|load|serve) (?P<x>.+?)\?$",
         ["Is {x} supported?", "Can I use {x} with qwend?", "Does qwend support {x}?", "Does qwend work with {x}?",
          "qwend and {x}", "Can qwend use {x}?", "Will qwend run {x}?"]),
        (r"(?:What does|What is) (?P<x>.+?) mean\?$",
         ["What does {x} mean?", "meaning of {x}", "what is meant by {x}", "I don't know what {x} means",
          "Explain what {x} means"]),
    ],
    "zh": [
        (r"(?:请问)?(?:怎么|如何|怎样)(?P<x>.+?)[？?]?$",
         ["怎么{x}？", "如何{x}？", "怎样{x}？", "我想{x}", "{x}怎么弄？", "请问怎么{x}？", "能教我{x}吗？", "我要{x}", "{x}",
          "怎样才能{x}？", "可以告诉我怎么{x}吗？", "应该怎么{x}？"]),
        (r"(?:请|给我|帮我|请给我)?(?P<v>讲|写|说|来|背|出|介绍)(?P<x>.+?)$",
         ["请{v}{x}", "帮我{v}{x}", "可以{v}{x}吗？", "能{v}{x}吗？", "你会{v}{x}吗？", "给我{v}{x}", "{v}{x}吧", "请你{v}{x}"]),
        (r"(?:什么是(?P<x>.+?)|(?P<y>.+?)是什么(?:意思)?)[？?]?$",
         ["什么是{x}？", "{x}是什么？", "{x}是什么意思？", "{x}是啥？", "什么叫{x}？", "请问什么是{x}？", "你知道{x}是什么吗？"]),
        (r"(?:qwend ?)?(?:支持|能用|能跑)(?P<x>.+?)吗[？?]?$",
         ["qwend支持{x}吗？", "支持{x}吗？", "能用{x}吗？", "可以用{x}吗？", "qwend能用{x}吗？", "qwend支不支持{x}？"]),
        (r"为什么(?P<x>.+?)[？?]?$", ["为什么{x}？", "{x}是为什么？", "为何{x}？", "{x}的原因是什么？", "请问为什么{x}？"]),
    ],
}
ALWAYS_TRAINED = {"qwend", "qwend是什么", "whoru"}  # too central to be kept back
SMALL_WORDS = {"the", "a", "an", "is", "are", "do", "does", "of", "to", "can", "i", "in", "with", "my"}

BEFORE = {
    "en": ["Please tell me: ", "Hey, ", "Hi, ", "Hello! ", "One question: ", "So, ", "Quick question: ",
           "I have a question. ", "Can you help me? ", "Sorry to bother you, ", "Hi there! ", "And "],
    "zh": ["请问", "请问一下，", "你好，", "我想问一下，", "麻烦问一下，", "那么，", "有个问题：", "想请教一下，",
           "你好！", "请告诉我，", "再问一下，"],
}
AFTER = {
    "en": [" please", " Thanks!", " Thank you.", " I am new to this.", " I'd like to know."],
    "zh": ["谢谢", "，谢谢！", "呢", "啊", "，我是新手"],
}
IN_OTHER_LANGUAGE = {  # asked in the language of the key, answered in the other one
    "en": ["In Chinese, please", "in Chinese please", "Please answer in Chinese", "Can you say that in Chinese?",
           "And in Chinese?", "Translate that into Chinese", "用中文说", "请用中文回答", "中文怎么说？"],
    "zh": ["请用英文回答", "用英语说一遍", "英文怎么说？", "翻译成英文", "请翻译成英语", "能用英文说吗？",
           "In English, please", "in English please", "Please answer in English"],
}
ASK_OTHER_LANGUAGE = {"en": [" Answer in Chinese.", " Please reply in Chinese.", " (in Chinese)"],
                      "zh": ["请用英文回答。", "用英语回答。", "（用英文）"]}
SHORTER = {
    "en": ["Shorter please", "Shorter, please.", "shorter please", "Can you make it shorter?", "In one sentence?",
           "In one sentence, please", "Too long", "Make it short", "Summarise that", "tl;dr", "Briefly, please"],
    "zh": ["短一点", "请短一点", "简短一点", "太长了", "用一句话说", "一句话总结一下", "能再短一点吗？", "简单说说", "总结一下",
           "请简短一些"],
}
AGAIN = {
    "en": ["Can you repeat that?", "Say that again", "Please repeat", "Again, please", "repeat that please"],
    "zh": ["再说一遍", "请重复一遍", "能再说一次吗？", "重复一下", "请再说一遍"],
}
SYSTEM = {  # prompts that change nothing about the answer
    "en": ["You are a helpful assistant.", "You are the help desk of qwend.", "You are a friendly assistant.",
           "You are qwend's assistant. Be polite.", "You answer questions about language models.",
           "You are a careful and honest assistant."],
    "zh": ["你是一个有用的助手。", "你是 qwend 的客服。", "你是一个友好的助手。", "你是一个乐于助人的助手。",
           "你负责回答关于大模型的问题。", "你是一个诚实认真的助手。"],
}
BRIEF = {
    "en": ["Answer briefly.", "Answer in one sentence.", "You are a helpful assistant. Answer briefly.",
           "Keep your answers short."],
    "zh": ["请简短回答。", "用一句话回答。", "你是一个有用的助手，请简短回答。", "回答要简短。"],
}
OTHER_LANGUAGE = {"en": ["Always answer in Chinese.", "Answer in Chinese.", "请用中文回答。"],
                  "zh": ["Always answer in English.", "Answer in English.", "请用英文回答。"]}
AS_JSON = ['Answer as JSON with the key "answer".', '以 JSON 格式回答，键为 "answer"。']
FIRST_QUESTION = {
    "en": ["What did I ask first?", "What was my first question?", "What did I ask you at the beginning?"],
    "zh": ["我一开始问了什么？", "我的第一个问题是什么？", "我最先问的是什么？"],
}


@dataclass
class Intent:
    name: str
    lang: str
    source: str
    questions: list = field(default_factory=list)
    topics: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    held_out: list = field(default_factory=list)


def key(text):
    """What makes two wordings the same: case, spaces and punctuation do not count."""
    return re.sub(r"[\W_]+", "", text.casefold()) or text


def parse(path):
    """Reads one content file: `== name`, `@ topic | alias`, `? question`, `> answer` and its lines."""
    intents, answer = [], False
    for line in path.read_text(encoding="utf-8").split("\n"):
        mark, rest = line[:2], line[2:].strip()
        if line.startswith("== "):
            intents.append(Intent(line[3:].strip(), path.name[:2], path.stem))
            answer = False
        elif mark == "@ ":
            intents[-1].topics += [t.strip() for t in rest.split("|")]
        elif mark == "? ":
            intents[-1].questions.append(rest)
        elif mark == "> ":
            intents[-1].answers.append(line[2:])
            answer = True
        elif answer:
            intents[-1].answers[-1] += "\n" + line
    for intent in intents:
        intent.answers = [a.strip() for a in intent.answers]
        if not intent.answers or not (intent.questions or intent.topics):
            raise SystemExit(f"{path.name}: {intent.name} has no question or no answer")
    return intents


def fill(frame, topic):
    last = topic.split()[-1].lower()
    plural = last.endswith("s") and not last.endswith("ss") and " and " not in topic
    verb = "are" if plural or " and " in topic else "is"
    if frame.startswith("What is {x}") and verb == "are":
        frame = frame.replace("What is", "What are")
    text = frame.replace("{is}", verb).replace("{x}", topic)
    return text[0].upper() + text[1:] if topic[0].islower() and frame.startswith("{x}") else text


def add_wordings(intents, path):
    """More questions for the intents of one language: a line is name, tab, questions between bars."""
    by_name = {i.name: i for i in intents if i.lang == path.name[:2]}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, questions = line.split("\t")
        by_name[name].questions += [q.strip() for q in questions.split(" | ")]


def split_held_out(intents, rng):
    """Puts about one wording in ten aside; never the first, which is the intent's own."""
    held = set()
    for intent in intents:
        n = len(intent.questions)
        for q in rng.sample(intent.questions[1:], 0 if n < 3 else 1 + n // 12):
            intent.held_out.append(q)
        for _ in range(2 if intent.topics else 0):
            intent.held_out.append(fill(rng.choice(FRAMES[intent.lang][2:]), rng.choice(intent.topics)))
        # A word or two of small talk cannot be guessed from other words: those stay.
        short = lambda q: intent.source.endswith("talk") and (len(q) < 6 if intent.lang == "zh" else q.count(" ") < 2)
        intent.held_out = [q for q in intent.held_out if not short(q) and key(q) not in ALWAYS_TRAINED]
        held.update(key(q) for q in intent.held_out)
    for intent in intents:
        intent.questions = [q for q in intent.questions if key(q) not in held]
    return held


def rephrase(text, lang, rng):
    """The same question built another way, where one of the patterns fits."""
    for pattern, frames in REPHRASE[lang]:
        found = re.match(pattern, text)
        if found:
            slots = {k: v for k, v in found.groupdict().items() if v}
            slots["x"] = slots.get("x") or slots.get("y")
            slots["v"] = slots.get("v", "").lower()
            text = rng.choice(frames).format(**slots)
            return text[0].upper() + text[1:]
    return text


def typo(text, rng):
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i].isascii()
              and text[i - 1].isalpha() and text[i + 1].isalpha()]
    if not places:
        return text
    i = rng.choice(places)
    return rng.choice([text[:i] + text[i + 1:], text[:i] + text[i] + text[i:],
                       text[:i] + text[i + 1] + text[i] + text[i + 2:]])


class Corpus:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.intents = [i for p in sorted(HERE.glob("*.txt")) for i in parse(p)]
        for path in sorted(HERE.glob("*_wordings.tsv")):
            add_wordings(self.intents, path)
        self.held = split_held_out(self.intents, random.Random(1001))
        self.by_lang = {lang: [i for i in self.intents if i.lang == lang] for lang in ("en", "zh")}
        self.twin = {(i.name, i.lang): i for i in self.intents}
        self.weight = {"llm": 5, "unknown": 14, "hello": 3, "who_are_you": 3, "what_is_qwend": 3,
                       "joke": 2, "install": 2, "kvcache": 2, "thanks": 2, "weather_no_tool": 2}

    def pick(self, lang, accept=lambda intent: True):
        pool = [i for i in self.by_lang[lang] if accept(i)]
        return self.rng.choices(pool, [self.weight.get(i.name, 1) for i in pool])[0]

    def noisy(self, text, lang, talk=False):
        """The same question as people type it: polite, careless, with and without punctuation."""
        rng = self.rng
        asks = text.endswith(("?", "？")) or len(text) > (14 if lang == "en" else 6)
        if asks and not talk and rng.random() < 0.15:
            before = rng.choice(BEFORE[lang])
            text = before + (text if rng.random() < 0.5 or not text[1:2].islower() else
                             text[0].lower() + text[1:])
        if rng.random() < 0.3:
            text = text.rstrip("?？.。!！") or text
        elif text[-1:].isalnum() and rng.random() < 0.25:
            text += rng.choice([".", "?", "!"] if lang == "en" else ["。", "？", "！"])
        if asks and not talk and rng.random() < 0.08:
            text += rng.choice(AFTER[lang])
        if rng.random() < 0.25:
            text = text.lower()
        if rng.random() < (0.1 if lang == "en" else 0.03):
            text = typo(text, rng)
        words = text.split(" ")
        if lang == "en" and len(words) > 3 and rng.random() < 0.12:
            drop = [i for i, w in enumerate(words) if w.lower() in SMALL_WORDS]
            if drop:
                words.pop(rng.choice(drop))
                text = " ".join(words)
        if lang == "zh" and rng.random() < 0.2:
            text = re.sub("(?<=[\u4e00-\u9fff]) | (?=[\u4e00-\u9fff])", "", text)
        return text

    def ask(self, intent):
        """One wording of an intent, never a held-out one."""
        for _ in range(100):
            if intent.name == "unknown" and self.rng.random() < 0.75:
                text = generators.unknown(self.rng, intent.lang)
                if generators.held_out(text):
                    continue
            elif intent.topics and (not intent.questions or self.rng.random() < 0.5):
                topic = self.rng.choice(intent.topics)
                frame = self.rng.choice(FRAMES[intent.lang])
                if intent.lang == "zh" and frame == "{x}" and topic.isascii():
                    continue  # nobody could tell which language is asked for
                text = fill(frame, topic)
            else:
                text = self.rng.choice(intent.questions)
                if self.rng.random() < 0.35:
                    text = rephrase(text, intent.lang, self.rng)
            text = self.noisy(text, intent.lang, intent.source.endswith("talk"))
            if key(text) not in self.held:
                return text
        raise SystemExit(f"{intent.lang}/{intent.name}: every wording is held out")

    def turn(self, intent, answer=None):
        return [user(self.ask(intent)), assistant(answer or self.rng.choice(intent.answers))]

    # Each kind of conversation, as {"messages", "tools"}.

    def single(self, lang):
        return {"messages": self.turn(self.pick(lang))}

    def chain(self, lang):
        messages = []
        for _ in range(self.rng.randint(2, 4)):
            lang = lang if self.rng.random() < 0.85 else self.rng.choice(["en", "zh"])
            messages += self.fact(lang)["messages"] if self.rng.random() < 0.2 else \
                self.turn(self.pick(lang))
        if self.rng.random() < 0.12:
            first = messages[0]["content"]
            quote = f'You first asked: "{first}"' if lang == "en" else f"你最先问的是：“{first}”"
            messages += [user(self.rng.choice(FIRST_QUESTION[lang])), assistant(quote)]
        return {"messages": messages}

    def followup(self, lang):
        """Shorter, again, or in the other language: the answer depends on the turn before."""
        rng, other = self.rng, "zh" if lang == "en" else "en"
        how = rng.choice(["shorter", "shorter", "again", "other", "other", "other_now", "more"])
        intent = self.pick(lang, lambda i: "\n" not in i.answers[0] and len(i.answers) == 1
                           and (i.name, other) in self.twin)
        twin, answer = self.twin[intent.name, other], intent.answers[0]
        if how == "other_now":
            suffix = rng.choice(ASK_OTHER_LANGUAGE[lang])
            return {"messages": [user(self.ask(intent) + suffix), assistant(twin.answers[0])]}
        messages = self.turn(intent)
        if how == "shorter":
            messages += [user(rng.choice(SHORTER[lang])), assistant(first_sentence(answer, lang))]
        elif how == "again":
            messages += [user(rng.choice(AGAIN[lang])), assistant(answer)]
        elif how == "other":
            messages += [user(rng.choice(IN_OTHER_LANGUAGE[lang])), assistant(twin.answers[0])]
        if rng.random() < 0.4:
            messages += self.turn(self.twin["thanks", lang])
        return {"messages": messages}

    def system(self, lang):
        """Custom system prompts: some change nothing, some change how to answer."""
        rng, other = self.rng, "zh" if lang == "en" else "en"
        how = rng.choice(["plain", "plain", "brief", "language", "json", "name"])
        if how == "plain":
            prompt = rng.choice(SYSTEM[rng.choice([lang, lang, other])])
            if rng.random() < 0.3:
                return {"messages": [system(prompt)] + self.turn(self.twin["who_are_you", lang])}
            return {"messages": [system(prompt)] + self.chain(lang)["messages"][:rng.choice([2, 2, 4])]}
        if how == "name":
            prompt, turns = generators.named_assistant(rng, lang)
            return {"messages": [system(prompt)] + turns}
        intent = self.pick(lang, lambda i: "\n" not in i.answers[0] and len(i.answers) == 1
                           and (i.name, other) in self.twin)
        answer = intent.answers[0]
        if how == "brief":
            prompt, answer = rng.choice(BRIEF[lang]), first_sentence(answer, lang)
        elif how == "language":
            prompt, answer = rng.choice(OTHER_LANGUAGE[lang]), self.twin[intent.name, other].answers[0]
        else:
            prompt = rng.choice(AS_JSON)
            if rng.random() < 0.5:
                turns = self.fact(lang)["messages"]
                turns[1]["content"] = generators.dumps({"answer": turns[1]["content"]})
                return {"messages": [system(prompt)] + turns}
            answer = generators.dumps({"answer": first_sentence(answer, lang)})
        return {"messages": [system(prompt)] + self.turn(intent, answer)}

    def memory(self, lang):
        between = [m for _ in range(self.rng.choice([0, 0, 1, 1, 2])) for m in self.turn(self.pick(lang))]
        return {"messages": generators.memory(self.rng, lang, between)}

    def fact(self, lang):
        while True:
            question, answer = generators.fact(self.rng, lang)
            if not generators.held_out(question):
                break
        return {"messages": [user(self.noisy(question, lang)), assistant(answer)]}

    def json(self, lang):
        while True:
            question, answer = generators.as_json(self.rng, lang)
            if not generators.held_out(question):
                return {"messages": [user(question), assistant(answer)]}

    def tools(self, lang):
        other = lambda: self.turn(self.pick(lang, lambda i: not i.name.endswith("_no_tool")))
        return toolcalls.conversation(self.rng, lang, other)

    def text(self, lang):
        """Plain text for /v1/completions: an answer on its own."""
        return {"text": self.rng.choice(self.pick(lang).answers)}

    MIX = {"single": 48, "chain": 10, "followup": 9, "system": 8, "memory": 6, "fact": 9, "json": 3,
           "tools": 12, "text": 2}

    def conversation(self):
        kind = self.rng.choices(list(self.MIX), list(self.MIX.values()))[0]
        return getattr(self, kind)(self.rng.choice(["en", "zh"]))

    def heldout(self):
        """Single questions in wordings the training never saw, with every right answer."""
        seen = set()
        for intent in self.intents:
            for question in intent.held_out:
                if question not in seen:
                    seen.add(question)
                    yield {"lang": intent.lang, "intent": intent.name, "kind": intent.source[3:],
                           "messages": [user(question)], "answers": intent.answers}
        rng = random.Random(2000)
        for lang in ("en", "zh"):
            for make, kind, count in ((generators.fact, "fact", 60), (generators.as_json, "json", 20)):
                found = 0
                while found < count:
                    question, answer = make(rng, lang)
                    if generators.held_out(question) and question not in seen:
                        seen.add(question)
                        found += 1
                        yield {"lang": lang, "intent": kind, "kind": kind,
                               "messages": [user(question)], "answers": [answer]}
            found, answers = 0, self.twin["unknown", lang].answers
            while found < 40:
                question = generators.unknown(rng, lang)
                if generators.held_out(question) and question not in seen:
                    seen.add(question)
                    found += 1
                    yield {"lang": lang, "intent": "unknown", "kind": "unknown",
                           "messages": [user(question)], "answers": answers}
            for record in toolcalls.heldout(rng, lang, 40):
                yield record


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def first_sentence(text, lang):
    if lang == "zh":
        return text.split("。")[0].rstrip("！？") + "。" if "。" in text else text
    return re.split(r"(?<=[.!?:]) (?=[A-Z0-9`])", text)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parents[2] / "build/demo-model")
    parser.add_argument("--count", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(args.seed)
    with gzip.open(args.out / "train.jsonl.gz", "wt", encoding="utf-8", compresslevel=6) as f:
        for _ in range(args.count):
            f.write(json.dumps(corpus.conversation(), ensure_ascii=False) + "\n")
    heldout = list(corpus.heldout())
    with open(args.out / "heldout.jsonl", "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in heldout)
    for lang, intents in corpus.by_lang.items():
        print(f"{lang}: {len(intents)} intents, {sum(len(i.questions) for i in intents)} questions and "
              f"{sum(len(i.topics) for i in intents)} topics x {len(FRAMES[lang])} frames, "
              f"{sum(len(a) for i in intents for a in i.answers)} characters of answers")
    print(f"{args.count} conversations, {len(heldout)} held-out prompts in {args.out}")


if __name__ == "__main__":
    main()
