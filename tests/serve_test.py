"""fakequant serve: what it answers to the requests of harnesses, to many clients at once, and to those it must refuse.

What the server says of a text is held against what `eval` says of it.
"""

import contextlib
import http.client
import json
import math
import os
import random
import signal
import socket
import subprocess
import threading
import time
import unittest

import program

VARIANTS = {"baseline": None, "variant": "a:ffn_norm=mantissa2", "w4": "w:matrices=int4"}
CONTEXT = 128


class Server:
    """The program, serving the demo model at a free port."""

    def __init__(self, *arguments, model=program.MODEL):
        self.process = subprocess.Popen(
            [program.PROGRAM, "serve", model, "--port", "0", "--threads", "1", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.greeting = self.process.stdout.readline()
        if not self.greeting:
            raise AssertionError(self.process.communicate()[1])
        self.port = int(self.greeting.split("/v1")[0].rsplit(":", 1)[1])

    def stop(self, by=signal.SIGTERM):
        """Ends it; returns the exit code and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        err = self.process.communicate(timeout=30)[1]
        return self.process.returncode, err

    def request(self, method, path, body=None, headers=None):
        """Returns the status and the body as text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def post(self, path, fields, headers=None):
        status, body = self.request("POST", path, json.dumps(fields), headers)
        return status, json.loads(body)

    def complete(self, prompt, **fields):
        """The answer to a request for completions, which must succeed."""
        status, answer = self.post("/v1/completions", {"prompt": prompt, "temperature": 0, **fields})
        if status != 200:
            raise AssertionError((status, answer))
        return answer

    def echo(self, prompt, **fields):
        """The choices of the request that lm-evaluation-harness makes to score texts."""
        fields = {"max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True, **fields}
        return self.complete(prompt, **fields)["choices"]

    def tokens(self, text, special=False):
        return self.post("/tokenize", {"prompt": text, "add_special_tokens": special})[1]["tokens"]

    def stream(self, path, fields):
        """The events of a streamed answer."""
        _, body = self.request("POST", path, json.dumps({**fields, "stream": True}))
        events = [line[len("data: "):] for line in body.split("\n\n") if line]
        assert events[-1] == "[DONE]", body
        return [json.loads(event) for event in events[:-1]]


class ServeTest(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.recipe = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"serve-test-{os.getpid()}.yaml")
        with open(cls.recipe, "w", encoding="utf-8") as file:
            file.write("rules:\n  - weights: matrices\n    format: int4\n")
        cls.server = Server("--rule", VARIANTS["variant"], "--variant", f"w4={cls.recipe}", "-c", str(CONTEXT))
        with open(program.TEXT, encoding="utf-8") as file:
            cls.text = file.read()
        cls.ids = cls.server.tokens(cls.text)

    @classmethod
    def tearDownClass(cls):
        code, err = cls.server.stop(signal.SIGINT)
        os.remove(cls.recipe)
        assert code == 0, (code, err)

    def test_models_are_the_baseline_and_its_variants(self):
        status, body = self.server.request("GET", "/v1/models")
        self.assertEqual(status, 200)
        models = json.loads(body)["data"]
        self.assertEqual({model["id"]: model["recipe"] for model in models}, VARIANTS)
        self.assertEqual({model["max_model_len"] for model in models}, {CONTEXT})
        status, body = self.server.request("GET", "/v1/models/w4")
        self.assertEqual(json.loads(body), models[2])
        self.assertEqual(self.server.request("GET", "/v1/models/w5")[0], 404)
        self.assertIn("serves baseline, variant, w4", self.server.greeting)

    def test_scores_are_those_of_eval(self):
        chunks = 3
        text = self.path("text.txt")
        with open(text, "w", encoding="utf-8") as file:
            file.write(self.text)
        found = self.measure("eval", program.MODEL, "-f", text, "--ctx-size", 64, "--chunks", chunks, "--threads", 1,
                             "--rule", VARIANTS["variant"], "--variant", f"w4={self.recipe}", *program.NATIVE)
        ids = self.server.tokens(self.text, special=True)
        prompts = [[ids[0], *ids[64 * chunk + 1:64 * chunk + 64]] for chunk in range(chunks)]
        ppl = {"baseline": [chunk["baseline_ppl"] for chunk in found["variants"][0]["chunks"]]}
        for variant in found["variants"]:
            ppl[variant["name"]] = [chunk["ppl"] for chunk in variant["chunks"]]
        for name, expected in ppl.items():
            for choice, of_chunk in zip(self.server.echo(prompts, model=name), expected, strict=True):
                scored = choice["logprobs"]["token_logprobs"][33:64]
                self.assertAlmostEqual(-sum(scored) / len(scored), math.log(of_chunk), delta=1e-9)
        self.assertEqual(len({tuple(values) for values in ppl.values()}), 3)  # the variants differ

    def test_echo_scores_the_prompt_and_one_token(self):
        ids = self.ids[:20]
        (choice,) = self.server.echo([ids])
        found = choice["logprobs"]
        self.assertEqual({len(found[name]) for name in found}, {21})
        self.assertIsNone(found["token_logprobs"][0])
        self.assertIsNone(found["top_logprobs"][0])
        self.assertEqual(choice["finish_reason"], "length")
        # The most likely token is the one whose figure is the same as the top one, to the bit.
        greedy = 0
        for at in range(1, 21):
            top = found["top_logprobs"][at]
            is_greedy = max(top, key=top.get) == found["tokens"][at]
            self.assertEqual(found["token_logprobs"][at] == max(top.values()), is_greedy)
            greedy += is_greedy
        self.assertGreater(greedy, 5)
        self.assertEqual(found["token_logprobs"][20], max(found["top_logprobs"][20].values()))
        # Each is what the model says of the token after the ones before.
        after = self.server.complete(ids[:12], max_tokens=1, logprobs=10)["choices"][0]["logprobs"]["top_logprobs"][0]
        name = found["tokens"][12]
        if name in after:
            self.assertAlmostEqual(after[name], found["token_logprobs"][12], delta=1e-5)
        # Without logprobs only the text comes, and with no tokens asked for none is generated.
        plain = self.server.complete([ids], max_tokens=0, echo=True)["choices"][0]
        self.assertIsNone(plain["logprobs"])
        self.assertEqual(plain["text"], self.server.post("/detokenize", {"tokens": ids})[1]["prompt"])
        none = self.server.echo([ids], max_tokens=0)[0]["logprobs"]
        self.assertEqual(none["token_logprobs"], found["token_logprobs"][:20])

    def test_batches_and_beginnings_keep_the_bits(self):
        context = self.ids[:90]
        prompts = [context + self.ids[begin:begin + 20] for begin in (200, 300, 400)] + [self.ids[500:530]]
        for model in VARIANTS:
            together = self.server.echo(prompts, model=model)
            self.assertEqual([choice["index"] for choice in together], [0, 1, 2, 3])
            for prompt, choice in zip(prompts, together, strict=True):
                self.server.echo([self.ids[600:640]], model=model)  # nothing is left to be taken over
                self.assertEqual(self.server.echo([prompt], model=model)[0]["logprobs"], choice["logprobs"])
                self.assertEqual(self.server.complete(prompt, max_tokens=4, model=model)["choices"][0]["text"],
                                 self.server.complete([prompt], max_tokens=4, model=model)["choices"][0]["text"])
        status, metrics = self.server.request("GET", "/metrics")
        self.assertEqual(status, 200)
        reused = [line for line in metrics.splitlines() if line.startswith("fakequant_reused_tokens_total{")]
        self.assertEqual(len(reused), 3)
        self.assertTrue(all(float(line.split()[1]) >= 64 for line in reused), reused)

    def test_offsets_count_the_characters_of_a_text(self):
        context, rest = "The dog saw the caf\u00e9 \u2014 and", " then it \u20ac5 went home."
        choice = self.server.echo(context + rest, logprobs=10)[0]
        self.assertTrue(choice["text"].startswith(context + rest))
        found = choice["logprobs"]
        offsets = found["text_offset"]
        self.assertEqual(offsets, sorted(offsets))
        self.assertEqual(found["tokens"][0], "<s>")
        self.assertEqual(offsets[-1], len(context + rest))
        for token, at in zip(found["tokens"][1:-1], offsets[1:-1], strict=True):
            if not token.startswith("bytes:") and at > 0:
                self.assertEqual((context + rest)[at:at + len(token)], token)
        self.assertTrue(any(token.startswith("bytes:\\x") for token in found["tokens"]), found["tokens"])
        self.assertEqual(len(found["top_logprobs"][-1]), 10)

    def test_texts_and_tokens_are_the_same_prompt(self):
        text = "Once there was a robot called"
        ids = self.server.tokens(text, special=True)
        self.assertEqual(ids[1:], self.server.tokens(text))
        self.assertEqual(self.server.post("/detokenize", {"tokens": ids[1:]})[1]["prompt"], text)
        of_text, of_ids = self.server.echo([text])[0], self.server.echo([ids])[0]
        self.assertEqual(of_text["logprobs"]["token_logprobs"], of_ids["logprobs"]["token_logprobs"])
        self.assertEqual(len(self.server.echo([ids[1:]])[0]["logprobs"]["tokens"]), len(ids))  # no BOS is added
        info = json.loads(self.server.request("GET", "/tokenizer_info")[1])
        self.assertEqual((info["bos_token"], info["eos_token"]), ("<s>", "</s>"))
        self.assertEqual(self.server.tokens(info["eos_token"]), [2])
        named = self.server.post("/tokenize", {"prompt": text, "return_token_strs": True})[1]
        self.assertEqual((named["count"], len(named["token_strs"])), (len(ids), len(ids)))

    def test_seed_and_temperature(self):
        def sample(**fields):
            return self.server.complete("The dog", max_tokens=20, **fields)["choices"][0]["text"]
        greedy = sample()
        self.assertEqual(sample(seed=5), greedy)
        hot = {sample(temperature=1, seed=seed) for seed in range(5)}
        self.assertGreater(len(hot), 3)
        self.assertEqual(sample(temperature=1, seed=-3), sample(temperature=1, seed=-3))
        self.assertEqual(sample(temperature=1, seed=3, top_k=1), greedy)
        both = self.server.complete(["The dog", "The dog"], max_tokens=20, seed=2, temperature=1)["choices"]
        self.assertEqual(both[0]["text"], both[1]["text"])

    def test_stop(self):
        whole = self.server.complete("The dog", max_tokens=30)["choices"][0]["text"]
        stop = whole[10:14]
        choice = self.server.complete("The dog", max_tokens=30, stop=stop)["choices"][0]
        self.assertEqual((choice["text"], choice["finish_reason"]), (whole[:whole.index(stop)], "stop"))
        choice = self.server.complete("The dog", max_tokens=30, stop=["nowhere", stop, "</s>"])["choices"][0]
        self.assertEqual(choice["text"], whole[:whole.index(stop)])
        events = self.server.stream("/v1/completions", {"prompt": "The dog", "max_tokens": 30, "temperature": 0,
                                                        "stop": stop})
        self.assertEqual("".join(event["choices"][0]["text"] for event in events), whole[:whole.index(stop)])

    def test_streams(self):
        fields = {"model": "w4", "prompt": ["The dog", "A"], "max_tokens": 15, "temperature": 0, "logprobs": 2}
        whole = self.server.post("/v1/completions", fields)[1]
        events = self.server.stream("/v1/completions", {**fields, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1]["usage"], whole["usage"])
        self.assertGreater(len(events), 20)
        for index, expected in enumerate(whole["choices"]):
            parts = [event["choices"][0] for event in events[:-1] if event["choices"][0]["index"] == index]
            self.assertEqual("".join(part["text"] for part in parts), expected["text"])
            self.assertEqual([part["finish_reason"] for part in parts], [None] * (len(parts) - 1) + ["length"])
            for name, values in expected["logprobs"].items():
                self.assertEqual(sum((part["logprobs"][name] for part in parts), []), values)

    def test_context_ends_an_answer(self):
        ids = self.ids[:CONTEXT]
        self.assertEqual(len(self.server.echo([ids])[0]["logprobs"]["tokens"]), CONTEXT + 1)
        choice = self.server.complete(ids[:100], max_tokens=1000)
        self.assertEqual(choice["usage"]["completion_tokens"], CONTEXT - 100 + 1)
        self.assertEqual(choice["choices"][0]["finish_reason"], "length")
        status, answer = self.server.post("/v1/completions", {"prompt": self.ids[:CONTEXT + 1]})
        self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))

    def test_what_cannot_be_done_is_refused(self):
        fine = {"prompt": "The dog", "max_tokens": 1}
        self.assertEqual(self.server.post("/v1/completions", fine)[0], 200)
        status, answer = self.server.post("/v1/completions", {**fine, "model": "w5"})
        self.assertEqual((status, answer["error"]["code"]), (404, "model_not_found"))
        self.assertIn("baseline, variant, w4", answer["error"]["message"])
        for fields in ({"prompt": None}, {"prompt": []}, {"prompt": [[]]}, {"prompt": [1, "a"]}, {"prompt": [1, [2]]},
                       {"prompt": [5000]}, {"prompt": [-1]}, {"prompt": [1.5]}, {"prompt": {"a": 1}}, {"n": 2},
                       {"best_of": 3}, {"logprobs": 11}, {"logprobs": True}, {"max_tokens": -1}, {"max_tokens": "1"},
                       {"temperature": -1}, {"temperature": "hot"}, {"stop": ""}, {"stop": [1]}, {"seed": "x"},
                       {"suffix": "x"}, {"logit_bias": {"1": 5}}, {"response_format": {"type": "json_object"}},
                       {"stream": 1}, {"stream_options": 5}, {"prompt": "a\0b"}, {"top_p": 2}, {"model": 7},
                       {"stop": ["x"] * 100}):
            status, answer = self.server.post("/v1/completions", {**fine, **fields})
            self.assertEqual(status, 400, (fields, answer))
            self.assertTrue(answer["error"]["message"], fields)
        for body in ("", "{", "[]", "null", "3", '"x"', "\xff", '{"prompt": "\\ud800"}', "[" * 100000,
                     '{"prompt":' * 1000, '{"prompt": 1e999}'):
            self.assertEqual(self.server.request("POST", "/v1/completions", body.encode("latin-1"))[0], 400, body[:20])
        self.assertEqual(self.server.request("POST", "/v1/completions", b'{"prompt": "' + b"a" * (9 << 20))[0], 413)
        self.assertEqual(self.server.request("POST", "/v1/completions", "x", {
            "Content-Type": "multipart/form-data; boundary=x"})[0], 415)
        status, answer = self.server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})
        self.assertEqual(status, 400)
        self.assertIn("no chat template", answer["error"]["message"])
        self.assertEqual(self.server.request("DELETE", "/v1/models")[0], 405)
        self.assertEqual(self.server.request("POST", "/nothing", "{}")[0], 404)
        self.assertEqual(self.server.request("GET", "/" + "a" * 8000)[0], 404)

    def test_malformed_requests_harm_nothing(self):
        chance = random.Random(7)
        sound = json.dumps({"model": "w4", "prompt": [[1, 5, 9], [4]], "max_tokens": 1, "logprobs": 1, "echo": True,
                            "temperature": 0, "stop": ["a"], "stream": False, "seed": 3}).encode()
        paths = ["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"]
        for _ in range(400):
            body = bytearray(sound)
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(body) or 1)
                if not body:
                    break
                match chance.randrange(4):
                    case 0:
                        body[at] = chance.randrange(256)
                    case 1:
                        del body[at:at + chance.randrange(1, 9)]
                    case 2:
                        body[at:at] = chance.choice([b"9" * 30, b'"', b"null", b"[[[", b"-1", b"1e9", b"{}", b"\\u0000"])
                    case 3:
                        body = body[:at + 1]
            status, answer = self.server.request("POST", chance.choice(paths), bytes(body))
            self.assertTrue(status == 200 or 400 <= status < 500, (status, body))
            json.loads(answer)
        # And what is no HTTP.
        for _ in range(60):
            raw = bytearray(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n" + sound[:30])
            for _ in range(chance.randrange(1, 4)):
                raw[chance.randrange(len(raw) - 30)] = chance.randrange(256)
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    answer = connection.recv(100)
                    self.assertFalse(answer.startswith(b"HTTP/1.1 5"), (answer, raw))
        self.assertEqual(self.server.request("GET", "/health")[0], 200)

    def test_other_sites_are_refused(self):
        body = json.dumps({"prompt": "The dog", "max_tokens": 1})
        for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{self.server.port}"},
                        {"Host": "127.0.0.1.evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Sec-Fetch-Site": "cross-site"}):
            self.assertEqual(self.server.request("POST", "/v1/completions", body, headers)[0], 403, headers)
        self.assertEqual(self.server.request("GET", "/v1/models", headers={"Host": "evil.example"})[0], 403)
        own = f"localhost:{self.server.port}"
        self.assertEqual(self.server.request("POST", "/v1/completions", body,
                                             {"Host": own, "Origin": f"http://{own}"})[0], 200)
        # What follows a refused request on its connection is no request.
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            inner = f"POST /v1/completions HTTP/1.1\r\nHost: {own}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            connection.sendall((f"POST /v1/completions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {len(inner)}"
                                f"\r\n\r\n{inner}{inner}").encode())
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(4096):
                    answer += piece
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        self.assertTrue(answer.startswith(b"HTTP/1.1 403"), answer)

    def test_clients_at_once_do_not_mix(self):
        prompts = [self.ids[10 * n:10 * n + 12] for n in range(24)]
        names = list(VARIANTS)
        fields = {"max_tokens": 3, "logprobs": 1, "echo": True}
        alone = [self.server.complete([prompt], model=names[n % 3], **fields)["choices"]
                 for n, prompt in enumerate(prompts)]
        found = [None] * len(prompts)

        def ask(n):
            found[n] = [self.server.complete([prompts[n]], model=names[n % 3], **fields)["choices"] for _ in range(3)]
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [[choices] * 3 for choices in alone])

    def test_clients_that_go_hold_nothing(self):
        body = json.dumps({"prompt": [self.ids[n:n + 20] for n in range(1000)], "max_tokens": 100, "temperature": 1,
                           "stop": ["</s>"]})
        request = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        connections = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(5)]
        for connection in connections:
            connection.sendall(request.encode())
        with socket.create_connection(("127.0.0.1", self.server.port)) as silent:  # says nothing, and stays
            silent.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: loc")
            time.sleep(0.2)
            connections[0].shutdown(socket.SHUT_WR)
            for connection in connections[1:]:
                connection.close()
            begin = time.monotonic()
            self.server.complete("The dog", max_tokens=1)
            until = begin + 10
            while " 0\n" not in self.server.request("GET", "/metrics")[1].split("requests_in_queue")[-1][:4]:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.05)
        connections[0].close()


class ServerLifeTest(program.ProgramTest):
    def test_end_of_text_is_an_entry(self):
        """Of a copy of the model for which the token that it finds most likely ends the text."""
        server = Server()
        self.addCleanup(server.stop)
        prompt = "The river was"
        usual = server.echo(prompt)[0]
        (end,) = server.tokens(usual["text"][len(prompt):])
        server.stop()
        with open(program.MODEL, "rb") as file:
            model = bytearray(file.read())
        key = b"tokenizer.ggml.eos_token_id"
        at = model.index(key) + len(key) + 4
        self.assertEqual(model[at:at + 4], (2).to_bytes(4, "little"))
        model[at:at + 4] = end.to_bytes(4, "little")
        with open(self.path("ends.gguf"), "wb") as file:
            file.write(model)
        server = Server(model=self.path("ends.gguf"))
        self.addCleanup(server.stop)
        choice = server.echo(prompt)[0]
        self.assertEqual(choice["logprobs"]["tokens"], usual["logprobs"]["tokens"])
        self.assertEqual(choice["logprobs"]["token_logprobs"], usual["logprobs"]["token_logprobs"])
        self.assertEqual((choice["text"], choice["finish_reason"]), (prompt, "stop"))
        self.assertEqual(server.complete(prompt, max_tokens=50)["usage"]["completion_tokens"], 1)

    def test_keys_and_ends(self):
        server = Server("--api-key", "secret", "-c", "16", "--arithmetic", "f32")
        self.addCleanup(server.stop)
        self.assertEqual(server.post("/v1/completions", {"prompt": "a"})[0], 401)
        self.assertEqual(server.request("GET", "/v1/models", headers={"Authorization": "Bearer secreT"})[0], 401)
        self.assertEqual(server.request("GET", "/health")[0], 200)
        status, answer = server.post("/v1/completions", {"prompt": "a", "max_tokens": 2},
                                     {"Authorization": "Bearer secret"})
        self.assertEqual((status, answer["usage"]["total_tokens"]), (200, 4))
        # The port is taken.
        self.refuse(1, f"cannot listen at 127.0.0.1:{server.port}: Address already in use", "serve", program.MODEL,
                    "--port", server.port)
        # Ctrl-C while an answer is being written.
        fields = json.dumps({"prompt": [[1, 2]] * 2000, "max_tokens": 14})
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/completions", fields, {"Authorization": "Bearer secret"})
        time.sleep(0.3)
        code, err = server.stop(signal.SIGINT)
        self.assertEqual((code, err), (0, ""))
        connection.close()

    def test_wrong_usage(self):
        self.refuse(2, "give an API key", "serve", program.MODEL, "--host", "0.0.0.0", "--port", 0)
        self.refuse(2, "is called 'baseline'", "serve", program.MODEL, "--port", 0, "--variant",
                    f"baseline={self.recipe()}")
        self.refuse(2, "no result", "serve", program.MODEL, "--json", self.path("x.json"))
        self.refuse(1, "cannot listen at nowhere.invalid", "serve", program.MODEL, "--host", "nowhere.invalid",
                    "--api-key", "x")
        self.refuse(2, "longer than the", "serve", program.MODEL, "--ctx-size", 100000)

    def recipe(self):
        with open(self.path("r.yaml"), "w", encoding="utf-8") as file:
            file.write("rules:\n  - weights: matrices\n    format: int8\n")
        return self.path("r.yaml")


if __name__ == "__main__":
    unittest.main()
