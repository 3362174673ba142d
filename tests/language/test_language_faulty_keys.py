"""Documents with keys that are not names: reported, whatever they are, and never a traceback."""

from __future__ import annotations

import pytest
from documents import checked

TASK = (
    "tasks:\n  t:\n    inputs:\n      {key}: {{modality: text, with: {{tokenizer: bert-uncased}}}}\n"
    "    outputs: {{o: x}}\n"
)
"""A task whose input has a key, and whose output names nothing."""


@pytest.mark.parametrize(
    "text",
    [
        *(TASK.format(key=key) for key in ("1", "true", "null", "-1", ".nan", "[]", "{a: b}", "!!int x", "")),
        "tasks:\nmodules: {m: {uses: x}}\ntasks: {}\n",
        "!!int x: 1\nmodules: [a]\n",
        "extends: .\n",
        "extends: ..\n",
        "extends: /\n",
        "modules:\n  []:\n  m: {uses: x, size: 1}\n",
        "modules:\n  .nan:\n  m: {size: 1}\n",
        "tasks:\n  {a: b}:\n    inputs:\n    node: {}\n",
        "parameters: {true: 7}\n",
    ],
)
def test_a_key_that_is_no_name_is_a_problem(text: str) -> None:
    assert checked("composer: 1\n" + text).errors
