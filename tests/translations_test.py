"""The Chinese documents have the commands, code, links and figures of the English ones.

Prose may differ. The test compares, of both documents: the code spans, the lines of code blocks without their comments, what
links lead to, the number of rows of tables, and the decimal numbers.
"""

import os
import re
import unittest
from collections import Counter

SOURCE = os.environ["SOURCE"]
PAIRS = {"README.md": "README.zh-TW.md", "docs/reproduce-the-reference.md": "docs/zh-TW/reproduce-the-reference.md"}
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def code_of_line(line):
    """A line of a block without the comment after it: after '#', or after two spaces in a list of rules."""
    return re.split(r"\s{2,}", line)[0] if re.match(r"[wa]:", line) else re.sub(r"\s+#.*", "", line)


class Document:
    def __init__(self, path):
        with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
            text = file.read()
        prose = BLOCK.sub("", text)
        folder = os.path.dirname(path)
        links = re.findall(r"\]\(([^)]*)\)", prose)
        targets = [os.path.normpath(os.path.join(folder, link)) for link in links]
        english_of = {chinese: english for english, chinese in PAIRS.items()}
        self.missing = [target for target in targets if not os.path.exists(os.path.join(SOURCE, target))]
        self.parts = {
            "code": Counter(" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)),
            "blocks": [code_of_line(line) for block in BLOCK.findall(text) for line in block.splitlines()],
            "links": Counter(english_of.get(target, target) for target in targets),
            "numbers": Counter(re.findall(r"\d[\d,]*\.\d+(?:e[+-]\d+)?", prose)),
            "table rows": len(re.findall(r"^ *\|", prose, re.MULTILINE)),
        }


class TranslationsTest(unittest.TestCase):
    def test_each_has_what_the_original_has(self):
        for english, chinese in PAIRS.items():
            original, translation = Document(english), Document(chinese)
            self.assertGreater(len(original.parts["blocks"]), 20)
            self.assertEqual(translation.missing, [], chinese)
            for part, expected in original.parts.items():
                with self.subTest(f"{part} of {chinese}"):
                    self.assertEqual(translation.parts[part], expected)


if __name__ == "__main__":
    unittest.main()
