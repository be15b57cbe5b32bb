"""The program fakequant: where it is, and how it is run."""

import codecs
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from typing import Any, Dict, Iterator, List, Optional

from ._library import library

_BAR = "{desc}: {percentage:3.0f} %|{bar}| {elapsed} + {remaining}"
_USAGE = 2  # the exit code of what was asked for wrongly


def program() -> str:
    """The path of the program: FAKEQUANT_PROGRAM names it, else it lies beside the library of the formats, as in a folder of a
    build, in the folder bin of the library's installation, or on the PATH. Raises FileNotFoundError.
    """
    named = os.environ.get("FAKEQUANT_PROGRAM")
    folder = os.path.dirname(library._name)  # empty for the system's library
    places = [os.path.join(folder, part, "fakequant") for part in ("", "../bin")] if folder else []
    for place in [named] if named else [*places, "fakequant"]:
        found = shutil.which(place)
        if found is not None:
            return found
    why = f"FAKEQUANT_PROGRAM names {named}, which is no program" if named else "the program fakequant is not on the PATH"
    raise FileNotFoundError(f"{why}: name it in FAKEQUANT_PROGRAM")


def arguments_of(options: Dict[str, Any]) -> List[str]:
    """Options as the command line has them: ctx_size=64 is --ctx-size=64, True a flag, a list an option for each item."""
    arguments = []
    for name, value in options.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                arguments.append(option)
            elif item is not None and item is not False:
                arguments.append(f"{option}={os.fspath(item) if isinstance(item, os.PathLike) else item}")
    return arguments


def run(command: str, arguments: List[str], progress: Optional[bool], names: Dict[str, str]) -> Dict[str, Any]:
    """The JSON of a command. `names` are what its message calls files instead of their paths.

    Raises ValueError with the program's line where the request is wrong, RuntimeError where the work failed, and
    KeyboardInterrupt after Ctrl-C, which ends the program.
    """
    with tempfile.TemporaryDirectory(prefix="fakequant-") as folder:
        result = os.path.join(folder, "result.json")
        code, said = _wait([program(), command, *arguments, f"--json={result}"], _wants_progress(progress))
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        if code != 0:
            raise _failure(code, said, names)
        with open(result, encoding="utf-8") as file:
            value: Dict[str, Any] = json.load(file)
        return value


def _failure(code: int, said: str, names: Dict[str, str]) -> Exception:
    if code < 0:
        return RuntimeError(f"the program was ended by {signal.Signals(-code).name}")
    lines = said.replace("\033[K", "\n").splitlines()  # one of progress may come before it
    found = [line for line in lines if line.startswith("fakequant: ")]  # the last: others say what slows it down
    line = found[-1][len("fakequant: "):] if found else f"the program left with {code}: {said.strip()}"
    for path, name in names.items():
        line = line.replace(path, name)
    return (ValueError if code == _USAGE else RuntimeError)(line)


def _wants_progress(progress: Optional[bool]) -> bool:
    if importlib.util.find_spec("tqdm") is None:
        return False
    if progress is None:  # where somebody sees it: in a terminal or a notebook
        return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
    return progress


def _wait(command: List[str], progress: bool) -> Any:
    """Runs the program to its end; its exit code, and what it said on stderr. It does not outlive an exception in here."""
    ours, its = os.openpty() if progress else os.pipe()  # it says how far it is to terminals only
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its,
                                   env={**os.environ, "TERM": "xterm"} if progress else None)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(its)
    try:
        with open(ours, "rb", buffering=0) as stream:
            said = "".join(_show_progress(_pieces(stream)) if progress else _pieces(stream))
        return process.wait(), said
    except BaseException:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _pieces(stream: Any) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        try:
            piece = stream.read(65536)
        except OSError:  # of a terminal whose other end is closed
            return
        if not piece:
            return
        yield decoder.decode(piece)


def _show_progress(pieces: Iterator[str]) -> Iterator[str]:
    """Shows the last line of progress, "eval: 45 %, 12 s left; [9]", as a bar; yields all pieces."""
    with warnings.catch_warnings():  # in a notebook without ipywidgets the bar is of text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    bar = None
    try:
        for piece in pieces:
            yield piece
            shown = re.findall(r"(\w+): (\d+) %, ", piece.replace("\033[K", "\n"))
            if shown:
                name, percent = shown[-1]
                bar = bar or tqdm(total=100, desc=name, bar_format=_BAR, leave=False, mininterval=0)
                bar.update(int(percent) - bar.n)
    finally:
        if bar is not None:
            bar.close()
