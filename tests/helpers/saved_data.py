"""Data sets as `save_to_disk` of the library `datasets` 5.2 writes them, which the tests do not need for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def save_data_set(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    classes: Mapping[str, Sequence[str]] | None = None,
    *,
    files: int = 1,
    chosen: Sequence[int] | None = None,
) -> Path:
    """Write rows to so many Arrow files, and what describes them; returns the folder.

    `classes` are the names of the classes of a column. `chosen` are the rows that count, in their order: older versions
    of the library kept them in a file of their own.
    """
    import pyarrow as pa

    def write(name: str, table: Any) -> dict[str, str]:
        with pa.ipc.new_stream(folder / name, table.schema) as out:
            out.write_table(table)
        return {"filename": name}

    folder.mkdir(parents=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    size = -(-len(rows) // files)
    parts = [table.slice(index * size, size) for index in range(files)]
    state: dict[str, Any] = {
        "_data_files": [
            write(f"data-{index:05}-of-{files:05}.arrow", part) for index, part in enumerate(parts)
        ],
        "_fingerprint": "0123456789abcdef",
        "_split": None,
    }
    if chosen is not None:
        indices = pa.table({"indices": pa.array(chosen, pa.uint64())})
        state["_indices_files"] = [write("indices.arrow", indices)]
    (folder / "state.json").write_text(json.dumps(state))
    features = {
        name: {"names": list(classes[name]), "_type": "ClassLabel"}
        if classes and name in classes
        else {"dtype": "string", "_type": "Value"}
        for name in table.column_names
    }
    (folder / "dataset_info.json").write_text(json.dumps({"description": "", "features": features}))
    return folder


def save_splits(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """The same of several splits, as `DatasetDict.save_to_disk` writes them."""
    for name, rows in splits.items():
        save_data_set(folder / name, rows)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder
