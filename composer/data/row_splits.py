"""The split of every row: by files, by a column, or by a share that what is in the row decides."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from composer.data.data_faults import BadRow, DataError
from composer.data.opening import UNDECIDED, OpenedData
from composer.progress import Progress
from composer.recipes import DataRecipe, split_name
from composer.rows.column_map import AskedRow, ColumnMap
from composer.rows.row import GivenRow

__all__ = ["VALIDATION", "PlacedRows", "place_rows"]

TRAIN, VALIDATION, TEST = "train", "validation", "test"
USUAL_SHARE = 0.1
MOST_BESIDE = 0.5
"""A share for the test beyond which none is held out for validation unless it is asked for: rows have to be left."""
FEWEST = 50
"""Of fewer rows, none is held out unbidden."""
MOST_SPLITS = 20
SHOWN = 8
TOLD_EVERY = 1000


@dataclass(frozen=True)
class RowsOfTwo:
    """Rows of training that are rows of another split, too."""

    count: int
    first: str
    """What messages call the first of them, and the row that it is in the other split."""
    there: str


@dataclass
class PlacedRows:
    """Rows by split: of each the number of its table and its place there."""

    splits: dict[str, tuple[array[int], array[int]]] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    rows: int = 0
    """All rows, those that cannot be used too."""
    share: float = 0.0
    """The share that was held out unbidden."""
    shared: dict[str, RowsOfTwo] = field(default_factory=dict)
    """Split to the rows of training that it has, too."""
    digest: str = ""
    """Tells what is read of the rows, and their splits, from others."""

    def leave_out(self, split: str, places: set[int]) -> None:
        """Take the rows at some places of a split away."""
        tables, rows = self.splits[split]
        kept = [number for number in range(len(rows)) if number not in places]
        self.splits[split] = (array("H", (tables[n] for n in kept)), array("Q", (rows[n] for n in kept)))


def place_rows(
    opened: OpenedData, maps: list[ColumnMap], data: DataRecipe, files: list[str], asked: list[str]
) -> PlacedRows:
    """Go through all rows once. `maps` are those of the tables, `files` the inputs that name files, `asked` those that
    an answer is made of, with no target among them.

    Raises DataError (C414) where splits cannot be made as they are asked for.
    """
    placing = _Placing(opened, data, files, asked)
    progress = Progress()
    progress.begin("row", sum(len(table) for _, table in opened), 0)
    try:
        for number, ((split, table), mapped) in enumerate(zip(opened, maps, strict=True)):
            for index, row in enumerate(table.rows()):
                placing.add(split, number, index, row, mapped)
                if progress.bar is not None:
                    progress.bar.update(1)
                elif not index % TOLD_EVERY and progress.is_due():
                    progress.said()
                    progress.line(f"{table.name}: {index:,} of {len(table):,} rows read")
    finally:
        progress.close()
    placing.count_shared()
    placing.hold_filled()
    placing.placed.digest = placing.digest.hexdigest()
    return placing.placed


class _Placing:
    def __init__(self, opened: OpenedData, data: DataRecipe, files: list[str], asked: list[str]) -> None:
        self.tables = [table for _, table in opened]
        self.data, self.files, self.asked = data, files, asked
        self.placed = PlacedRows()
        self.digest = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.ids: dict[bytes, tuple[int, int]] = {}
        self.contents: dict[str, array[int]] = {}
        own = set(opened.tables) - {UNDECIDED, TRAIN}
        rows = sum(len(table) for split, table in opened if split in (UNDECIDED, TRAIN))
        self.shares = {VALIDATION: data.validation_share or 0.0, TEST: data.test_share}
        for name, share in self.shares.items():
            if share and name in own:
                flag = f"--{name}-share ({name}_share:)"
                raise DataError(
                    f"split `{name}` is there already, and {flag} asks for it: leave one out",
                    "C414",
                    f"{name}_share",
                )
        if data.split_by is not None and UNDECIDED not in opened.tables:
            raise DataError(
                "the data are split already, and --split-by (split_by:) splits them again", "C414", "split_by"
            )
        unbidden = data.validation_share is None and not own and data.split_by is None and rows >= FEWEST
        if unbidden and data.test_share <= MOST_BESIDE:
            self.shares[VALIDATION] = self.placed.share = USUAL_SHARE

    def add(self, split: str, table: int, index: int, row: GivenRow, mapped: ColumnMap) -> None:
        self.placed.rows += 1
        asked = mapped.asked(row)
        fault = asked.fault
        if fault is not None:
            self._bad(table, index, fault.column, fault.reason)
            return
        if mapped.id is not None and not self._has_own_id(table, index, mapped.id, asked):
            return
        content = _digest(_read(row, mapped))
        name = self._split(split, row, asked, mapped)
        if name is None:
            self._bad(table, index, self.data.split_by, "the row does not say its split")
            return
        self.digest.update(f"{name} {content:x}\n".encode())
        tables, rows = self.placed.splits.setdefault(name, (array("H"), array("Q")))
        tables.append(table)
        rows.append(index)
        self.counts[name] += 1
        if self.data.split_by is not None or split != UNDECIDED:
            self.contents.setdefault(name, array("Q")).append(content)

    def _bad(self, table: int, index: int, column: str | None, reason: str) -> None:
        self.placed.bad.append(BadRow(self.tables[table].title(index), column, reason))

    def _has_own_id(self, table: int, index: int, column: str, asked: AskedRow) -> bool:
        """Whether no row before has the same name; a row without one is at fault, too."""
        if asked.id is None or asked.id == "":
            self._bad(table, index, column, "the row has no name of its own: the value is empty")
            return False
        key = hashlib.blake2b(_canonical(asked.id), digest_size=10).digest()
        first = self.ids.setdefault(key, (table, index))
        if first != (table, index):
            title = self.tables[first[0]].title(first[1])
            self._bad(table, index, column, f"{asked.id!r} is the name of {title} too: give each row its own")
        return first == (table, index)

    def _split(self, split: str, row: GivenRow, asked: AskedRow, mapped: ColumnMap) -> str | None:
        """The split of a row; None where a column should say it and does not."""
        if split not in (UNDECIDED, TRAIN):
            return split
        if self.data.split_by is not None:
            value = asked.kept.get(self.data.split_by)
            return split_name(value.strip()) if isinstance(value, str) and value.strip() else None
        if not any(self.shares.values()):
            return TRAIN
        drawn = _drawn(self._key(row, mapped), self.data.split_seed)
        for name, share in self.shares.items():
            if drawn < share:
                return name
            drawn -= share
        return TRAIN

    def _key(self, row: GivenRow, mapped: ColumnMap) -> object:
        """What decides: the files of a row, so that questions on one picture stay together, or else what is asked.

        Not its name: rows that are alike but for it would be in two splits. Not its target: one that is mended moves
        no row.
        """
        files, asked = (
            [row.values.get(column) for name in names for column in _columns(mapped, name)]
            for names in (self.files, self.asked)
        )
        return files if any(files) else asked or _read(row, mapped)

    def count_shared(self) -> None:
        """Count the rows of training that are rows of another split, too. A share holds such rows together, so these
        splits were given, and official ones have some: they stay as they are.
        """
        import numpy as np

        train = np.frombuffer(self.contents.pop(TRAIN, array("Q")), dtype=np.uint64)
        for name, digests in self.contents.items():
            other = np.frombuffer(digests, dtype=np.uint64)
            places = np.flatnonzero(np.isin(train, other))
            if len(places):
                same = int(np.flatnonzero(other == train[places[0]])[0])
                titles = self._title(TRAIN, int(places[0])), self._title(name, same)
                self.placed.shared[name] = RowsOfTwo(len(places), *titles)

    def _title(self, split: str, place: int) -> str:
        tables, rows = self.placed.splits[split]
        return self.tables[tables[place]].title(rows[place])

    def hold_filled(self) -> None:
        """Raise DataError where a split that was asked for has no row."""
        filled = {name for name, (_, rows) in self.placed.splits.items() if len(rows)}
        if self.data.split_by is not None:
            self._hold_named(filled)
        good = self.placed.rows - len(self.placed.bad)
        for name, share in self.shares.items():
            if share and name not in filled and good and not (name == VALIDATION and self.placed.share):
                raise DataError(
                    f"split `{name}` has 0 rows: a share of {share:g} of {good} rows held none out",
                    "C414",
                    f"{name}_share",
                    helps=(
                        f"ask for a larger --{name}-share ({name}_share:), or another --split-seed (split_seed:)",
                    ),
                )
        # without a share, rows at fault are why there are none, and they are told of by themselves
        held = any(self.shares.values()) or not self.placed.bad
        if TRAIN not in filled and good and held:
            raise DataError(
                f"split `{TRAIN}` has 0 rows: all {good} are held out",
                "C414",
                f"{VALIDATION}_share",
                helps=("make the shares smaller",),
            )

    def _hold_named(self, filled: set[str]) -> None:
        column = self.data.split_by
        if filled and TRAIN not in filled:
            shown = ", ".join(sorted(filled)[:SHOWN])
            raise DataError(
                f"no row says `{TRAIN}` in its column `{column}`, but {shown}", "C414", "split_by"
            )
        if len(filled) > MOST_SPLITS:
            raise DataError(
                f"column `{column}` has {len(filled)} values, and splits are few: {TRAIN}, {VALIDATION}, {TEST}",
                "C414",
                "split_by",
            )


def _columns(mapped: ColumnMap, name: str) -> tuple[str, ...]:
    found = mapped.columns.get(name, ())
    return (found,) if isinstance(found, str) else found


def _read(row: GivenRow, mapped: ColumnMap) -> list[object]:
    """What is read of a row, in the order of the inputs."""
    return [row.values.get(each) for name in sorted(mapped.columns) for each in _columns(mapped, name)]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, (bytes, bytearray)):
        return hashlib.blake2b(value).hexdigest()
    return dict(value) if isinstance(value, Mapping) else str(value)


def _digest(value: object) -> int:
    return int.from_bytes(hashlib.blake2b(_canonical(value), digest_size=8).digest(), "big")


def _drawn(key: object, seed: int) -> float:
    """A number from 0 to 1 that the key and the seed decide, whatever rows there are beside."""
    return _digest([seed, key]) / 2**64
