"""The page in a browser: every chart with its marks, tooltips, sorting, copying, dark mode and paper; no text becomes markup,
and nothing is asked of any network.

FAKEQUANT_PICTURES names a folder for pictures of the page, to be looked at.
"""

import json
import os
import shutil
import unittest

from chromium import Browser
from program import MODEL, TEXT, SharedFolderTest, must, run

WORK, USAGE = 1, 2
HOSTILE = "</script><img src=x onerror=\"hacked=1\"><b>&amp;"
SITES, FORMATS, LAYERS = ["a:ffn_input", "a:attn_input", "w:ffn_down"], ["f16", "e4m3", "int4"], 6
PARETO = [{"bits": 4, "kld": 0.05, "name": "all int4"}, {"bits": 5.5, "kld": 0.004, "measured_kld": 0.005},
          {"bits": 8, "kld": 2e-4, "measured_kld": 1.5e-4, "name": HOSTILE}, {"bits": 16, "kld": 0}]


def count(selector):
    return f"document.querySelectorAll({json.dumps(selector)}).length"


class PageTest(SharedFolderTest):
    """One folder of results and one browser for all tests: an experiment, a study and a plan."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.mkdir(os.path.join(cls.shared, "<"))
        cls.model = os.path.join(cls.shared, "<", HOSTILE[2:] + ".gguf")
        shutil.copy(MODEL, cls.model)
        cls.results, cls.study = os.path.join(cls.shared, "results"), os.path.join(cls.shared, "results", "study.db")
        threads = ("--threads", 1)
        must("experiment", cls.model, "-o", cls.results, "-f", TEXT, "--chunks", 3, "--ctx-size", 64, "-n", 16, "--repetitions", 6,
             "-p", HOSTILE, "-p", "What is 2+2?", "--rule", "w:ffn_norm=int4", "--rule", "a:ffn_norm@2-4=int2", *threads)
        questions = [part for site in SITES for part in ("--site", site)] + [part for name in FORMATS for part in ("--format", name)]
        must("sweep", cls.model, "-f", TEXT, *questions, "--layers", "--chunks", 2, "--ctx-size", 64, "-o", cls.study, *threads)
        with open(os.path.join(cls.results, "plan.json"), "w", encoding="utf-8") as file:
            json.dump({"schema": "fakequant.plan/1", "model": cls.model, "command": HOSTILE, "version": "0", "backends": [],
                       "pareto": PARETO}, file)
        cls.page = os.path.join(cls.shared, "page.html")
        done = run("report", cls.results, "-o", cls.page)
        if "was built without the page" in done.stderr:
            raise unittest.SkipTest(done.stderr)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.browser = Browser(os.path.join(cls.shared, "profile"))
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.browser.emulate()
        self.browser.open(self.page)
        self.browser.wait_until("document.querySelector('main')")

    def read(self, name):
        with open(os.path.join(self.results, name), encoding="utf-8") as file:
            return json.load(file)

    def figures(self):
        with open(self.page, encoding="utf-8") as file:
            text = file.read()
        data = text.split('<script type="application/json" id="fakequant-data">', 1)[1].split("</script>", 1)[0]
        return {entry["file"]: entry["result"] for entry in json.loads(data)["results"]}

    def test_is_one_file_that_asks_for_nothing_and_complains_of_nothing(self):
        self.browser.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(len(self.browser.requests()), 1)
        self.assertTrue(self.browser.requests()[0].startswith("file:///"))
        refused = "fetch('https://example.invalid/').then(() => 'fetched', () => 'refused')"
        self.assertEqual(self.browser.evaluate(refused), "refused")
        evaluating = "(() => { try { return eval('1'); } catch { return 'refused'; } })()"
        self.assertEqual(self.browser.evaluate(evaluating, allowUnsafeEvalBlockedByCSP=False), "refused")

    def test_every_chart_has_its_marks(self):
        evaluate, figures = self.browser.evaluate, self.figures()
        variants = figures["study.db"]["variants"]
        self.assertEqual(len(variants), len(SITES) * len(FORMATS) * LAYERS)
        self.assertEqual(evaluate(count("[data-chart=heat]")), len(SITES))
        self.assertEqual(evaluate(count("[data-chart=heat] [aria-label=cell] rect")), len(variants))
        self.assertEqual(evaluate(count("[data-chart=heat] [aria-label=text] text[fill]")), len(variants))
        changing = [variant for variant in variants if variant["kld"]["mean"] > 0]
        self.assertLess(len(changing), len(variants))  # this model's kernels round to F16 themselves
        self.assertEqual(evaluate(count("[data-chart=curves]")), len(SITES))
        self.assertEqual(evaluate(count("[data-chart=curves] [aria-label=dot] circle")), len(changing))
        self.assertEqual(evaluate(count("[data-chart=heat] rect[fill='var(--heat-none)']")), len(variants) - len(changing))
        above = [mix for mix in PARETO if mix["kld"] > 0]
        self.assertEqual(evaluate(count("[data-chart=pareto] [aria-label=dot] circle")), 0 + len(above))
        self.assertEqual(evaluate(count("[data-chart=pareto] [aria-label=dot] path")), 2)
        self.assertEqual(evaluate(count("[data-chart=divergence] [aria-label=dot] circle")), 2)
        self.assertEqual(evaluate(count("[data-chart=perplexity] [aria-label=dot] circle")), 2)
        self.assertEqual(evaluate(count("[data-chart=chunks] [aria-label=dot] circle")), 2 * 3)
        self.assertEqual(evaluate(count("[data-chart=speed] [aria-label=dot] circle")), 2 * 2)
        drifts = [figures["drift-activations.json"], figures["drift-weights.json"]]
        self.assertEqual(evaluate(count("[data-chart=drift-nodes] [aria-label=dot] circle")),
                         sum(node["relative_error"] > 0 for drift in drifts for node in drift["nodes"]))
        parts = [layer[part]["relative_error"] for drift in drifts for layer in drift["layers"] for part in ("output", "attention", "ffn")]
        self.assertEqual(evaluate(count("[data-chart=drift-layers] [aria-label=dot] circle")), sum(error > 0 for error in parts))
        self.assertIn("10⁻", evaluate("document.querySelector('[data-chart=curves]').textContent"))

    def test_a_cell_says_its_value_and_more_in_a_tooltip(self):
        worst = max((variant for variant in self.figures()["study.db"]["variants"] if variant["site"] == SITES[0]),
                    key=lambda variant: variant["kld"]["mean"])
        chart = "document.querySelector('[data-chart=heat]')"
        texts = self.browser.evaluate(f"[...{chart}.querySelectorAll('[aria-label=text] text[fill]')].map((text) => text.textContent)")
        shown = [float(text) for text in texts]
        self.assertAlmostEqual(max(shown), worst["kld"]["mean"], delta=0.05 * worst["kld"]["mean"])
        cell = f"{chart}.querySelectorAll('[aria-label=cell] rect')[{shown.index(max(shown))}]"
        self.assertEqual(self.browser.evaluate(f"{chart}.querySelector('[aria-label=tip]').textContent"), "")
        self.browser.point_at(cell)
        self.browser.wait_until(f"{chart}.querySelector('[aria-label=tip]').textContent")
        tip = self.browser.evaluate(f"{chart}.querySelector('[aria-label=tip]').textContent")
        self.assertIn(f"{SITES[0]}, layer {worst['layer']}, {worst['format']}", tip)
        self.assertIn("same top token", tip)

    def study_table(self):
        return "[...document.querySelectorAll('#sensitivity .table')].at(-1)"

    def column(self, index):
        return self.browser.evaluate(f"[...{self.study_table()}.querySelectorAll('tbody tr')].map((row) => row.cells[{index}].textContent)")

    def test_a_table_sorts_by_its_headers(self):
        table = self.study_table()
        variants = self.figures()["study.db"]["variants"]
        self.assertEqual(len(self.column(0)), 12)
        self.browser.click(f"[...{table}.querySelectorAll('.tools button')][0]")
        self.assertEqual(len(self.column(0)), len(variants))
        header = f"{table}.querySelectorAll('th')[1]"
        for direction, reverse in (("descending", True), ("ascending", False)):
            self.browser.click(f"{header}.querySelector('button')")
            self.assertEqual(self.browser.evaluate(f"{header}.getAttribute('aria-sort')"), direction)
            self.assertEqual([int(text) for text in self.column(1)], sorted((v["layer"] for v in variants), reverse=reverse))
        self.browser.click(f"{table}.querySelectorAll('th')[2].querySelector('button')")
        self.assertEqual(self.column(2), sorted(v["format"] for v in variants))
        self.assertIsNone(self.browser.evaluate(f"{header}.getAttribute('aria-sort')"))

    def test_a_table_is_copied_with_all_rows_and_digits(self):
        self.browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        button = f"[...{self.study_table()}.querySelectorAll('.tools button')].at(-1)"
        self.browser.click(button)
        self.browser.wait_until(f"{button}.textContent === 'Copied'")
        lines = self.browser.evaluate("navigator.clipboard.readText()").splitlines()
        variants = sorted(self.figures()["study.db"]["variants"], key=lambda variant: -variant["kld"]["mean"])
        self.assertEqual(len(lines), 1 + len(variants))
        first = dict(zip(lines[0].split("\t"), lines[1].split("\t")))
        self.assertEqual((first["site"], first["format"]), (variants[0]["site"], variants[0]["format"]))
        self.assertEqual(float(first["KL divergence, nats"]), variants[0]["kld"]["mean"])

    def background(self):
        return self.browser.evaluate("getComputedStyle(document.body).backgroundColor")

    def test_is_dark_where_the_system_is_or_the_reader_wants_it(self):
        light = self.background()
        heat = "getComputedStyle(document.querySelector('[data-chart=heat] rect')).fill"
        light_heat = self.browser.evaluate(heat)
        self.browser.emulate(prefers_color_scheme="dark")
        self.browser.wait_until("document.documentElement.dataset.theme === 'dark'")
        dark = self.background()
        self.assertNotEqual(dark, light)
        self.assertNotEqual(self.browser.evaluate(heat), light_heat)
        self.browser.click("document.querySelector('.theme')")
        self.assertEqual(self.background(), light)
        self.browser.click("document.querySelector('.theme')")
        self.assertEqual(self.background(), dark)
        self.browser.emulate("print", prefers_color_scheme="dark")  # paper is light
        self.assertEqual(self.background(), light)

    def test_on_paper_it_is_light_and_without_buttons(self):
        self.browser.emulate("print")
        for what in ("nav", ".theme", ".tools button"):
            self.assertEqual(self.browser.evaluate(f"getComputedStyle(document.querySelector('{what}')).display"), "none", what)
        pdf = self.browser.pdf()
        self.assertTrue(pdf.startswith(b"%PDF"))
        self.assertGreater(pdf.count(b"/Type /Page\n"), 3)
        self.keep("page.pdf", pdf)

    def test_text_stays_text(self):
        evaluate = self.browser.evaluate
        self.assertEqual(evaluate("typeof hacked"), "undefined")
        self.assertEqual(evaluate(count("img")) + evaluate(count("main b > b")), 0)
        self.assertEqual(evaluate("document.querySelector('.asked').textContent"), HOSTILE)
        self.assertIn(HOSTILE[2:], evaluate("document.querySelector('h1').textContent"))
        self.assertIn(HOSTILE, evaluate("document.querySelector('#provenance').textContent"))
        self.browser.point_at("document.querySelectorAll('[data-chart=pareto] [aria-label=dot] circle')[2]")
        self.browser.wait_until("document.querySelector('[data-chart=pareto] [aria-label=tip]').textContent.includes('onerror')")

    def test_prompts_have_their_differences_marked(self):
        written = [variant for prompt in self.read("generate.json")["prompts"] for variant in prompt["variants"]]
        differing = sum(not variant["identical"] for variant in written)
        self.assertGreater(differing, 0)
        self.assertEqual(self.browser.evaluate(count("#prompts .written")), len(written))
        self.assertEqual(self.browser.evaluate(count("#prompts .pair mark")), 2 * differing)
        texts = self.browser.evaluate("[...document.querySelectorAll('#prompts .pair')].map((pair) => [...pair.querySelectorAll('pre')]"
                                      ".map((text) => text.firstChild.textContent))")
        for before_baseline, before_variant in texts:
            self.assertEqual(before_baseline, before_variant)

    def test_a_study_alone_has_only_what_it_knows(self):
        page = self.path("study.html")
        must("report", self.study, "-o", page)
        self.browser.open(page)
        self.assertEqual(self.browser.evaluate("[...document.querySelectorAll('section')].map((section) => section.id)"),
                         ["summary", "sensitivity", "provenance"])
        self.assertEqual(self.browser.complaints(), [])
        self.keep_picture("study.png")

    def test_damaged_results_do_not_cost_the_rest(self):
        folder = self.path("damaged")
        shutil.copytree(self.results, folder)
        with open(os.path.join(folder, "bench.json"), "w", encoding="utf-8") as file:
            json.dump({**self.read("bench.json"), "variants": [{"name": "half"}]}, file)
        with open(os.path.join(folder, "eval.json"), "w", encoding="utf-8") as file:
            file.write("{")
        page = self.path("damaged.html")
        self.assertIn("Not shown: eval.json: ", must("report", folder, "-o", page))
        self.browser.open(page)
        self.assertEqual(self.browser.complaints(), [])
        self.assertIn("cannot be shown", self.browser.evaluate("document.querySelector('#speed').textContent"))
        self.assertEqual(self.browser.evaluate(count("#divergence")), 0)
        self.assertEqual(self.browser.evaluate(count("[data-chart=heat]")), len(SITES))

    def test_what_it_cannot_read_or_write(self):
        page, empty = self.path("page.html"), self.path("empty")
        os.mkdir(empty)
        self.refuse(WORK, "has nothing to show: name a study, or a folder", "report", empty, "-o", page)
        self.refuse(WORK, "cannot open", "report", self.path("none.db"), "-o", page)
        self.refuse(WORK, "is not a study", "report", MODEL, "-o", page)
        self.refuse(USAGE, "is also an input", "report", self.results, "-o", os.path.join(self.results, "eval.json"))
        self.refuse(USAGE, "is also an input", "report", self.study, "-o", self.study)
        self.refuse(USAGE, "is the page itself", "report", self.study, "-o", page, "--json", page)
        self.refuse(WORK, "none/page.html", "report", self.study, "-o", self.path("none/page.html"))
        self.refuse(USAGE, "--output is required", "report", self.study)
        self.assertEqual(sorted(os.listdir(self.folder)), ["empty"])

    def test_experiment_writes_it_too(self):
        with open(os.path.join(self.results, "report.html"), encoding="utf-8") as file:
            self.assertIn('"schema":"fakequant.page/1"', file.read())
        self.browser.open(os.path.join(self.results, "report.html"))
        self.assertEqual(self.browser.evaluate("[...document.querySelectorAll('section')].map((section) => section.id)"),
                         ["summary", "divergence", "drift", "prompts", "speed", "weights", "provenance"])
        self.assertEqual(self.browser.complaints(), [])

    def keep(self, name, content):
        if os.environ.get("FAKEQUANT_PICTURES"):
            with open(os.path.join(os.environ["FAKEQUANT_PICTURES"], name), "wb") as file:
                file.write(content)

    def keep_picture(self, name):
        if os.environ.get("FAKEQUANT_PICTURES"):
            self.browser.screenshot(os.path.join(os.environ["FAKEQUANT_PICTURES"], name))


if __name__ == "__main__":
    unittest.main()
