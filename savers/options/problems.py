"""What is wrong with a setting: which one, where it stands, what was found, what is possible."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from h5backends.errors import H5Error

if TYPE_CHECKING:
    from savers.options.file import Origin

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "SettingsError",
    "refuse_unknown_variables",
    "refused",
    "unknown",
    "unparsable",
]

PREFIX = "H5SAVER_"
"""What the variables of the environment begin with."""
FILE_VARIABLE = "H5SAVER_SETTINGS_FILE"
"""The variable that names the settings file."""

_SECRET = frozenset({"password", "api_key"})


class SettingsError(H5Error, ValueError):
    """A setting that does not exist, or that cannot have this value.

    Attributes
    ----------
    key : str or None
        The setting, as ``"backend.backend_type"``; of several the first.
    """

    key: str | None = None


@dataclass(frozen=True)
class _Problem:
    key: str
    expected: str
    found: str
    remedy: str
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.key}: expected {self.expected}, found {self.found}"


def unknown(path: tuple[str, ...], model: type) -> SettingsError:
    """Return the error for a setting that does not exist.

    Parameters
    ----------
    path : tuple of str
        The setting that was asked for.
    model : type
        The section that was asked.
    """
    key = ".".join(map(str, path))
    return _error([_Problem(key, "a setting", "no such setting", _similar(key, model))])


def refused(
    exc: ValidationError,
    model: type | None = None,
    origin: Origin | None = None,
    values: Mapping[str, Any] | None = None,
) -> SettingsError:
    """Return the error for what pydantic found.

    Parameters
    ----------
    exc : ValidationError
        What it found.
    model : type, optional
        The settings, where they were read and not assigned to.
    origin : Origin, optional
        The file they were read from.
    values : mapping, optional
        The arguments, which count more.
    """
    problems = []
    for error in exc.errors(include_url=False):
        path = tuple(str(part) for part in error["loc"])
        key = ".".join(path)
        file, place = _place(path, origin, values)
        if error["type"] in ("extra_forbidden", "no_such_attribute"):
            text, remedy = "a setting", _similar(key, model)
            found = "no such setting"
        else:
            text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            found = "a secret" if path and path[-1] in _SECRET else repr(error["input"])
            remedy = "Correct it there." if place else ""
        problems.append(_Problem(key, text, found + place, remedy, file))
    return _error(problems)


def refuse_unknown_variables(model: type[BaseModel]) -> None:
    """Raise if the environment has settings that do not exist: nobody else would notice."""
    known = {variable(path) for path in _paths(model)} | {FILE_VARIABLE}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, 1)
            remedy = f"Did you mean {close[0]}?" if close else "Take it out of the environment."
            problem = _Problem(name, "a setting", "a variable that stands for none", remedy)
            raise _error([problem])


def unparsable(model: type[BaseModel]) -> SettingsError:
    """Return the error for a variable of a whole section that is not JSON."""
    sections = [path for path in _paths(model) if _section(_annotation(model, path)) is not None]
    wrong = next((path for path in sections if variable(path) in os.environ), ("settings",))
    inside = [variable(path) for path in _paths(model) if path[:-1] == wrong]
    return _error(
        [
            _Problem(
                ".".join(wrong),
                "the settings of a whole section, as JSON",
                f"{os.environ.get(variable(wrong))!r} in the variable {variable(wrong)}",
                f"Set single ones: {', '.join(inside)}.",
            )
        ]
    )


def variable(path: tuple[str, ...]) -> str:
    """Return the name of the variable of the environment for a setting."""
    return PREFIX + "__".join(path).upper()


def _error(problems: list[_Problem]) -> SettingsError:
    first = problems[0]
    if len(problems) == 1:
        error = SettingsError(
            f"the setting {first.key!r} cannot be used",
            file=first.file,
            expected=first.expected,
            found=first.found,
            remedy=first.remedy,
        )
    else:
        remedies = dict.fromkeys(problem.remedy for problem in problems if problem.remedy)
        error = SettingsError(
            f"{len(problems)} settings cannot be used",
            file=first.file,
            found="; ".join(map(str, problems)),
            remedy=" ".join(remedies),
        )
    error.key = first.key
    return error


def _place(
    path: tuple[str, ...], origin: Origin | None, values: Mapping[str, Any] | None
) -> tuple[str | None, str]:
    """Return the file that a setting stands in, and words for where it stands."""
    if _has(values or {}, path):
        return None, ""
    names = [variable(path[:depth]) for depth in range(len(path), 0, -1)]
    found = next((name for name in os.environ if name.upper() in names), None)
    if found is not None:
        return None, f" in the variable {found}"
    if origin is not None and origin.file is not None and _has(origin.content, path):
        return origin.file, " in the file"
    return None, ""


def _has(content: Any, path: tuple[str, ...]) -> bool:
    """Tell whether settings have one of a path, or something else where its section should be."""
    for name in path:
        if not isinstance(content, Mapping):
            return True
        if name not in content:
            return False
        content = content[name]
    return True


def _similar(key: str, model: type | None) -> str:
    section, _, last = key.rpartition(".")
    names = [".".join(path) for path in ([] if model is None else _paths(model))]
    names = [name for name in names if name.startswith(f"{section}.")] or names
    # A setting of the right name in the wrong section is more likely than a similar one.
    same = [name for name in names if name.rpartition(".")[2] == last]
    close = same or difflib.get_close_matches(key, names, 1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(names)}." if names else ""


def _paths(model: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List all settings, the sections before what is in them."""
    for name, field in getattr(model, "model_fields", {}).items():
        path = (*above, name)
        yield path
        section = _section(field.annotation)
        if section is not None:
            yield from _paths(section, path)


def _annotation(model: Any, path: tuple[str, ...]) -> Any:
    for name in path[:-1]:
        model = _section(model.model_fields[name].annotation)
    return model.model_fields[path[-1]].annotation


def _section(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
