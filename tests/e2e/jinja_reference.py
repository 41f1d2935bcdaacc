"""transformers' own set-up of Jinja, and conversations at random to render with it."""

import json
import random
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """The tag {% generation %}, which prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True,
        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda text: datetime.now().strftime(text)
    return env


ENVIRONMENT = environment()


def render(template, variables):
    """{"text": …} or {"error": …}; "raised" where the template itself raised it."""
    try:
        return {"text": ENVIRONMENT.from_string(template).render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        return {"error": str(error), "raised": raised}
    except Exception as error:  # whatever Python raises within a template is the template's error
        return {"error": f"{type(error).__name__}: {error}", "raised": False}


WORDS = ["hello", "", " ", "naïve café", "日本語", "a\nb", "\n", "  padded  ", "it's", 'say "hi"',
         "it's \"both\"", "back\\slash", "<think>hm</think>answer", "</think>", "<think>\nfirst",
         "<|im_start|>system", "<|im_end|>", "{{ x }}", "{% if %}", "tab\there", "\u3000wide\u3000",
         "emoji 😀", "ẞtraße", "&<>", "line\r\nline", "null", "42", "\x1f", "a" * 300]
TYPES = ["string", "integer", "object", ["string", "null"], "array"]


class Conversations:
    """Conversations that clients may send, and some that they should not."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, likelihood):
        return self.random.random() < likelihood

    def text(self):
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(1, 3)))

    def value(self, depth=0):
        kinds = ["text", "int", "float", "bool", "none"] + (["list", "dict"] if depth < 3 else [])
        kind = self.random.choice(kinds)
        if kind == "text":
            return self.text()
        if kind == "int":
            return self.random.choice([0, 1, -7, 2**53, 2**63, 10**30])
        if kind == "float":
            return self.random.choice([0.0, 1.0, -2.5, 1e20, 1e-7, 0.1, 123456.789, 1e16])
        if kind == "bool":
            return self.chance(0.5)
        if kind == "none":
            return None
        if kind == "list":
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        keys = ["name", "items", "keys", "a b", "é", "values", "get", "x", "type"]
        return {self.random.choice(keys): self.value(depth + 1)
                for _ in range(self.random.randint(0, 3))}

    def tool(self):
        names = ["items", "location", "unit", "keys", "ünit"]
        properties = {}
        for name in self.random.sample(names, self.random.randint(0, 3)):
            properties[name] = {"type": self.random.choice(TYPES), "description": self.text()}
            if self.chance(0.2):
                properties[name]["enum"] = ["a", "b", 3, None]
            if self.chance(0.1):
                properties[name]["default"] = self.value(2)
        parameters = {"type": "object", "properties": properties}
        if self.chance(0.7):
            parameters["required"] = list(properties)[:1]
        function = {"name": self.random.choice(["get_weather", "f", "search-it"]),
                    "description": self.text(), "parameters": parameters}
        if self.chance(0.1):
            del function["description"]
        if self.chance(0.1):
            function["strict"] = True
        return {"type": "function", "function": function}

    def tool_call(self):
        arguments = {self.random.choice(["location", "items", "n"]): self.value(1)
                     for _ in range(self.random.randint(0, 3))}
        call = {"type": "function", "id": f"call_{self.random.randint(1, 9):09d}",
                "function": {"name": "get_weather", "arguments": arguments}}
        if self.chance(0.15):
            call["function"]["arguments"] = json.dumps(arguments)
        if self.chance(0.1):
            del call["id"]
        return call

    def message(self, role):
        message = {"role": role, "content": self.text()}
        if role == "assistant":
            if self.chance(0.3):
                message["tool_calls"] = [self.tool_call()
                                         for _ in range(self.random.randint(0, 2))]
                if self.chance(0.3):
                    message["content"] = self.random.choice([None, ""])
            if self.chance(0.2):
                name = self.random.choice(["reasoning_content", "reasoning", "thinking"])
                message[name] = self.text()
        if role == "tool":
            message["name"] = "get_weather"
            message["tool_call_id"] = "call_000000001"
            if self.chance(0.2):
                message["content"] = self.value(1)
        if self.chance(0.06):
            message["content"] = [{"type": "text", "text": self.text()},
                                  {"type": self.random.choice(["text", "image", "image_url"]),
                                   "text": self.text()}][:self.random.randint(0, 2)]
        if self.chance(0.03):
            message["content"] = self.value()
        if self.chance(0.02):
            del message[self.random.choice(["role", "content"])]
        return message

    def messages(self):
        roles = []
        if self.chance(0.5):
            roles.append(self.random.choice(["system", "system", "developer"]))
        for _ in range(self.random.randint(0, 4)):
            roles.append("user")
            if self.chance(0.4):
                roles += ["assistant"] + ["tool"] * self.random.randint(0, 2)
            if self.chance(0.8):
                roles.append("assistant")
        if self.chance(0.7):
            roles.append("user")
        if self.chance(0.1):
            self.random.shuffle(roles)
        if self.chance(0.05):
            roles.append("critic")
        return [self.message(role) for role in roles]

    def variables(self):
        out = {"messages": self.messages(), "add_generation_prompt": self.chance(0.7)}
        if self.chance(0.5):
            out["tools"] = [self.tool() for _ in range(self.random.randint(0, 3))]
        elif self.chance(0.5):
            out["tools"] = None
        if self.chance(0.9):
            out |= {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        for name, values in {
                "enable_thinking": [True, False], "thinking": [True, False],
                "reasoning_effort": ["low", "high", "medium", "max", "none"],
                "documents": [[{"title": "A", "text": "words"}], []],
                "add_vision_id": [True], "date_string": ["26 Jul 2024"],
                "tools_in_user_message": [True, False], "continue_final_message": [True],
                "preserve_thinking": [True, False], "clear_thinking": [True, False],
                "builtin_tools": [["python", "brave_search"], []],
                "response_format": [{"type": "json"}], "controls": [{"length": "short"}],
                "model_identity": ["You are X."], "custom_tools": [None]}.items():
            if self.chance(0.15):
                out[name] = self.random.choice(values)
        return out
