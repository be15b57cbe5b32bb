"""Results of the program: how they are read from JSON, and shown as tables."""

import dataclasses
import functools
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Dict, Iterator, List, Type, TypeVar

if TYPE_CHECKING:
    import pandas

R = TypeVar("R", bound="Result")


@functools.lru_cache(maxsize=None)
def _types(cls: Any) -> Dict[str, Any]:
    """The fields of a dataclass and their types, without Optional."""
    hints = typing.get_type_hints(cls)
    return {field.name: _without_none(hints[field.name]) for field in dataclasses.fields(cls)}


def _is_object(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def _without_none(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Union else hint


def _read(hint: Any, value: Any) -> Any:
    """A value of JSON as what a field of this type holds. A later program may write more fields: they are left out."""
    if value is None:
        return None
    if _is_object(hint):
        return hint(**{name: _read(inner, value.get(name)) for name, inner in _types(hint).items()})
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return [_read(_without_none(arguments[0]), item) for item in value]
    return float(value) if hint is float else value


def frame_of(rows: List[Any], **options: Any) -> "pandas.DataFrame":
    """The rows as a frame of pandas, which is imported here only."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("a frame needs pandas: pip install pandas", name="pandas") from error
    return pandas.DataFrame(rows, **options)


def _cells(cls: Any, value: Any, prefix: str = "") -> Iterator[Any]:
    """The columns of a row and their values: those of an object in it are called "kld.mean". Left out are lists of objects."""
    for name, hint in _types(cls).items():
        inner = getattr(value, name, None)
        if _is_object(hint):
            yield from _cells(hint, inner, f"{prefix}{name}.")
        elif typing.get_origin(hint) is not dict and not any(map(_is_object, typing.get_args(hint))):
            yield prefix + name, inner


def _rows(value: Any, path: str, outer: Dict[str, Any], prefix: str = "") -> Iterator[Dict[str, Any]]:
    """The rows of the list that the path leads to. `outer` are columns of what they belong to, which is called `prefix`."""
    name, _, rest = path.partition(".")
    hint = _types(value.__class__).get(name)
    cls: Any = hint if _is_object(hint) else next(iter(typing.get_args(hint)), None)
    if not _is_object(cls):
        raise ValueError(f"there are no rows '{prefix}{name}'")
    inner = getattr(value, name)
    for item in inner if isinstance(inner, list) else [] if inner is None else [inner]:
        if rest:
            names = {f"{prefix}{name}.{field}": getattr(item, field) for field, type in _types(cls).items() if type is str}
            yield from _rows(item, rest, {**outer, **names} if isinstance(inner, list) else outer, f"{prefix}{name}.")
        else:
            yield {**outer, **dict(_cells(cls, item))}


class Result:
    """What a command of the program gave: a dataclass with the fields of its JSON, which docs/reference/json.md describes.

    None is a figure that is not finite or was not measured. fakequant.results has the class of each command.
    """

    SCHEMA: ClassVar[str]  #: the schema of the JSON, whose fields the class has
    ROWS: ClassVar[str]  #: the rows that it is about

    @classmethod
    def from_json(cls: Type[R], value: Dict[str, Any]) -> R:
        """The result that a file of --json holds, as json.load gives it. Raises ValueError for another command's file."""
        if value.get("schema") != cls.SCHEMA:
            raise ValueError(f"the schema is {value.get('schema')!r}: {cls.__name__} is read from {cls.SCHEMA!r}")
        result: R = _read(cls, value)
        return result

    def rows(self, of: str = "") -> List[Dict[str, Any]]:
        """The rows of a table: those of a list in the result, "variants", or of one within it, "variants.chunks".

        The figures of an object within a row are called "kld.mean", as the program calls them in conditions. Rows of an inner
        list also have the texts of what they belong to: "variants.name". Left out: ROWS.
        """
        return list(_rows(self, of or self.ROWS, {}))

    def frame(self, of: str = "") -> "pandas.DataFrame":
        """The rows as a frame of pandas. Raises ImportError where pandas is not installed."""
        return frame_of(self.rows(of))
