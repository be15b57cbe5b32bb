"""The notebook docs/tour.ipynb: its cells run, and print the figures that are stored in it."""

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import unittest

from program import PROGRAM, SOURCE, ProgramTest

os.environ["FAKEQUANT_PROGRAM"] = PROGRAM
os.environ["MPLBACKEND"] = "agg"
sys.path.insert(0, os.path.join(SOURCE, "python"))

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?")
OPTIONAL = ("pandas", "matplotlib")  # what a cell may do without


def run_cell(source, names):
    """What a cell prints, with the value of its last expression, as a notebook shows them."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(tree, "cell", "exec"), names)  # pylint: disable=exec-used
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # pylint: disable=eval-used
            if value is not None:
                print(repr(value))
    return said.getvalue()


def stored_text(cell):
    """What is stored of that. A picture is not compared."""
    parts = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]
             if output["output_type"] == "execute_result" or output.get("name") == "stdout"]
    return "\n".join("".join(part).rstrip("\n") for part in parts)


class TourTest(ProgramTest):
    def assert_alike(self, text, stored):
        """The same words, and figures that differ by what another processor's sums may change."""
        self.assertEqual(NUMBER.sub("#", text), NUMBER.sub("#", stored))
        for ours, theirs in zip(map(float, NUMBER.findall(text)), map(float, NUMBER.findall(stored))):
            self.assertAlmostEqual(ours, theirs, delta=0.05 * theirs, msg=text)

    def test_the_cells_print_what_is_stored(self):
        with open(os.path.join(SOURCE, "docs", "tour.ipynb"), encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(os.path.join(SOURCE, "docs"))  # where a notebook runs
        names, compared = {}, 0
        tempfile.tempdir = self.folder
        self.addCleanup(setattr, tempfile, "tempdir", None)
        for cell in (cell for cell in cells if cell["cell_type"] == "code"):
            try:
                text = run_cell("".join(cell["source"]), names)
            except ImportError as error:
                if error.name not in OPTIONAL:
                    raise
                print(f"a cell is left out: {error}", file=sys.stderr)
                continue
            self.assert_alike(text.rstrip("\n"), stored_text(cell))
            compared += len(text) > 0
        self.assertGreaterEqual(compared, 5)
        self.assertEqual(len({"result", "census", "sweep", "plan", "both"} - names.keys()), 0)


if __name__ == "__main__":
    unittest.main()
