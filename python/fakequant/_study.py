"""Studies: the databases that sweeps write."""

import contextlib
import os
import sqlite3
import urllib.parse
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple, Union

from ._result import frame_of

if TYPE_CHECKING:
    import pandas

_APPLICATION_ID = 0x66716E74


def _names(given: Union[str, Iterable[str], None], known: Iterable[str], what: str) -> List[str]:
    """Those that were given, in the study's order if none were. Raises ValueError for one that the study does not have."""
    known = list(dict.fromkeys(known))
    names = known if given is None else [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in known:
            raise ValueError(f"the study has no {what} {name!r}: it has {', '.join(known)}")
    return names


class Study:
    """A study that a sweep made (docs/studies.md). It is only read, also while a sweep writes it.

    A Study can be given wherever a path is expected. Raises FileNotFoundError, and ValueError for another file.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self._path = os.path.abspath(os.fspath(path))
        if not os.path.exists(self._path):
            raise FileNotFoundError(f"there is no study {self._path}")
        try:
            ((found,),) = self.query("PRAGMA application_id")[1]
        except sqlite3.DatabaseError:
            found = None
        if found != _APPLICATION_ID:
            raise ValueError(f"{self._path} is no study of fakequant")

    def __fspath__(self) -> str:
        return self._path

    def __repr__(self) -> str:
        return f"Study({self._path!r})"

    def query(self, sql: str) -> Tuple[List[str], List[Tuple[Any, ...]]]:
        """The columns and the rows that an SQL query finds in the tables of docs/reference/database.md."""
        uri = f"file:{urllib.parse.quote(self._path)}?{'mode=ro' if self._is_locked_by_writers() else 'immutable=1'}"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            cursor = connection.execute(sql)
            return [column[0] for column in cursor.description], cursor.fetchall()

    def _is_locked_by_writers(self) -> bool:
        """Whether SQLite must heed locks. A study with a write-ahead log that has none beside it is not written to, and can be read
        without putting files beside it; one with a rollback journal (a share of a sweep) may be written to at any time.
        """
        if any(os.path.exists(self._path + suffix) for suffix in ("-wal", "-shm", "-journal")):
            return True
        with open(self._path, "rb") as file:
            header = file.read(20)
        return header[18:19] == b"\x01"  # the file format of rollback journals (https://sqlite.org/fileformat.html, 1.3.3)

    def variants(self) -> List[Dict[str, Any]]:
        """The measured variants: the columns of the view `figures` by their names. Divergences are in nats, and None if a chunk
        lacks the figure.
        """
        columns, rows = self.query("SELECT * FROM figures")
        return [dict(zip(columns, row)) for row in rows]

    def frame(self) -> "pandas.DataFrame":
        """The measured variants as a frame of pandas. Raises ImportError where pandas is not installed."""
        columns, rows = self.query("SELECT * FROM figures")
        return frame_of(rows, columns=columns)

    def heatmap(self, site: Union[str, Iterable[str], None] = None, format: Union[str, Iterable[str], None] = None, *,
                figure: str = "kld", axes: Optional[Any] = None) -> Any:
        """Draws a figure of each layer, the logarithm of it as a colour, and returns the axes of matplotlib.

        site        the sites to show, and
        format      the formats: a row for each pair. Left out: all.
        figure      a column of the view: "kld" is the mean KL divergence in nats.
        axes        where to draw. Left out: a new figure.

        What was measured for all layers together is not shown. A cell is white where nothing was measured, or the figure is not
        above 0. Raises ImportError where matplotlib is not installed.
        """
        measured = [variant for variant in self.variants() if variant["layer"] is not None]
        if not measured:
            raise ValueError("the study has no separate layers: sweep with layers=True")
        sites = _names(site, (variant["site"] for variant in measured), "site")
        formats = _names(format, (variant["format"] for variant in measured), "format")
        if figure not in measured[0]:
            raise ValueError(f"there is no figure {figure!r}: the columns are {', '.join(measured[0])}")
        value_of = {(variant["site"], variant["format"], variant["layer"]): variant[figure] for variant in measured}
        rows = [(site, format) for site in sites for format in formats]
        layers = range(max(variant["layer"] for variant in measured) + 1)
        cells = [[value_of.get((*row, layer)) or float("nan") for layer in layers] for row in rows]
        if not any(cell > 0 for row in cells for cell in row):
            raise ValueError("there is nothing to draw: no figure is above 0")
        try:
            from matplotlib import colors, pyplot
        except ImportError as error:
            raise ImportError("a heat map needs matplotlib: pip install matplotlib", name="matplotlib") from error
        if axes is None:
            axes = pyplot.subplots(figsize=(2.5 + 0.4 * len(layers), 1.2 + 0.35 * len(rows)), layout="constrained")[1]
        image = axes.imshow(cells, norm=colors.LogNorm(), cmap="viridis", aspect="auto")
        axes.figure.colorbar(image, ax=axes, label="KL divergence, nats" if figure == "kld" else figure)
        axes.set_xticks(list(layers))
        axes.set_xlabel("layer")
        axes.set_yticks(range(len(rows)), [f"{site}={format}" for site, format in rows])
        return axes
