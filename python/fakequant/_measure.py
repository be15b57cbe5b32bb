"""The commands of the program as functions."""

import json
import os
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type, Union

from ._program import arguments_of, run
from ._result import R
from .results import Evaluation, Generation, Inspection, Plan, Ranges, Sweep

Path = Union[str, "os.PathLike[str]"]
Texts = Union[Path, Sequence[Path]]
#: A rule, the path of a YAML file or @NAME; a rule or a whole recipe with the keys of such a file; several rules.
Recipe = Union[Path, Mapping[str, Any], Sequence[Union[str, Mapping[str, Any]]]]


class _Call:
    """A command that is run, and the files that are made for it."""

    def __init__(self, command: str, progress: Optional[bool], options: Dict[str, Any]) -> None:
        self._command = command
        self._progress = progress
        self._options = options
        self._arguments: List[str] = []
        self._names: Dict[str, str] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="fakequant-")

    def __enter__(self) -> "_Call":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, **options: Any) -> None:
        self._arguments += arguments_of(options)

    def add_file(self, path: Path) -> None:
        """An argument that is no option's: of a form that cannot be taken for one."""
        self._arguments.append(os.path.abspath(os.fspath(path)))

    def write(self, content: str, name: str) -> str:
        """The path of a new file. `name` is what messages call it."""
        path = os.path.join(self._folder.name, f"{len(self._names)}.txt")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(content)
        self._names[path] = name
        return path

    def add_texts(self, texts: Texts) -> None:
        for text in [texts] if isinstance(texts, (str, os.PathLike)) else texts:
            is_text = isinstance(text, str) and "\n" in text
            self.add(file=self.write(str(text), "given") if is_text else text)

    def add_variants(self, variants: Union[Recipe, Mapping[str, Recipe], None]) -> None:
        if variants is None:
            return
        is_recipe = not isinstance(variants, Mapping) or variants.keys() & {"weights", "activations", "rules"}
        named = {"variant": variants} if is_recipe else variants
        for name, recipe in named.items():
            if "=" in name:
                raise ValueError(f"a variant is called {name!r}: its name may have no '='")
            self.add(variant=f"{name}={self._file_of(name, recipe)}")

    def _file_of(self, name: str, recipe: Recipe) -> str:
        if isinstance(recipe, os.PathLike) or (isinstance(recipe, str) and "=" not in recipe):
            return os.fspath(recipe)
        if not (isinstance(recipe, Mapping) and not recipe.keys() & {"weights", "activations"}):
            rules = [recipe] if isinstance(recipe, (str, Mapping)) else list(recipe)
            recipe = {"rules": rules}
        return self.write(json.dumps(recipe, ensure_ascii=False), f"variant {name}")  # JSON is YAML

    def result(self, cls: Type[R]) -> R:
        return cls.from_json(run(self._command, self._arguments + arguments_of(self._options), self._progress, self._names))


def inspect(model: Path, *, progress: Optional[bool] = None, **options: Any) -> Inspection:
    """The precision that the weights of a model really have: `fakequant inspect`.

    model       path of a GGUF file.
    progress, options and what is raised: as for evaluate. select="blk.*.ffn_*.weight".
    """
    with _Call("inspect", progress, options) as call:
        call.add(model=model)
        return call.result(Inspection)


def evaluate(model: Path, text: Texts, variants: Union[Recipe, Mapping[str, Recipe], None] = None, *,
             progress: Optional[bool] = None, **options: Any) -> Evaluation:
    """Perplexity, and the divergence of variants from the unmodified model in nats: `fakequant eval` (docs/measuring.md).

    model       path of a GGUF file.
    text        path of a text; a str with a line break in it is the text itself. Or a list of them.
    variants    {name: recipe}. A recipe is a rule, "a:ffn_input=int8"; a list of rules; a dict with the keys of a rule or of a
                recipe's file (docs/rules.md), {"weights": "matrices", "format": "int4"}; the path of such a file; or "@NAME", a
                recipe that comes with the program. A recipe that is no dict may be given without a name. Left out: the model
                itself is measured.
    progress    shows a bar, where tqdm is installed. None: in terminals and notebooks.
    options     others of the command line, with underscores: ctx_size=64, chunks=8, threads=2, arithmetic="native",
                against="other.gguf", yardstick=True, except_="w:output". A list is an option for each of its items.

    Raises ValueError with the program's line where the request is wrong, RuntimeError where the work failed, and
    FileNotFoundError without the program. Ctrl-C ends it, and raises KeyboardInterrupt.
    """
    with _Call("eval", progress, options) as call:
        call.add(model=model)
        call.add_texts(text)
        call.add_variants(variants)
        return call.result(Evaluation)


def sweep(model: Path, text: Texts, study: Path, sites: Union[str, Sequence[str]], formats: Union[str, Sequence[str]], *,
          layers: bool = False, progress: Optional[bool] = None, **options: Any) -> Sweep:
    """The divergence of each site in each format, collected in a study: `fakequant sweep` (docs/studies.md).

    model       path of a GGUF file.
    text        as for evaluate. The study names its texts: plan with verify=True needs those of files.
    study       path of the database, or a Study. It is made, or continued where the sweep was stopped.
    sites       parts of rules before the "=": ["a:ffn_input", "w:ffn_down"].
    formats     parts of rules after it: ["int8", "int4,per=block,block=32"].
    layers      True: each layer separately. False: all layers of a site together.
    progress, options and what is raised: as for evaluate.
    """
    with _Call("sweep", progress, options) as call:
        call.add(model=model, output=study, site=sites, format=formats, layers=layers)
        call.add_texts(text)
        return call.result(Sweep)


def plan(study: Path, *, bits: Union[float, str, Sequence[str], None] = None, max_kld: Optional[float] = None,
         output: Optional[Path] = None, progress: Optional[bool] = None, **options: Any) -> Plan:
    """The best mix of a study's formats under a budget: `fakequant plan` (docs/planning.md).

    study       path of the database, or a Study.
    bits        the most bits of a value on average: 5.0, or ["w:4.5", "a:8"].
    max_kld     the largest divergence, in nats: the plan has the fewest bits then.
    output      path of the recipe to write, as YAML.
    progress, options and what is raised: as for evaluate. keep="w:ffn_down@0=bf16", verify=True.
    """
    with _Call("plan", progress, options) as call:
        call.add_file(study)
        call.add(bits=bits, max_kld=max_kld, output=output)
        return call.result(Plan)


def calibrate(model: Path, text: Path, output: Optional[Path] = None, *, progress: Optional[bool] = None,
              **options: Any) -> Ranges:
    """The ranges of activations: `fakequant calibrate`.

    model       path of a GGUF file.
    text        as for evaluate, but one.
    output      path of the file to write, for range=static:FILE. Left out: only the result is given.
    progress, options and what is raised: as for evaluate. rule="a:ffn_input=int8" selects what is recorded.
    """
    with _Call("calibrate", progress, options) as call:
        call.add(model=model, output=output if output is not None else call.write("", "the ranges"))
        call.add_texts(text)
        return call.result(Ranges)


def generate(model: Path, prompts: Union[str, Sequence[str]], variants: Union[Recipe, Mapping[str, Recipe], None] = None, *,
             max_tokens: Optional[int] = None, progress: Optional[bool] = None, **options: Any) -> Generation:
    """What the model and its variants write after the same prompts: `fakequant generate`.

    model       path of a GGUF file.
    prompts     a prompt or several, taken as they are: a backslash is one.
    variants    as for evaluate.
    max_tokens  tokens to write after each prompt.
    progress, options and what is raised: as for evaluate. chat=True, temp=0.8, seed=1.
    """
    with _Call("generate", progress, options) as call:
        call.add(model=model, prompt=prompts, no_escape=True, n_predict=max_tokens)
        call.add_variants(variants)
        return call.result(Generation)
