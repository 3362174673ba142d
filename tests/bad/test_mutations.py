"""Documents spoilt at random, as slips of the hand do: they are told, never crash, and `--fix` does nobody harm.

The seeds are fixed. `python tests/bad/test_mutations.py 1000 2000` tries other ones.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from composer.graph import Report, check
from composer.graph.mending import mend
from composer.plugin import load_registry
from composer.problems.render import render

FOLDER = Path(__file__).parent
REGISTRY = load_registry()
DOCUMENTS = sorted(path for path in FOLDER.glob("*.yaml") if path.stat().st_size < 20_000)
SHIPPED = sorted((FOLDER.parents[1] / "graphs").glob("*.yaml"))
TOKEN = re.compile(r"[\w.$-]+|[^\w\s]|\n *| +")
VALUES = (
    *(
        "null",
        "true",
        "1",
        "-1",
        "1.5",
        "1e999",
        ".nan",
        "0x1F",
        "9" * 30,
        "no",
        "None",
        "''",
        "~",
        "$x",
        "$hidden",
        "${x}",
    ),
    *(
        "[]",
        "{}",
        "[[[]]]",
        "{a: b}",
        "[B, N*2, 8]",
        "[-1, N]",
        "N+M",
        "*a",
        "&a x",
        "!!str 1",
        '"\\0"',
        "- x",
        "? x",
        "#",
    ),
    *(
        "a.b.c",
        "a/b",
        "text",
        "core.linear",
        "video",
        "states",
        "nodes",
        "inputs",
        "objective",
        "compile",
        "with",
        "uses",
    ),
    *("call", "extends", "quickstart", "parents/embed.yaml", "é", "@x", "`x`", "%x", "|\n  x"),
)
SIGNS = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\t",
    "'",
    '"',
    "&a ",
    "*a",
    "| ",
    "\0",
    "\x1b",
    "\u2028",
    "\u202e",
)
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


def respelt(chance: random.Random, word: str) -> str:
    """A word with a letter left out, added, changed or swapped, or as another word."""
    at = chance.randrange(len(word))
    return chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + chance.choice("abxyz_.-$1 :") + word[at:],
            word[:at] + chance.choice("abdeosxyz1") + word[at + 1 :],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
            chance.choice(VALUES),
            *(
                f"{word}.{word}",
                f"{word}_b",
                f"{word}1",
                word.upper(),
                f"{word}s",
                f"x.{word}",
                f'"{word}"',
                f"{word}:",
            ),
        )
    )


def mutated(chance: random.Random, text: str) -> str:
    tokens = TOKEN.findall(text)
    words = [index for index, token in enumerate(tokens) if re.match(r"[\w$]", token)]
    if not words:
        return text
    what, one, other = chance.randrange(8), chance.choice(words), chance.choice(words)
    if what < 3:
        tokens[one] = respelt(chance, tokens[one])
    elif what == 3:
        tokens[one], tokens[other] = tokens[other], tokens[one]
    elif what == 4:
        tokens[chance.randrange(len(tokens))] = chance.choice(SIGNS)
    elif what == 5:
        del tokens[chance.randrange(len(tokens))]
    else:
        lines = text.split("\n")
        line = chance.randrange(len(lines))
        copied = lines[chance.randrange(len(lines))]
        changed = (f"  {lines[line]}", lines[line][2:], f"{lines[line]} {chance.choice(VALUES)}", copied, "")
        lines[line : line + chance.randrange(2)] = [chance.choice(changed)]
        return "\n".join(lines)
    return "".join(tokens)


def errors(report: Report) -> Counter[tuple[str, str, str]]:
    return Counter((problem.place.file, problem.code, problem.message) for problem in report.errors)


def formats_are_valid(report: Report) -> None:
    for format in ("json", "sarif"):
        written = render(report.problems, report.sources, format)
        assert written.isascii()
        json.loads(written)
    for format in ("text", "github"):
        assert not STEERING.search(render(report.problems, report.sources, format))


def tried(seed: int) -> None:
    """One document, spoilt in one to three places, in the working directory."""
    chance = random.Random(seed)
    text = (
        chance.choice(DOCUMENTS if chance.random() < 0.8 else SHIPPED).read_bytes().decode("utf-8", "replace")
    )
    for _ in range(chance.choice((1, 1, 2, 3))):
        text = mutated(chance, text)
    path = Path("mutant.yaml")
    path.write_text(text, encoding="utf-8", newline="")
    before = check(str(path), registry=REGISTRY)
    formats_are_valid(before)
    mended = mend([str(path)], REGISTRY)
    assert set(mended.after) <= {str(path)}
    if not mended.after:
        return
    path.write_text(mended.after[str(path)], encoding="utf-8", newline="")
    after = check(str(path), registry=REGISTRY)
    assert not mend([str(path)], REGISTRY).after, "a second run changes nothing"
    if all(problem.code != "C101" for problem in mended.fixed):  # what a misspelt key hid comes to light
        assert not errors(after) - errors(before)
        assert sum(errors(after).values()) < sum(errors(before).values())


@pytest.mark.parametrize("seed", range(20))
def test_a_spoilt_document_is_told_and_never_mended_into_another(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FOLDER / "parents", tmp_path / "parents")
    for number in range(8):
        tried(1000 * seed + number)


if __name__ == "__main__":
    for number in range(*map(int, sys.argv[1:3])):
        tried(number)
