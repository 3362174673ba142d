"""The table of problem codes: what each means, with a document that has it and one that does not."""

from composer.problems.codes.table import CODES, Code

__all__ = ["CODES", "Code"]
