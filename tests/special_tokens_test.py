"""Files that ask for an EOS after every text: none is put after a prompt, or into a text that is measured."""

import unittest

import tiny_model
from program import ProgramTest


class EosTest(ProgramTest):
    def test_a_file_that_asks_for_eos_gives_what_it_gives_without(self):
        plain, asking = (tiny_model.write(self.path(f"{add_eos}.gguf"), add_eos=add_eos) for add_eos in (False, True))
        # Less than two chunks and a token, so that an EOS would be the last token of the second.
        text = tiny_model.write_text(self.path("text.txt"), 2)
        evaluate = ("-f", text, "--ctx-size", 16, "--rule", "a:ffn_norm=int4", "--threads", 1)
        results = [self.measure("eval", model, *evaluate) for model in (plain, asking)]
        for field in ("tokens_in_text", "chunks", "baseline"):
            self.assertEqual(results[0][field], results[1][field])
        self.assertEqual(results[0]["variants"][0]["kld"], results[1]["variants"][0]["kld"])
        prompts = [self.measure("generate", model, "-p", "AA", "-n", 3, "--threads", 1)["prompts"][0] for model in (plain, asking)]
        self.assertEqual(prompts[0], prompts[1])


if __name__ == "__main__":
    unittest.main()
