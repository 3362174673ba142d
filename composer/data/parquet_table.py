"""A Parquet file whose rows are read in any order: a small one is held, another laid out in a file of the process."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from composer.problems import InputError
from composer.rows.arrow_folder import ArrowRows, arrow_library
from composer.rows.arrow_values import CONVERSION_ERRORS, reason_of
from composer.rows.parquet import ParquetRows

__all__ = ["ParquetTable"]

HELD_BYTES = 64 * 1024 * 1024
"""A larger file is not held: a row of Parquet cannot be read without the thousands beside it."""
ROWS_AT_ONCE = 256


class ParquetTable(ArrowRows):
    """The rows of a Parquet file."""

    def __init__(self, path: Path) -> None:
        self._rows = ParquetRows(path)
        arrow = arrow_library()
        try:
            table = self._read(path, arrow)
        except CONVERSION_ERRORS as error:
            raise InputError(f"{path} cannot be read as Parquet: {reason_of(error)}") from None
        super().__init__(str(path), path.absolute().parent, table)

    def _read(self, path: Path, arrow: Any) -> Any:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            groups = range(file.metadata.num_row_groups)
            if sum(file.metadata.row_group(group).total_byte_size for group in groups) <= HELD_BYTES:
                return file.read()
            place, name = tempfile.mkstemp(suffix=".arrow", prefix="composer-rows-")
            try:
                with os.fdopen(place, "wb") as out, arrow.ipc.new_file(out, file.schema_arrow) as writer:
                    for batch in file.iter_batches(ROWS_AT_ONCE):
                        writer.write_batch(batch)
                return arrow.ipc.open_file(arrow.memory_map(name)).read_all()
            finally:
                with suppress(OSError):
                    os.unlink(name)  # the mapping keeps it until the process ends

    def survey(self) -> tuple[int, str]:
        return self._rows.survey()
