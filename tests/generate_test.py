"""Texts of the baseline and a variant, side by side."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import unittest

import gguf
import numpy as np

from program import MODEL, PROGRAM, PROMPTS, ProgramTest, run, run_llama

PROMPT = "<|user|> What is 2+2?\\n<|assistant|>"


ROUGH = ("--rule", "a:ffn_norm=int2", "--rule", "a:attn_input=int2")  # changes the demo model's text
ZEPHYR = "{% for m in messages %}<|user|>\n{{ m.content }}<|endoftext|>{% endfor %}"  # llama.cpp recognizes it by these words


def lines_on_a_terminal(columns, *arguments, **environment):
    """The program's output on a terminal of `columns` columns, as lines without their '\\r'."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | environment
    with subprocess.Popen([PROGRAM, *map(str, arguments), "--threads", "1"], stdout=inside, stderr=subprocess.DEVNULL, env=environment) as program:
        os.close(inside)
        written = b""
        try:
            while piece := os.read(terminal, 1 << 16):
                written += piece
        except OSError:  # on Linux: all writers have closed
            pass
    os.close(terminal)
    assert program.returncode == 0, program.returncode
    return written.decode().replace("\r", "").split("\n")


class GenerateTest(ProgramTest):
    def measure(self, *arguments):
        # One thread: with more, on a busy machine such a small model mostly waits for threads.
        return super().measure(*arguments, "--threads", 1)

    def with_number(self, model, key, number):
        """The model with another number under a key of type uint32."""
        with open(model, "rb") as file:
            content = file.read()
        at = content.index(key.encode()) + len(key) + 4
        path = self.path(f"{key}.{number}.gguf")
        with open(path, "wb") as file:
            file.write(content[:at] + number.to_bytes(4, "little") + content[at + 4:])
        return path

    def with_template(self, template):
        path = self.path("chat.gguf")
        subprocess.run([sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force", "--chat-template", template, MODEL, path],
                       check=True, capture_output=True)
        return path

    def test_the_baseline_writes_what_llama_cpp_writes(self):
        result = self.measure("generate", MODEL, "-p", PROMPT, "-n", 24)
        prompt = PROMPT.replace("\\n", "\n")
        self.assertEqual(result["prompts"][0]["prompt"], prompt)
        said = run_llama("llama-completion", "-m", MODEL, "-p", prompt, "-n", 24, "--temp", 0, "-no-cnv", "--no-display-prompt",
                         "--no-warmup", until=result["prompts"][0]["baseline"].strip())
        self.assertIn(result["prompts"][0]["baseline"].strip(), said)
        self.assertIn("2+2 is 4", result["prompts"][0]["baseline"])

    def test_the_tables_say_what_was_written(self):
        result = self.measure("generate", MODEL, "--prompt-file", PROMPTS, "-n", 48, *ROUGH)
        parted = 0
        for prompt in result["prompts"]:
            variant = prompt["variants"][0]
            place = variant["at_first_difference"]
            if place is None:
                self.assertTrue(variant["identical"])
                self.assertEqual(variant["forced_agreement"], 1)
                continue
            parted += 1
            # Greedy: each model wrote the token that it found most likely.
            self.assertGreaterEqual(place["baseline"]["p_baseline_token"], place["baseline"]["p_variant_token"])
            self.assertGreaterEqual(place["variant"]["p_variant_token"], place["variant"]["p_baseline_token"])
            self.assertLess(variant["forced_agreement"], 1)
            self.assertGreaterEqual(variant["forced_agreement"] * prompt["forced_places"], variant["first_difference"])
        self.assertGreater(parted, 0)

    def test_conditions_and_llama_cpp_names_of_options(self):
        with open(self.path("prompt.txt"), "w", encoding="utf-8") as file:
            file.write("<|user|> What is 2+2?\n<|assistant|>\n")
        given = self.measure("generate", MODEL, "-p", PROMPT, "--predict", 8, "--seed", 3, "--temp", 1, "--ctx-size", 64, *ROUGH)
        short = self.measure("generate", "-m", MODEL, "-f", self.path("prompt.txt"), "-n", 8, "-s", 3, "--temp", 1, "-c", 64, *ROUGH)
        self.assertEqual(short["prompts"], given["prompts"])
        arguments = ("generate", MODEL, "-p", PROMPT, "-n", 24, "-t", 1, *ROUGH)
        for condition, code in (("identical<1", 3), ("variant: agreement<1", 3), ("forced_agreement<0.01", 0)):
            done = run(*arguments, "--fail-if", condition)
            self.assertEqual(done.returncode, code, (condition, done.stderr))
            self.assertIn("variant", done.stdout)

    def test_a_rounding_that_changes_nothing_changes_no_text(self):
        run("apply", MODEL, "-o", self.path("out.gguf"), "--rule", "w:ffn_norm=bf16")
        result = self.measure("generate", self.path("out.gguf"), "--prompt-file", PROMPTS, "--rule", "w:ffn_norm=bf16")
        for prompt in result["prompts"]:
            variant = prompt["variants"][0]
            self.assertEqual(variant["text"], prompt["baseline"])
            self.assertTrue(variant["identical"])
            self.assertIsNone(variant["first_difference"])
            self.assertEqual((variant["agreement"], variant["forced_agreement"]), (1, 1))

    def test_says_where_texts_part(self):
        # At a high temperature, sampling sooner or later shows the smallest change of a probability.
        result = self.measure("generate", MODEL, "--prompt-file", PROMPTS, "-n", 200, "--temp", 3, "--top-k", 0, "--top-p", 1, "--seed",
                              5, "--rule", "w:*=bf16,round=zero", "--rule", "a:ffn_norm=bf16,round=zero")
        variants = [prompt["variants"][0] for prompt in result["prompts"]]
        parted = [v for v in variants if not v["identical"]]
        self.assertGreater(len(parted), 0)
        for variant in parted:
            self.assertGreaterEqual(variant["first_difference"], 0)
            self.assertLess(variant["agreement"], 1)

    def test_the_same_seed_writes_the_same(self):
        arguments = ("generate", MODEL, "-p", PROMPT, "--temp", "1.5", "-n", 40)
        texts = [self.measure(*arguments, "--seed", seed)["prompts"][0]["baseline"] for seed in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_samples_as_llama_cpp_does(self):
        prompt = "<|user|> Write a short story about a robot.\n<|assistant|>"
        plain = self.measure("generate", MODEL, "-p", prompt, "-n", 40)["prompts"][0]["baseline"]
        for options in (("--temp", 0, "--repeat-penalty", 1.3, "--repeat-last-n", 32),
                        ("--temp", 0, "--presence-penalty", 1.5, "--frequency-penalty", 0.5),
                        ("--temp", 1.2, "--seed", 7, "--min-p", 0.2, "--top-k", 30, "--top-p", 0.9, "--typical", 0.9)):
            written = self.measure("generate", MODEL, "-p", prompt, "-n", 40, *options)["prompts"][0]["baseline"]
            self.assertNotEqual(written, plain)
            said = run_llama("llama-completion", "-m", MODEL, "-p", prompt, "-n", 40, "-no-cnv", "--no-display-prompt", "--no-warmup",
                             *options, until=written.strip())
            self.assertIn(written.strip(), said)

    def test_reads_prompts_from_standard_input(self):
        text = "What is 2+2?\r\n\r\n   \nWho are\\nyou?"
        with open(self.path("prompts.txt"), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        arguments = ("generate", MODEL, "-n", 4, "-p", "Once", "--prompt-file")
        done = run(*arguments, "-", "--json", "-", "--threads", 1, input=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        prompts = self.measure(*arguments, self.path("prompts.txt"))["prompts"]
        self.assertEqual([p["prompt"] for p in prompts], ["Once", "What is 2+2?", "Who are\nyou?"])
        self.assertEqual(json.loads(done.stdout)["prompts"], prompts)
        self.refuse(1, "standard input holds no prompts", "generate", MODEL, "--prompt-file", "-", input="\n \n")
        self.refuse(2, "--dry-run", "generate", MODEL, "--prompt-file", "-", "--dry-run", *ROUGH, input="What")

    def test_escapes_can_be_left_as_they_are(self):
        with open(self.path("prompts.txt"), "w", encoding="utf-8") as file:
            file.write("one\\ntwo\\\\three\n")

        def prompts(*more):
            read = self.measure("generate", MODEL, "-n", 1, "-p", "a\\tb", "--prompt-file", self.path("prompts.txt"), *more)
            return [prompt["prompt"] for prompt in read["prompts"]]

        self.assertEqual(prompts(), ["a\tb", "one\ntwo\\three"])
        self.assertEqual(prompts("--escape"), prompts())
        self.assertEqual(prompts("-e"), prompts())
        self.assertEqual(prompts("--no-escape"), ["a\\tb", "one\\ntwo\\\\three"])
        self.refuse(2, "exclude each other", "generate", MODEL, "-p", "What", "-e", "--no-escape")

    def test_says_what_is_wrong_with_a_prompt(self):
        for prompt, pattern in (("", "prompt is empty"), ("word " * 400, r"has \d+ tokens, which fill the context of 256")):
            self.refuse(1, pattern, "generate", MODEL, "-p", prompt)
        self.refuse(1, "^fakequant: prompt 2 of 2: .*is empty", "generate", MODEL, "-p", "What", "-p", "")

    def test_shows_what_both_thought_where_they_part(self):
        result = self.measure("generate", MODEL, "--prompt-file", PROMPTS, "-p", "Once", "-p", "The", "-n", 40, *ROUGH)
        parted = [(p, p["variants"][0]) for p in result["prompts"] if not p["variants"][0]["identical"]]
        self.assertGreater(len(parted), 0)
        for prompt, variant in parted:
            place = variant["at_first_difference"]
            self.assertEqual(place["position"], variant["first_difference"])
            self.assertNotEqual(place["baseline_token"]["id"], place["variant_token"]["id"])
            # Each took its most likely token, and both tokens are in the same distribution.
            for who, first, second in (("baseline", "baseline", "variant"), ("variant", "variant", "baseline")):
                p, q = place[who][f"p_{first}_token"], place[who][f"p_{second}_token"]
                self.assertGreaterEqual(p, q)
                self.assertGreater(q, 0)
                self.assertLessEqual(p + q, 1)
            self.assertAlmostEqual(variant["agreement"], variant["tokens_alike"] / max(prompt["tokens"], variant["tokens"]))
            self.assertGreaterEqual(variant["tokens_alike"], place["position"])
            # The common text is followed by one of the two tokens.
            shared = os.path.commonprefix([prompt["baseline"], variant["text"]])
            for text, token in ((prompt["baseline"], place["baseline_token"]), (variant["text"], place["variant_token"])):
                self.assertTrue(any(text.startswith(shared[:i] + token["text"]) for i in range(len(shared) + 1)))

    def test_the_end_of_a_text_is_a_token_too(self):
        # A text ends with its first "a".
        end = gguf.GGUFReader(MODEL).fields["tokenizer.ggml.tokens"].contents().index("▁a")
        model = self.with_number(MODEL, "tokenizer.ggml.eos_token_id", end)
        arguments = ("generate", model, "--prompt-file", PROMPTS, "-p", "Once", "-p", "One day", "-p", "He said", "-n", 40)
        prompts = [p for rules in (ROUGH, ROUGH[:2]) for p in self.measure(*arguments, *rules)["prompts"]]
        self.assertEqual({p["ended"] for p in prompts}, {True, False})
        ends = 0
        for prompt in prompts:
            self.assertEqual(prompt["forced_places"], prompt["tokens"] + prompt["ended"])
            variant = prompt["variants"][0]
            self.assertLessEqual(round(variant["forced_agreement"] * prompt["forced_places"], 6) % 1, 1e-5)
            if variant["identical"]:
                self.assertIsNone(variant["at_first_difference"])
                continue
            place = variant["at_first_difference"]
            for text, token in ((prompt, place["baseline_token"]), (variant, place["variant_token"])):
                is_end = place["position"] == text["tokens"]
                self.assertEqual(token["id"] == end, is_end)
                ends += is_end
        self.assertGreater(ends, 0)

    def test_a_prompt_in_the_models_chat_template(self):
        model = self.with_template(ZEPHYR)
        chat = self.measure("generate", model, "--chat", "-p", "Hi", "-n", 8)["prompts"][0]
        self.assertEqual(chat["prompt"], "Hi")
        self.assertEqual(chat["chat_prompt"], "<|user|>\nHi<|endoftext|>\n<|assistant|>\n")
        plain = self.measure("generate", model, "-p", chat["chat_prompt"], "-n", 8)["prompts"][0]
        self.assertEqual((plain["baseline"], plain["prompt_tokens"]), (chat["baseline"], chat["prompt_tokens"]))
        self.assertLess(chat["prompt_tokens"], len("<|user|>Hi<|endoftext|><|assistant|>"))  # special tokens were parsed
        with_system = self.measure("generate", model, "--chat", "--system", "Be kind.", "-p", "Hi", "-n", 8)["prompts"][0]
        self.assertEqual(with_system["chat_prompt"], "<|system|>\nBe kind.<|endoftext|>\n" + chat["chat_prompt"])
        # If the template itself begins with BOS, here <|user|>, no second one is added.
        begins_with_bos = self.with_number(model, "tokenizer.ggml.bos_token_id", 3)
        counted = self.measure("generate", begins_with_bos, "--chat", "-p", "Hi", "-n", 1)["prompts"][0]["prompt_tokens"]
        self.assertEqual(counted, chat["prompt_tokens"] - 1)

    def test_a_chat_needs_a_template_that_is_known(self):
        plain = self.measure("generate", MODEL, "-p", "Hi", "-n", 4)
        chat = self.measure("generate", MODEL, "--chat", "--system", "Be kind.", "-p", "Hi", "-n", 4)
        self.assertEqual(chat["prompts"], plain["prompts"])
        self.assertEqual((plain["notes"], chat["chat"], len(chat["notes"])), ([], False, 1))
        self.assertRegex(chat["notes"][0], "has no chat template: it read the prompts as they are, without the system's message")
        self.assertIn(chat["notes"][0], run("generate", MODEL, "--chat", "--system", "Be kind.", "-p", "Hi", "-n", 4).stdout)
        self.refuse(1, "does not know the chat template", "generate", self.with_template("{{ nothing }}"), "--chat", "-p", "Hi")
        self.refuse(2, "add --chat", "generate", MODEL, "--system", "Be kind.", "-p", "Hi")

    def test_names_the_variant_whose_logits_are_no_numbers(self):
        # A norm weight that E5M2 cannot hold (infinity from 61440 on), in an otherwise valid model.
        with open(MODEL, "rb") as file:
            model = bytearray(file.read())
        norm = next(t for t in gguf.GGUFReader(MODEL).tensors if t.name == "output_norm.weight")
        at = norm.data_offset + 4  # the second value
        model[at : at + 4] = np.float32(63000).tobytes()
        with open(self.path("large.gguf"), "wb") as file:
            file.write(model)
        self.measure("generate", self.path("large.gguf"), "-p", "What", "-n", 2)
        overflowed = ("generate", self.path("large.gguf"), "-p", "What", "-n", 4, "--rule", "w:output_norm=e5m2")
        variant = self.measure(*overflowed)["prompts"][0]["variants"][0]
        self.assertEqual((variant["overflow"], variant["tokens"], variant["identical"], variant["forced_agreement"]), (0, 0, False, 0))
        self.assertIn("the variant overflows: a logit is NaN or infinite after 0 tokens", run(*overflowed).stdout)

    def test_marks_the_difference(self):
        arguments = ("generate", MODEL, "--prompt-file", PROMPTS, "-n", 30, *ROUGH)
        in_a_file = run(*arguments, "--threads", 1).stdout
        self.assertNotIn("\x1b", in_a_file)
        self.assertRegex(in_a_file, r"(?m)^    baseline  >>>.*\n(.*\n)*?    variant   >>>")
        self.assertRegex(in_a_file, r"At token \d+ the baseline gives \".*\" \d")
        coloured = "\n".join(lines_on_a_terminal(80, *arguments))
        self.assertIn("\x1b[1;33m", coloured)
        self.assertNotIn(">>>", coloured)
        plain = "\n".join(lines_on_a_terminal(80, *arguments, NO_COLOR="1"))
        self.assertNotIn("\x1b", plain)
        self.assertIn(">>>", plain)
        wide = lines_on_a_terminal(120, *arguments, NO_COLOR="1")
        self.assertTrue(any(line.startswith("    baseline   ") and line.endswith("   variant") for line in wide))
        self.assertTrue(any(line.count(">>>") == 2 for line in wide))


if __name__ == "__main__":
    unittest.main()
