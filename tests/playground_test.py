"""The playground of fakequant serve: what its page asks of the server, and the page in a browser.

FAKEQUANT_PICTURES names a folder for pictures of the page, to be looked at.
"""

import json
import math
import os
import unittest

import program
from chromium import Browser
from serve_test import Server

TEXT = "The dog saw the robot. It went home, and 12 + 7 = 19."
TAPS, WEIGHTS = "a:in(*)=mantissa2", "w:matrices=int4"


class PlaygroundServer(Server):
    def events(self, path, fields):
        status, body = self.request("POST", path, json.dumps(fields))
        if status != 200:
            raise AssertionError((status, body))
        events = [json.loads(line[len("data: "):]) for line in body.split("\n\n")[:-2]]
        assert body.endswith("data: [DONE]\n\n"), body
        return events

    def change(self, rules, **fields):
        return self.events("/playground/variants", {"rules": rules, **fields})[-1]["variant"]

    def measure(self, variant, text=TEXT):
        return self.events("/playground/divergence", {"variant": variant["id"], "text": text})[-1]["divergence"]


class ServedTest(program.SharedFolderTest):
    """With a server of a variant, w4, and of rules of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        recipe = os.path.join(cls.shared, "w4.yaml")
        with open(recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - weights: matrices\n    format: int4\n")
        cls.server = PlaygroundServer("--rule", TAPS, "--variant", f"w4={recipe}", "-c", "128")
        cls.addClassCleanup(cls.server.stop)


class PlaygroundTest(ServedTest):
    def perplexity(self, model):
        """That of a text by the server's log-probabilities."""
        log_p = self.server.echo([TEXT], model=model, max_tokens=0)[0]["logprobs"]["token_logprobs"][1:]
        return math.exp(-sum(log_p) / len(log_p)), len(log_p)

    def test_a_variant_is_the_one_that_is_served_with_the_same_rules(self):
        for rules, served in (([TAPS], "variant"), ([WEIGHTS], "w4"), ([], "baseline")):
            variant = self.server.change(rules)
            self.assertEqual(variant["rules"], rules)
            found = self.server.measure(variant)
            expected, predictions = self.perplexity(served)
            self.assertEqual(found["predictions"], predictions)
            self.assertAlmostEqual(found["ppl"]["value"], expected, delta=1e-9 * expected)
            self.assertAlmostEqual(found["baseline_ppl"]["value"], self.perplexity("baseline")[0],
                                   delta=1e-9 * expected)
            self.assertEqual(found["kld"]["value"] > 1e-6, served != "baseline")
            self.assertEqual(found["top1_agreement"]["value"] <= 1, True)
            self.assertEqual((found["tokens"], found["text_tokens"]), (predictions + 1, predictions + 1))
        same = self.server.measure(self.server.change([]), "word " * 500)
        self.assertEqual((same["kld"]["value"], same["tokens"]), (0, 128))
        self.assertGreater(same["text_tokens"], 500)

    def test_a_change_costs_what_is_new(self):
        variant = self.server.change([WEIGHTS])
        matrices = variant["rounded_weights"]
        self.assertGreater(matrices, 10)
        tapped = self.server.change([WEIGHTS, TAPS], variant=variant["id"])
        self.assertEqual((tapped["id"], tapped["rounded_weights"]), (variant["id"], 0))
        more = self.server.change([WEIGHTS, "w:norms=mantissa2", "w:matrices@1=int3", TAPS], variant=variant["id"])
        self.assertGreater(more["rounded_weights"], 0)
        self.assertLess(more["rounded_weights"], matrices)
        fresh = self.server.change(more["rules"])
        self.assertGreater(fresh["rounded_weights"], matrices)
        self.assertEqual({**self.server.measure(more), "seconds": 0}, {**self.server.measure(fresh), "seconds": 0})
        # The recipe is one for the other commands, and can be sent back.
        with open(self.path("recipe.yaml"), "w", encoding="utf-8") as file:
            file.write(more["recipe"])
        done = program.run("sites", program.MODEL, "--recipe", self.path("recipe.yaml"))
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self.server.events("/playground/variants", {"recipe": more["recipe"]})[-1]["variant"]
        self.assertEqual(again["rules"], more["rules"])

    def test_answers_are_those_of_both_sides(self):
        variant = self.server.change([WEIGHTS])
        fields = {"prompt": "The river was", "max_tokens": 12, "temperature": 0}
        pieces = self.server.events("/playground/answers", {"variant": variant["id"], **fields})
        for side, model in (("baseline", "baseline"), ("variant", "w4")):
            of_side = [piece for piece in pieces if piece["side"] == side]
            text = "".join(piece["text"] for piece in of_side)
            alone = self.server.complete(fields["prompt"], model=model, max_tokens=12)
            self.assertEqual(text, alone["choices"][0]["text"])
            self.assertEqual([piece["finish_reason"] for piece in of_side], [None] * (len(of_side) - 1) + ["length"])
        tokens = [piece for piece in pieces if "kld" in piece]
        self.assertEqual(len(tokens), 12)
        # The probabilities are those that the server says elsewhere, the baseline's after the variant's text.
        prompt = fields["prompt"] + "".join(token["text"] for token in tokens[:5])
        for model, side in (("w4", "variant"), ("baseline", "baseline")):
            top = self.server.complete(prompt, model=model, max_tokens=1, logprobs=5)["choices"][0]["logprobs"]
            for name, log_p in top["top_logprobs"][0].items():
                found = [other[side] for other in tokens[5]["alternatives"] if other["token"] == name]
                self.assertAlmostEqual(found[0], math.exp(log_p), delta=1e-3)
        self.assertGreater(max(token["kld"] for token in tokens), 1e-4)
        # In lockstep: neither side waits for the other's end.
        self.assertEqual([piece["side"] for piece in pieces[:4]], ["baseline", "variant"] * 2)

    def test_recipes_that_need_nothing_else_are_offered(self):
        offered = json.loads(self.server.request("GET", "/playground/model")[1])["recipes"]
        self.assertIn("vllm/w8a8-int8", offered)
        self.assertNotIn("llama.cpp/kv-q8_0", offered)  # a cache of its own
        self.assertNotIn("modelopt/int8", offered)  # a file of ranges
        variant = self.server.events("/playground/variants", {"recipe": "@vllm/w8a8-int8"})[-1]["variant"]
        self.assertEqual(self.server.change(variant["rules"])["recipe"], variant["recipe"])

    def test_what_is_wrong_is_said(self):
        variant = self.server.change([])
        for fields, status, pattern, field in (
                ({"rules": [TAPS, "w:matrices=int44"]}, 400, "int44", "rules[1]"),
                ({"rules": ["w:matrices"]}, 400, "w:matrices", "rules[0]"),
                ({"rules": ["w:matrices=lookup:/etc/passwd"]}, 400, "no files", "rules[0]"),
                ({"rules": ["a:in(*)=int8,range=static:/etc/passwd"]}, 400, "no files", "rules[0]"),
                ({"rules": [TAPS] * 65}, 400, "at most 64", None), ({"rules": "x"}, 400, "list of rules", None),
                ({"rules": [1]}, 400, "list of texts", None), ({}, 400, "either", None),
                ({"rules": [], "recipe": ""}, 400, "either", None), ({"recipe": "@none"}, 400, "none", None),
                ({"recipe": "rules: [{weights: matrices, format: int44}]"}, 400, "int44", None),
                ({"recipe": "rules: [{weights: matrices, format: \"look\\x75p:/x\"}]"}, 400, "backslash", None),
                ({"recipe": "@llama.cpp/kv-q8_0"}, 400, "types of the cache", None),
                ({"rules": [], "variant": "w4"}, 404, "no such variant", None)):
            found, answer = self.server.post("/playground/variants", fields)
            self.assertEqual((found, answer["error"]["param"]), (status, field), (fields, answer))
            self.assertIn(pattern, answer["error"]["message"])
            self.assertNotIn("\n", answer["error"]["message"])
        # Of sites that are not there the model knows. The variant stays as it was.
        for rule in ("a:nothing=int8", "w:nothing=int8"):
            events = self.server.events("/playground/variants", {"rules": [rule], "variant": variant["id"]})
            self.assertIn("matches no ", events[-1]["error"]["message"])
        self.assertEqual(self.server.measure(variant)["kld"]["value"], 0)
        for path, fields in (("divergence", {"text": ""}), ("divergence", {"text": 3}),
                             ("answers", {}), ("answers", {"prompt": ["a", "b"]}), ("answers", {"messages": []})):
            found, _ = self.server.post(f"/playground/{path}", {"variant": variant["id"], **fields})
            self.assertEqual(found, 400, fields)
        self.assertEqual(self.server.post("/playground/divergence", {"text": TEXT})[0], 400)
        self.assertEqual(self.server.post("/playground/answers", {"variant": "0", "prompt": "a"})[0], 404)
        path = f"/playground/variants/{variant['id']}"
        self.assertEqual(self.server.request("DELETE", path, headers={"Origin": "http://evil.example"})[0], 403)
        self.assertEqual(self.server.request("DELETE", path)[0], 200)
        self.assertEqual(self.server.request("DELETE", path)[0], 404)

    def test_few_variants_live(self):
        first = self.server.change([TAPS])
        others = [self.server.change([]) for _ in range(3)]
        self.server.measure(first)  # used: the others are older
        self.server.change([])
        self.assertGreater(self.server.measure(first)["kld"]["value"], 0)
        gone = {"variant": others[0]["id"], "text": TEXT}
        self.assertEqual(self.server.post("/playground/divergence", gone)[0], 404)


class PageTest(ServedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        status, answer = cls.server.request("GET", "/")
        if status == 404:
            raise unittest.SkipTest(answer)
        cls.browser = Browser(os.path.join(cls.shared, "profile"))
        cls.addClassCleanup(cls.browser.close)

    def set_format(self, selector, format_text):
        """Types a format into the row of a selector, and leaves it."""
        self.browser.evaluate(
            f"(() => {{ const input = document.querySelector('[data-selector=\"{selector}\"] .format'); input.focus();"
            f" input.value = ''; document.execCommand('insertText', false, {json.dumps(format_text)});"
            " input.blur(); })()")

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def wait_for_change(self, number):
        self.browser.wait_until(f"document.querySelector('.history tbody td')?.textContent === '{number}'")

    def open_page(self):
        self.browser.visit(f"http://127.0.0.1:{self.server.port}/")
        self.wait_for_change(1)

    def test_formats_change_and_are_measured(self):
        self.open_page()
        self.assertEqual(self.text("#kld"), "0")
        self.set_format("a:in(*)", "mantissa2")
        self.wait_for_change(2)
        self.assertGreater(float(self.text("#kld").split()[0].strip("(")), 0)
        self.assertIn("activations", self.text("#recipe"))
        # A format that is none: its line is shown at its row, and what was in effect stays.
        kept = self.text("#kld")
        self.set_format("w:matrices", "int44")
        self.browser.wait_until("document.querySelector('[data-selector=\"w:matrices\"] .fault').textContent")
        self.assertIn("int44", self.text("[data-selector='w:matrices'] .fault"))
        self.assertEqual(self.text("#kld"), kept)
        complaints = ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]
        self.assertEqual(self.browser.complaints(), complaints)
        # A second page of its own.
        first = self.browser.session
        self.browser.add_page()
        self.open_page()
        self.assertEqual(self.text("#kld"), "0")
        self.browser.turn_to(first)
        self.set_format("w:matrices", "int4")
        self.wait_for_change(3)
        self.assertIn("rounded", self.text("#status"))
        self.assertNotEqual(self.text("#kld"), kept)

        # An answer of both, by keyboard alone.
        self.browser.evaluate("document.querySelector('#question').focus()")
        self.browser.send("Input.insertText", text="The river was")
        self.browser.evaluate("document.querySelector('#max-tokens').value = 12")
        self.press("Enter", 13)
        self.browser.wait_until("document.querySelector('.turn:not([aria-busy])')")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('.turn .token').length"), 12)
        self.assertGreater(self.browser.evaluate("document.querySelectorAll('.turn .token[data-step]').length"), 0)
        self.assertGreater(len(self.text(".turn .panel.baseline .tokens")), 10)
        self.browser.evaluate("document.querySelector('.turn .token').focus()")
        self.press("ArrowRight", 39)
        self.assertEqual(self.browser.evaluate("document.activeElement.previousSibling.className"), "token")
        self.assertIn("variant", self.text("#token-tip"))
        self.assertGreaterEqual(self.browser.evaluate("document.querySelectorAll('#token-tip tbody tr').length"), 5)
        for name, width, theme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 400, "light")):
            self.browser.resize(width, 900)
            self.browser.emulate(prefers_color_scheme=theme)
            self.browser.evaluate("new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))")
            fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            self.assertTrue(self.browser.evaluate(fits), name)
            self.keep_picture(f"playground-{name}.png")
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('input:not([type=file]), select, textarea, button')].filter((field) =>"
            " !field.ariaLabel && !field.textContent && !field.labels?.length).length"), 0)
        self.assertEqual(self.browser.complaints(), [])

    def keep_picture(self, name):
        if os.environ.get("FAKEQUANT_PICTURES"):
            self.browser.screenshot(os.path.join(os.environ["FAKEQUANT_PICTURES"], name))


if __name__ == "__main__":
    unittest.main()
