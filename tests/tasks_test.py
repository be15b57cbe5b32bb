"""fakequant tasks: questions with several answers, in llama-perplexity's files, held against its own answers."""

import json
import math
import random
import re
import struct
import unittest

import program
from program import MODEL, NATIVE, run_llama

HOW = ("-c", 256, "--threads", 1)


def stories():
    """Paragraphs of the demo model's own kind, split in two."""
    with open(program.TEXT, encoding="utf-8") as file:
        paragraphs = [text.strip().replace("\n", " ") for text in file.read().split("\n\n")]
    halves = []
    for text in paragraphs:
        words = text.split(" ")
        if len(words) > 24 and "," not in " ".join(words[:24]) and '"' not in " ".join(words[:24]):
            halves.append((" ".join(words[:12]), " ".join(words[12:24])))
    return halves


def questions(count, answers=4):
    """(context, endings, index of the right one), of which some are hard: the text's own words in another order."""
    chance = random.Random(5)
    result = []
    for context, right in stories()[:count]:
        endings = [right]
        while len(endings) < answers:
            words = right.split(" ")
            at = chance.randrange(len(words) - 1)
            words[at], words[at + 1] = words[at + 1], words[at]
            if chance.random() < 0.5:
                words[-1] = chance.choice(["dog", "house", "was", "happy", "and"])
            other = " ".join(words)
            if other not in endings:
                endings.append(other)
        chance.shuffle(endings)
        label = endings.index(right)
        if chance.random() < 0.3:  # where the label is wrong, so is the model
            label = chance.randrange(answers)
        result.append((context, endings, label))
    return result


class TasksTest(program.ProgramTest):
    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def hellaswag(self, count=30):
        lines = [line for context, endings, label in questions(count) for line in (context, str(label), *endings)]
        return self.write("hellaswag.txt", "\n".join(lines) + "\n")

    def winogrande(self, count=30):
        rows = []
        for index, (context, endings, label) in enumerate(questions(count, 2)):
            sentence = context.rsplit(" ", 1)[0] + " _ " + endings[0]
            quoted = f'"{sentence}, then"' if index % 3 == 0 else sentence
            first, second = context.rsplit(" ", 1)[1], ("dog", "river")[index % 2]
            choices = (first, second) if label == 0 else (second, first)
            rows.append(f"{index},{quoted},{choices[0]},{choices[1]},{label + 1}\n")
        # llama-perplexity drops the last newline of a file, and then a row that has none.
        return self.write("winogrande.csv", "".join(rows) + "\n")

    def multiple_choice(self, count=30):
        def text(value):
            return struct.pack("<I", len(value.encode())) + value.encode()

        def answers(values, right):
            return (struct.pack("<I", len(values)) + b"".join(map(text, values)) +
                    b"".join(struct.pack("<i", index == right) for index in range(len(values))))
        tasks = [text(context) + answers(endings, label) + answers(endings[:2], 1)
                 for context, endings, label in questions(count)]
        at, places = 4 + 4 * len(tasks), []
        for task in tasks:
            places.append(at)
            at += len(task)
        return self.write("choice.bin", struct.pack(f"<I{len(tasks)}I", len(tasks), *places) + b"".join(tasks))

    def rights(self, pattern, count, *arguments):
        """Of each task in order, whether llama-perplexity's running accuracy says that it was right."""
        said = run_llama("llama-perplexity", "-m", MODEL, "-c", 256, "-t", 1, *arguments,
                         until=f"\n{count}\t")
        rights, before = [], 0
        for done, percent in re.findall(pattern, said, re.MULTILINE):
            right = round(float(percent) / 100 * int(done))
            rights.append(right > before)
            before = right
        return rights, said

    def test_hellaswag_is_llama_perplexitys(self):
        file = self.hellaswag()
        for how, asked, count in (((), ("--hellaswag-tasks", 400), 30), (("--tasks", 12), ("--hellaswag-tasks", 12), 12)):
            rights, said = self.rights(r"^(\d+)\t([\d.]+)%\t\[", count, "--hellaswag", "-f", file, *asked)
            found = self.measure("tasks", MODEL, "--hellaswag", file, *how, *NATIVE, *HOW)
            self.assertEqual([answer["right"] for answer in found["baseline"]["answers"]], rights)
            self.assertEqual(len(rights), count)
            last = re.findall(r"^\d+\t([\d.]+)%\t\[([\d.]+)%, ([\d.]+)%\]", said, re.MULTILINE)[-1]
            for name, percent in zip(("accuracy", "accuracy_low", "accuracy_high"), last, strict=True):
                self.assertAlmostEqual(100 * found["baseline"][name], float(percent), delta=1e-4)
            self.assertEqual(sorted({task["item"] for task in found["tasks"]}),
                             sorted(task["item"] for task in found["tasks"]))
        self.assertEqual(found["chance"], 0.25)
        self.assertTrue(0 < sum(rights) < len(rights))

    def test_winogrande_is_llama_perplexitys(self):
        file = self.winogrande()
        for how, asked, count in (((), (), 30), (("--tasks", 9), ("--winogrande-tasks", 9), 9)):
            said = run_llama("llama-perplexity", "-m", MODEL, "-c", 256, "-t", 1, "--winogrande", "-f", file, *asked,
                             until=f"\n{count}\t")
            lines = re.findall(r"^\d+\t[\d.]+\t *(-[\d.]+) +(-[\d.]+) +(\d) +(\d)$", said, re.MULTILINE)
            found = self.measure("tasks", MODEL, "--winogrande", file, *how, *NATIVE, *HOW)
            self.assertEqual((len(lines), len(found["tasks"])), (count, count))
            for answer, task, (first, second, choice, right) in zip(found["baseline"]["answers"], found["tasks"], lines,
                                                                    strict=True):
                self.assertAlmostEqual(answer["scores"][0], float(first), delta=2e-3)
                self.assertAlmostEqual(answer["scores"][1], float(second), delta=2e-3)
                self.assertEqual((answer["choice"] + 1, task["right"]), (int(choice), [int(right) - 1]))

    def test_multiple_choice_is_llama_perplexitys(self):
        file = self.multiple_choice()
        for how, asked, count in (((), (), 30), (("--tasks", 9), ("--multiple-choice-tasks", 9), 9)):
            rights, _ = self.rights(r"^(\d+)\t([\d.]+)$", count, "--multiple-choice", "-f", file, *asked)
            found = self.measure("tasks", MODEL, "--multiple-choice", file, *how, *NATIVE, *HOW)
            self.assertEqual([answer["right"] for answer in found["baseline"]["answers"]], rights)
        self.assertEqual(len(rights), 9)

    def test_variants_are_compared_task_by_task(self):
        count = 16
        file = self.hellaswag(count)
        rules = ("--rule", "w:matrices=e2m1", "--variant", f"same={self.write('same.yaml', SAME)}")
        done = program.run("tasks", MODEL, "--hellaswag", file, *rules, *HOW, "--json", self.path("out.json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out.json"), encoding="utf-8") as result:
            found = json.load(result)
        baseline = found["baseline"]["answers"]
        rough, same = found["variants"]
        self.assertEqual((rough["name"], same["name"]), ("variant", "same"))
        pairs = list(zip(baseline, rough["answers"], strict=True))
        self.assertEqual(rough["flipped"], sum(a["choice"] != b["choice"] for a, b in pairs))
        self.assertGreater(rough["flipped"], 0)
        self.assertEqual(rough["to_right"], sum(b["right"] > a["right"] for a, b in pairs))
        self.assertEqual(rough["to_wrong"], sum(b["right"] < a["right"] for a, b in pairs))
        self.assertAlmostEqual(rough["flips"], rough["flipped"] / count)
        self.assertAlmostEqual(rough["difference"], rough["accuracy"] - found["baseline"]["accuracy"])
        changed = rough["to_right"] + rough["to_wrong"]
        tail = sum(math.comb(changed, k) for k in range(min(rough["to_right"], rough["to_wrong"]) + 1)) / 2 ** changed
        self.assertAlmostEqual(rough["p_value"], min(1, 2 * tail))
        # A variant that rounds nothing away answers as the baseline does, to the bit.
        self.assertEqual([answer["scores"] for answer in same["answers"]], [answer["scores"] for answer in baseline])
        self.assertEqual((same["flips"], same["difference"], same["p_value"]), (0, 0, 1))
        self.assertIn(f"{count} tasks of", done.stdout)
        self.assertRegex(done.stdout, r"same +\S+ +\S+ to \S+ +0\.00 ")
        self.refuse_condition(file)

    def refuse_condition(self, file):
        done = program.run("tasks", MODEL, "--hellaswag", file, "--tasks", 3, "--rule", "w:matrices=int2", *HOW, "--fail-if",
                           "accuracy<=1")
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_what_is_no_task_file_is_refused(self):
        whole = self.hellaswag(2)
        self.refuse(2, "give one file", "tasks", MODEL)
        self.refuse(2, "give one file", "tasks", MODEL, "--hellaswag", whole, "--winogrande", whole)
        self.refuse(1, "No such file", "tasks", MODEL, "--hellaswag", self.path("none"))
        for name, content, why in (
                ("hellaswag", "a\nb\n", "2 lines"), ("hellaswag", "", "0 lines"),
                ("hellaswag", "a\n4\nb\nc\nd\ne\n", "line 2 is not the number"),
                ("hellaswag", "a\n0\nb\nb\nb\nb\n", "adds no token"),
                ("hellaswag", "a\n0\n" + "word " * 400 + "\nc\nd\ne\n", "and the context holds 256"),
                ("winogrande", "0,a _ b,c\n", "line 1 has not the five fields"),
                ("winogrande", "0,a b,c,d,1\n", "no '_'"), ("winogrande", "0,a _ b,c,d,3\n", "not 1 or 2"),
                ("winogrande", "", "empty"), ("multiple-choice", b"", "ends at byte 0"),
                ("multiple-choice", b"\0\0\0\0", "no tasks"), ("multiple-choice", b"\xff" * 100, "ends at byte 100")):
            self.refuse(1, why, "tasks", MODEL, f"--{name}", self.write("bad", content), *HOW)
        with open(self.multiple_choice(3), "rb") as file:
            sound = file.read()
        for end in range(0, len(sound) - 1, 301):
            self.refuse(1, "no such task file", "tasks", MODEL, "--multiple-choice", self.write("cut", sound[:end]), *HOW)


SAME = "rules:\n  - weights: matrices\n    format: f16\n"


if __name__ == "__main__":
    unittest.main()
