"""A user's own data in a recipe: files of rows, which columns are read, and how the rows are split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, refuse_all
from composer.problems import InputError

__all__ = ["ALIASES", "TRAINED_SPLIT", "DataRecipe", "OwnData", "data_recipe", "split_name"]

TRAINED_SPLIT = "train"
ALIASES = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "testing": "test",
}
"""Other names of splits, as data sets have them."""
Names = Union[str, list[str]]


def split_name(name: str) -> str:
    """The one name of a split that has several."""
    return ALIASES.get(name.lower(), name)


def _whole(value: object) -> object:
    """What is written short: `data: train.jsonl`, and several files."""
    return {"files": value} if isinstance(value, (str, list)) else value


def _by_split(value: object) -> object:
    """Files by split; those under "" are split by a column or by shares."""
    if isinstance(value, str):
        return {"": [value]}
    if isinstance(value, list):
        return {"": value}
    if isinstance(value, Mapping):
        found: dict[object, Any] = {}
        for name, files in value.items():
            key = split_name(name) if isinstance(name, str) else name
            if key in found:
                raise ValueError(f"the files of split `{key}` are given twice: name the split once")
            found[key] = [files] if isinstance(files, str) else files
        return found
    return value


class DataRecipe(Config):
    """Rows of files: of each, inputs read the columns of their names."""

    model_config = ConfigDict(allow_inf_nan=False)

    files: Annotated[
        dict[str, list[str]],
        BeforeValidator(_by_split, json_schema_input_type=Union[str, list[str], dict[str, Names]]),
    ]
    """A table (.csv, .tsv, .jsonl, .parquet), a folder with a folder of files for each class, or a data set that the
    library `datasets` saved; several of them; or those of every split. Paths are relative to the recipe."""
    columns: dict[str, Names] = Field(default_factory=dict)
    """Input of the task or its objective to the column that it reads, where it has another name; several make the list
    of an input that takes one, and `prompt.question` is an entry of a map."""
    id: str | None = None
    """Column that names a row (`id` where there is one): no two rows have the same."""
    media_root: str | None = None
    """Where paths in rows begin, and what they may not leave; the folder of the file where left out."""
    split_by: str | None = None
    """Column that says the split of a row."""
    validation_share: float | None = Field(default=None, ge=0, lt=1)
    """Share of the rows of training that is held out as split `validation`, by what is in a row: more rows move none.
    Left out, it is 0.1 of 50 rows or more whose splits are not given; 0 holds out none."""
    test_share: float = Field(default=0.0, ge=0, lt=1)
    """The same for split `test`."""
    split_seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Draws which rows are held out."""
    bad_rows: Literal["stop", "skip"] = "stop"
    """What becomes of a run with rows that cannot be used: it stops before its first step, or leaves them out and says
    so. Where more than half are at fault, it stops."""
    absent_classes: Literal["stop", "allow"] = "stop"
    """What becomes of a run where a class that the document names does not occur in training."""

    @field_validator("files")
    @classmethod
    def _some(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for split, files in value.items():
            if not files or not all(files):
                raise ValueError(f"there are no files{f' for split `{split}`' if split else ''}: name one")
        if not value:
            raise ValueError("there are no files: name one")
        if "" not in value and TRAINED_SPLIT not in value:
            raise ValueError(
                f"there are files for {', '.join(value)}, and none for `{TRAINED_SPLIT}`: name them too"
            )
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        refuse_all(self._faults())
        return self

    def _faults(self) -> Iterator[str]:
        shares = (self.validation_share or 0) + self.test_share
        if shares >= 1:
            yield f"the shares come to {shares:g}, which leaves no row to train with: make them smaller"
        if self.split_by is not None and "" not in self.files:
            yield "the files are given by split, and `split_by` splits them again: leave one of both out"
        if self.split_by is not None and shares:
            yield "`split_by` says the split of every row, and a share draws it: leave one of both out"
        for name, share in (("validation", self.validation_share or 0), ("test", self.test_share)):
            if share and name in self.files:
                yield f"split `{name}` has files and a share: leave one of both out"


def data_recipe(data: DataRecipe | str | Mapping[str, object]) -> DataRecipe:
    """The data as a recipe has them under `data`. Raises InputError for what could not stand there."""
    if isinstance(data, DataRecipe):
        return data
    try:
        return DataRecipe.model_validate(_whole(data if not hasattr(data, "__fspath__") else str(data)))
    except ValidationError as error:
        told = (
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" if each["loc"] else each["msg"]
            for each in error.errors()
        )
        raise InputError("; ".join(each.replace("Value error, ", "") for each in told)) from None


OwnData = Annotated[
    DataRecipe, BeforeValidator(_whole, json_schema_input_type=Union[str, list[str], DataRecipe])
]
