"""A user's own data: tables, folders of pictures and data sets on disk as what a task is trained and scored with."""

from composer.data.data_faults import BadRow, DataError
from composer.data.own_rows import OwnRows, OwnSamples, read_own

__all__ = ["BadRow", "DataError", "OwnRows", "OwnSamples", "read_own"]
