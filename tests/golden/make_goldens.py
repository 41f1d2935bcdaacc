"""Writes tokenizer.json, pipelines.json, chat.json, rope.json and logits.json: what Hugging Face's own code gives, for
the unit tests to hold qwend to. Needs tokenizers, jinja2, torch and transformers from PyPI; the tests do not.
"""

import json
import random
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding
from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).parent
DEMO = HERE.parent / "demo-model"
PROMPT_LENGTHS = [1, 15, 16, 17, 513, 2047, 2048, 2049, 4097, 32000]
N_GREEDY = 8
VOCAB = 384


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


# ---- tokenizer ---------------------------------------------------------------------------------

PIECES = ["'s", "'S", "'\u017f", "'RE", "'ll", "'lL", "'d", "'v", "'ve", " ", "  ", "\n", "\r\n", "\r", "\t",
          "\u0085", "\u00a0", "\u2028", "\u3000", "\u200b", "\u1680", "\x1c", "\x0b", "a", "B", "\u00e9",
          "e\u0301", "\u0300", "\uac00", "\u1100\u1161\u11a8", "\u4e2d", "\u6587", "\U0001f600",
          "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0661", "\u2167", "\u00bd", "\u00b2", "_", "-", "!",
          "...", "//", "<|im_start|>", "<tool_call>", "<|im", "\u0000", "\ufffd", "\u01c5", "\u02b0",
          "\u0e01\u0e33", "\u0915\u094d", "\U0001d400", "\U00010330", "\ufb01", "\u212b", "'", "1", "23",
          "hello", "World", "foo_bar", "don't", "we'll", "if (x) {\n\t", "   return", "\u4f60\u597d\u4e16\u754c",
          "2024-01-01", "The quick brown fox", "qwend", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]


def tokenizer_golden():
    tokenizer = Tokenizer.from_file(str(DEMO / "tokenizer.json"))
    rng = random.Random(7)
    texts = ["", " ", "Hello, world!"] + ["".join(rng.choices(PIECES, k=rng.randint(1, 14))) for _ in range(400)]
    return [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids,
             "decoded": tokenizer.decode(tokenizer.encode(t, add_special_tokens=False).ids,
                                         skip_special_tokens=False)} for t in texts]


PIPELINE_TEXTS = ["Hello, world! don't", " a  b\t\n\n c ", "1234 \u2460\u00bd x-y_z... $5+3",
                  "e\u0301 \u00c5\u0130\ufb01\ufdfa\uff76\uff9e", "\u1100\u1161\u11a8 \uac01 \u1e9b\u0323 \u0958",
                  "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3000", "<|im_start|>user\nhi <|im_end|>\n",
                  "if (x) {\n\t\treturn;\n}\n\n\n"]


def pipelines():
    """Steps around the model that fine-tunes have in place of Qwen2's own: a field of tokenizer.json and its value."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    qwen = json.loads((DEMO / "tokenizer.json").read_text())["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]

    def steps(*before, **of_level):
        return "pre_tokenizer", {"type": "Sequence", "pretokenizers": [*before, {**level, **of_level}]}

    def split(behavior, regex=qwen, invert=False):
        return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}

    for behavior in "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous":
        for regex in qwen, " ", "[a-z]", "x*":
            for invert in False, True:
                yield steps(split(behavior, regex, invert))
        yield steps({"type": "Punctuation", "behavior": behavior}, use_regex=True)
    yield steps({"type": "Split", "pattern": {"String": "."}, "behavior": "MergedWithNext", "invert": False})
    yield steps({"type": "WhitespaceSplit"})
    digits = {"type": "Digits", "individual_digits": True}
    yield steps({"type": "Sequence", "pretokenizers": [digits]}, split("Isolated"))
    yield steps()
    for fields in {"use_regex": True}, {"use_regex": False}:
        yield steps(add_prefix_space=True, **fields)
        yield steps(split("Isolated"), add_prefix_space=True, **fields)
    plain = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
    replace = {"type": "Replace", "pattern": {"String": "."}, "content": "!?"}
    more = [{"type": "Strip", "strip_left": left, "strip_right": not left} for left in (True, False)]
    more += [{"type": "Prepend", "prepend": "_ "}, replace, {**replace, "pattern": {"Regex": " +"}}]
    for normalizer in plain + more:
        yield "normalizer", normalizer
    nested = {"type": "Sequence", "normalizers": plain[2:3]}
    for some in plain[1:2] + plain[4:] + plain[:1], [nested, replace], more[2:]:
        yield "normalizer", {"type": "Sequence", "normalizers": some}
    pair = {"sep": ["<|im_end|>", 6060], "cls": ["<|im_start|>", 6059]}
    bert, roberta = {"type": "BertProcessing", **pair}, {"type": "RobertaProcessing", **pair, "trim_offsets": True,
                                                         "add_prefix_space": False}
    yield "post_processor", bert
    yield "post_processor", roberta
    yield "post_processor", {"type": "Sequence", "processors": [level, {"type": "Sequence", "processors": [roberta]}]}


def pipelines_golden():
    demo = json.loads((DEMO / "tokenizer.json").read_text())
    cases = []
    for field, value in pipelines():
        tokenizer = Tokenizer.from_str(json.dumps({**demo, field: value}))
        cases.append({"field": field, "value": value, "ids": [tokenizer.encode(text).ids for text in PIPELINE_TEXTS]})
    return {"texts": PIPELINE_TEXTS, "cases": cases}


# ---- chat --------------------------------------------------------------------------------------

QWEN2 = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
         "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
         "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "天气 \"now\" <b>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1.0,
                                                                         "maximum": 1e16, "minimum": 1e-5}},
    "required": ["city"], "x": [], "y": {}, "z": None, "t": True}}}
CALL = [{"function": {"name": "get_weather", "arguments": {"city": "北京", "days": 2}}}]


def chat_cases():
    user = {"role": "user", "content": "hi <|im_end|> there\n\n"}
    system = {"role": "system", "content": "Be brief."}
    answer = {"role": "assistant", "content": "你好"}
    call = {"role": "assistant", "content": "", "tool_calls": CALL}
    talk = {"role": "assistant", "content": "Let me look.", "tool_calls": CALL * 2}
    result = {"role": "tool", "content": "{\"t\": 3}"}
    for template in ("qwen2", "qwen2_5"):
        for messages in ([user], [system, user], [user, answer, user], [user, system, user]):
            for prompt in (True, False):
                yield template, messages, None, prompt, False
        for messages in ([system], [user], [system, user, answer]):
            yield template, messages, None, False, True
    for messages in ([user], [system, user], [user, call, result], [user, talk, result, result, answer, user]):
        for prompt in (True, False):
            yield "qwen2_5", messages, [TOOL], prompt, False
    for prompt in (True, False):
        yield "qwen2_5", [user, call, result, user], None, prompt, False
    yield "qwen2_5", [system], [TOOL], False, True
    for messages in ([user, call], [user, talk], [user, call, result], [user, call, result, result]):
        yield "qwen2_5", messages, None, False, True


def chat_golden():
    texts = {"qwen2": QWEN2, "qwen2_5": json.loads((DEMO / "tokenizer_config.json").read_text())["chat_template"]}
    cases = []
    for template, messages, tools, prompt, final in chat_cases():
        text = render_jinja_template([messages], tools=tools, chat_template=texts[template],
                                     add_generation_prompt=prompt, continue_final_message=final)[0][0]
        cases.append({"template": template, "messages": messages, "tools": tools or [],
                      "add_generation_prompt": prompt, "continue_final_message": final, "text": text})
    return {"templates": texts, "cases": cases}


# ---- rope ----------------------------------------------------------------------------------------

YARN_FIELDS = [
    {}, {"beta_fast": 16}, {"beta_slow": 4}, {"beta_fast": 64.5, "beta_slow": 0.5}, {"beta_fast": 0, "beta_slow": None},
    {"attention_factor": 0.75}, {"attention_factor": 1}, {"mscale": 0.707}, {"mscale": 0.707, "mscale_all_dim": 1.0},
    {"mscale": 1.0, "mscale_all_dim": 0.5}, {"mscale": 1.0, "mscale_all_dim": 0}, {"truncate": False},
    {"truncate": False, "beta_fast": 20, "beta_slow": 2}, {"factor": 1.0}, {"factor": 0.5}, {"factor": None},
    {"factor": 8.5, "attention_factor": None}, {"beta_fast": 1, "beta_slow": 1, "truncate": False},
]


def rope_cases(n_frequencies):
    """What config.json says of positions, beside the shape."""
    for original in ({"original_max_position_embeddings": 4096}, {}):
        for fields in YARN_FIELDS:
            scaling = {"rope_type": "yarn", "factor": 4.0, **original, **fields}
            yield {"rope_theta": 1000000.0, "max_position_embeddings": 32768, "rope_scaling": scaling}
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048}
    yield {"rope_theta": 10000.0, "max_position_embeddings": 8192, "rope_scaling": yarn}
    yield {"rope_theta": 10000, "max_position_embeddings": 8192, "rope_scaling": {**yarn, "rope_theta": 500000.0}}
    yield {"max_position_embeddings": 8192, "rope_parameters": {**yarn, "rope_theta": 500000.0}}
    yield {"max_position_embeddings": 8192, "rope_scaling": yarn}
    yield {"max_position_embeddings": 8192, "original_max_position_embeddings": 1024, "rope_scaling": yarn}
    yield {"rope_theta": 20000.0, "rope_scaling": yarn, "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}
    yield {"rope_theta": 20000.0, "rope_scaling": {}, "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}
    yield {"rope_theta": 20000.0, "rope_scaling": {"rope_type": "linear", "factor": 2.5}}
    yield {"rope_theta": 20000.0, "rope_scaling": {"type": "linear", "rope_type": "default", "factor": 2.5}}
    yield {"rope_theta": 20000.0, "rope_scaling": {"factor": 2.5}}
    yield {"rope_parameters": {"rope_type": "default", "rope_theta": 7000.0}}
    yield {"rope_theta": 20000.0, "rope_scaling": None}
    longrope = {"rope_type": "longrope", "short_factor": [1 + i / 8 for i in range(n_frequencies)],
                "long_factor": [4.0] * n_frequencies}
    for fields in {"factor": 4.0}, {"factor": 0.5}, {}, {"attention_factor": 1.25, "factor": 4.0}:
        yield {"max_position_embeddings": 32768, "rope_scaling": {**longrope, **fields,
                                                                  "original_max_position_embeddings": 4096}}
    yield {"max_position_embeddings": 32768, "original_max_position_embeddings": 8192, "rope_scaling": longrope}
    yield {}


def rope_golden():
    cases = []
    for heads in (4, 2):  # of 64 and of 128
        for fields in rope_cases(256 // heads // 2):
            config = Qwen2Config(hidden_size=256, num_attention_heads=heads, num_key_value_heads=2,
                                 **json.loads(json.dumps(fields)))
            compute = ROPE_INIT_FUNCTIONS.get(config.rope_parameters["rope_type"],
                                              Qwen2RotaryEmbedding.compute_default_rope_parameters)
            inv_freq, scale = compute(config)
            cases.append({"config": fields, "head_dim": 256 // heads, "scale": float(scale),
                          "inv_freq": [float(f"{x:.9g}") for x in inv_freq]})
    return cases


# ---- logits ------------------------------------------------------------------------------------

def hashed_uniform(name, n):
    """n values in [-1, 1) from the tensor's name: tests/unit/hashed_checkpoint.h computes the same."""
    h = 0xcbf29ce484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001b3) & (2**64 - 1)
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def spread(name, shape):
    """(mean, spread) of a tensor: activations of about unit size and distinct logits."""
    if "norm" in name:
        return 1.0, 0.25
    if "bias" in name:
        return 0.0, 0.5
    if "embed" in name or "lm_head" in name:
        return 0.0, 0.35
    return 0.0, float(np.sqrt(3.0 / shape[-1]))


MODELS = {
    "head64_tied": dict(hidden_size=256, num_attention_heads=4, num_key_value_heads=2, intermediate_size=480,
                        tie_word_embeddings=True),
    "head128_untied": dict(hidden_size=896, num_attention_heads=7, num_key_value_heads=1, intermediate_size=384,
                           tie_word_embeddings=False),
    "head64_yarn": dict(hidden_size=320, num_attention_heads=5, num_key_value_heads=1, intermediate_size=256,
                        tie_word_embeddings=True),
    "yarn_131072": dict(hidden_size=128, num_attention_heads=2, num_key_value_heads=1, intermediate_size=128,
                        tie_word_embeddings=True),
}
MODELS |= {act: dict(MODELS["head64_tied"], hidden_act=act) for act in ("gelu", "relu2")}
# (factor, original limit, limit): long prompts lie beyond the original; and what Qwen2.5's model cards publish.
YARN = {"head64_yarn": (4.0, 1024, 32768), "yarn_131072": (4.0, 32768, 131072)}
LENGTHS = {"yarn_131072": [512, 131072 - N_GREEDY + 1],  # the last token is never fed back
           "gelu": [17, 513], "relu2": [17, 513]}


def make_model(name):
    rope, limit = {"rope_theta": 1000000.0, "rope_type": "default"}, 32768
    if name in YARN:
        factor, original, limit = YARN[name]
        rope = {"rope_theta": 1000000.0, "rope_type": "yarn", "factor": factor,
                "original_max_position_embeddings": original}
    config = Qwen2Config(vocab_size=VOCAB, num_hidden_layers=2, max_position_embeddings=limit, rms_norm_eps=1e-6,
                         rope_parameters=rope, attn_implementation="sdpa", **MODELS[name])
    model = Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        for tensor, p in model.named_parameters():
            mean, width = spread(tensor, p.shape)
            values = torch.from_numpy((mean + width * hashed_uniform(tensor, p.numel())).astype(np.float32))
            p.copy_(values.to(torch.bfloat16).float().reshape(p.shape))
    return model


def logprobs(output):
    return output.logits[0, -1].float().log_softmax(-1)


@torch.no_grad()
def logits_case(name, length, model, half):
    """The first token's log-probabilities, and a greedy continuation with what it takes to judge another's:
    each token's lead over the next best, and by how much transformers' own bf16 errs there, at most, in the
    log-probability of a token in contention (at least 1/20 as likely as the likeliest)."""
    ids = torch.tensor([[(i * 7919 + 13) % VOCAB for i in range(length)]])
    full = lower = None
    greedy, leads, errors = [], [], []
    while len(greedy) < N_GREEDY:
        full = model(ids, logits_to_keep=1, use_cache=True, past_key_values=full and full.past_key_values)
        lower = half(ids, logits_to_keep=1, use_cache=True, past_key_values=lower and lower.past_key_values)
        a, b = logprobs(full), logprobs(lower)
        if not greedy:
            reference, kl_bf16 = a, float((a.exp() * (a - b)).sum())
        top = a.topk(2)
        greedy.append(int(top.indices[0]))
        leads.append(round(float(top.values[0] - top.values[1]), 4))
        errors.append(round(float((a - b).abs()[a > a.max() - np.log(20)].max()), 4))
        ids = top.indices[:1].reshape(1, 1)
    print(name, length, greedy, leads, errors, kl_bf16, flush=True)
    return {"model": name, "length": length, "greedy": greedy, "leads": leads, "errors_bf16": errors,
            "logprobs": [round(float(x), 5) for x in reference], "kl_bf16": kl_bf16}


def logits_golden():
    cases = []
    for name in MODELS:
        model, half = make_model(name), make_model(name).to(torch.bfloat16)
        for length in LENGTHS.get(name, PROMPT_LENGTHS):
            cases.append(logits_case(name, length, model, half))
    return cases


if __name__ == "__main__":
    write("tokenizer.json", tokenizer_golden())
    write("pipelines.json", pipelines_golden())
    write("chat.json", chat_golden())
    write("rope.json", rope_golden())
    write("logits.json", logits_golden())
