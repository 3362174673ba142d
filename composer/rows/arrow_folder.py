"""Data sets that the library `datasets` saved on disk: Arrow files, mapped into memory and read without its code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.problems import InputError
from composer.rows.arrow_values import CONVERSION_ERRORS, arrow_rows, reason_of
from composer.rows.row import GivenRow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowFolder", "ArrowRows", "arrow_library", "is_saved", "saved_splits"]

STATE, SPLITS, FACTS = "state.json", "dataset_dict.json", "dataset_info.json"


def is_saved(folder: Path) -> bool:
    """Whether a folder holds one saved data set."""
    return (folder / STATE).is_file()


def saved_splits(folder: Path) -> list[str] | None:
    """The splits of a folder with several; None for another folder. Raises InputError where one is not there."""
    if not (folder / SPLITS).is_file():
        return None
    splits = _json(folder / SPLITS).get("splits")
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
        raise InputError(f"{folder / SPLITS} does not name the splits: save the data set again")
    missing = [name for name in splits if not is_saved(folder / name)]
    if missing:
        raise InputError(f"{folder / missing[0]} is missing: save the data set again, or copy all of it")
    return splits


def arrow_library() -> Any:
    """pyarrow. Raises InputError where it is not installed."""
    try:
        import pyarrow.ipc
    except ImportError:
        raise InputError(
            'data sets on disk need pyarrow: pip install "multimodal-composer[rows]", or give rows as .jsonl or .csv'
        ) from None
    return pyarrow


class ArrowRows:
    """Rows of an Arrow table, one at a time."""

    names_files = False

    def __init__(self, name: str, folder: Path, table: pa.Table, indices: Any = None) -> None:
        self.name, self.folder, self._table, self._indices = name, folder, table, indices
        self.columns: tuple[str, ...] = tuple(table.column_names)
        self.class_names: Mapping[str, Sequence[str]] = _described(table)

    def __len__(self) -> int:
        return int(self._table.num_rows if self._indices is None else len(self._indices))

    def row(self, index: int) -> GivenRow:
        place = index if self._indices is None else self._indices[index].as_py()
        (found,) = arrow_rows(self._table.slice(place, 1), index + 1)
        return found

    def title(self, index: int) -> str:
        return f"{self.name}, row {index + 1}"

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        return (self.row(index) for index in range(skipped, len(self)))


class ArrowFolder(ArrowRows):
    """A data set of `save_to_disk`."""

    def __init__(self, folder: Path) -> None:
        arrow = arrow_library()
        state = _json(folder / STATE)
        self._files = [_held(folder, each) for each in state.get("_data_files") or ()]
        if not self._files:
            raise InputError(f"{folder} has no rows: {STATE} names no files")
        tables = [_mapped(arrow, path) for path in self._files]
        named = [_held(folder, each) for each in state.get("_indices_files") or ()]
        chosen = arrow.concat_tables([_mapped(arrow, path) for path in named]).column(0) if named else None
        super().__init__(str(folder), folder.absolute(), arrow.concat_tables(tables), chosen)
        if not len(self):
            raise InputError(f"{folder} has no rows: give it some")
        self.class_names = {**self.class_names, **_classes(folder)}

    def survey(self) -> tuple[int, str]:
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                while content := file.read(1 << 20):
                    digest.update(content)
        return len(self), digest.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {str(error).partition(':')[0]}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is not what `save_to_disk` writes: save the data set again")
    return found


def _held(folder: Path, each: object) -> Path:
    """A file that the state names: it lies in the folder itself."""
    name = each.get("filename") if isinstance(each, Mapping) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError(f"{folder / STATE} names a file outside of the folder: save the data set again")
    return folder / name


def _mapped(arrow: Any, path: Path) -> Any:
    try:
        return arrow.ipc.open_stream(arrow.memory_map(str(path))).read_all()
    except CONVERSION_ERRORS as error:
        raise InputError(f"{path} cannot be read as Arrow: {reason_of(error)}") from None


def _classes(folder: Path) -> dict[str, list[str]]:
    """Columns that `datasets` calls `ClassLabel`, with the names of the classes."""
    if not (folder / FACTS).is_file():
        return {}
    return _named(_json(folder / FACTS).get("features"))


def _described(table: pa.Table) -> dict[str, list[str]]:
    """The same of a table that carries what `datasets` knows of it, as its Parquet files do."""
    try:
        facts = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        return _named(facts["info"]["features"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _named(features: object) -> dict[str, list[str]]:
    found = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and all(isinstance(each, str) for each in names):
            found[name] = names
    return found
