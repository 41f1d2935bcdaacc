#!/usr/bin/env python3
"""Asks the checkpoint with Hugging Face's transformers, to compare qwend with.

    ask.py [--sample] [--folder tests/demo-model] [QUESTION ...]
"""
import argparse
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
QUESTIONS = ["介绍一下大模型", "Tell me about large language models", "What is qwend?", "你好"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=str(HERE))
    parser.add_argument("--sample", action="store_true", help="as generation_config.json says; else greedy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.bfloat16)
    greedy = {} if args.sample else {"do_sample": False, "temperature": None, "top_p": None, "top_k": None,
                                     "repetition_penalty": 1.0}
    for question in args.questions:
        text = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False,
                                             add_generation_prompt=True)
        prompt = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        ids = model.generate(**prompt, max_new_tokens=500, **greedy)[0, prompt["input_ids"].shape[1]:]
        print(f"? {question}\n> {tokenizer.decode(ids)}\n")


if __name__ == "__main__":
    main()
