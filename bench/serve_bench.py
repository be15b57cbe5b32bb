"""serve beside llama-server: prompts whose tokens are scored, as evaluation harnesses ask for them with `echo`.

llama-server ignores `echo`. It can be asked for the token after each beginning of a prompt, one request each, of which it holds all
but the last token: the same work, as far as the tokens are likely ones. Or it can be asked for less, to read a prompt and write one
token. Both servers have one slot, the same threads, and no prompt that begins like another.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

PROGRAM = os.environ["FAKEQUANT"]
HERE = os.path.dirname(os.path.abspath(__file__))
MODEL, TEXT = (os.path.join(HERE, "..", "demo", name) for name in ("fakequant-demo-4m-f16.gguf", "heldout.txt"))
REAL = os.path.join(HERE, "..", "models", "smollm2-135m.gguf")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
CLIENTS = 4
THREADS = str(os.cpu_count())


def post(port, path, fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(fields), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(body)
        return json.loads(body)


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except ConnectionRefusedError:
            return False


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def served(command, port):
    """The port of a server, once it is ready."""
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not is_ready(port):
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def by_fakequant(port, prompt):
    answer = post(port, "/v1/completions", {"prompt": [prompt], "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0})
    return len(answer["choices"][0]["logprobs"]["token_logprobs"]) - 1


def by_llama_whole(port, prompt):
    answer = post(port, "/completion", {"prompt": prompt, "n_predict": 1, "n_probs": 1, "cache_prompt": False, "temperature": 0})
    return answer["timings"]["prompt_n"]


def by_llama_token(port, prompt):
    for length in range(1, len(prompt) + 1):
        post(port, "/completion",
             {"prompt": prompt[:length], "n_predict": 1, "n_probs": 1, "cache_prompt": length > 1, "temperature": 0})
    return len(prompt)


def tokens_per_second(ask, port, prompts, clients):
    """Of prompts that several clients ask for at once."""
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        read = list(pool.map(lambda prompt: ask(port, prompt), prompts))
    if read != [len(prompt) for prompt in prompts]:
        raise RuntimeError("a prompt was not read whole")
    return sum(read) / (time.perf_counter() - begin)


def against_llama_server(model, title, length, count):
    server = shutil.which("llama-server", path=os.environ["LLAMA_TOOLS"] or None)
    if server is None:
        return
    ours = [PROGRAM, "serve", model, "-c", str(2 * length), "--threads", THREADS]
    theirs = [server, "-m", model, "-c", str(2 * length), "-np", "1", "-t", THREADS, "--no-webui"]
    with served(theirs, free_port()) as llama, served(ours, free_port()) as native, \
            served([*ours, "--arithmetic", "f32"], free_port()) as f32:
        with open(TEXT, encoding="utf-8") as file:
            text = file.read()
        tokens = post(native, "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
        prompts = [tokens[length * i:length * (i + 1)] for i in range(count)]
        if len(prompts[-1]) < length:
            raise RuntimeError(f"{TEXT} is too short")
        few = prompts[:max(1, count // 8)]
        runs = {
            "llama-server, a request a token": (by_llama_token, llama, few, 1),
            "serve, native": (by_fakequant, native, prompts, CLIENTS),
            "serve, f32": (by_fakequant, f32, prompts, CLIENTS),
            "llama-server, only the last token": (by_llama_whole, llama, prompts, CLIENTS),
        }
        rates = {name: [] for name in runs}
        for repetition in range(ROUNDS + 1):
            for name, of_run in runs.items():
                rate = tokens_per_second(*of_run)
                if repetition > 0:  # the first fills the caches
                    rates[name].append(rate)
    print(f"{count} prompts of {length} tokens: {title}")
    first = next(iter(rates.values()))
    for name, measured in rates.items():
        ratio = statistics.median(rate / of_first for rate, of_first in zip(measured, first))
        print(f"  {name:36} {statistics.median(measured):8.0f} tokens/s {ratio:8.2f} x")
    print(flush=True)


def main():
    against_llama_server(MODEL, "the demo model", 120, 64)
    if os.path.exists(REAL):
        against_llama_server(REAL, "SmolLM2 135M, Q4_1", 256, 4)


if __name__ == "__main__":
    main()
