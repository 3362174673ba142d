"""A manifest that somebody edited, digest and all: refused in one sentence, never by an exception midway."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.artifact import container, manifest_file
from composer_compile.artifact.container import open_container
from composer_compile.artifact.summary import as_json, summary_lines
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.errors import ArtifactError
from composer_compile.parity.records import verify_samples

from composer.plugin import load_registry
from composer.problems import ComposerError

VALUES: tuple[Any, ...] = (None, -1, 0, 10**9, "x", "", [], {}, "batch", 1.5, True, "7", ...)
"""What takes the place of a value; `...` removes it."""
RUNS = 4
"""Of the edits that the manifest's own check accepts, as many are run."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def edited(data: dict[str, Any], path: tuple[Any, ...], value: Any) -> bytes:
    """The manifest with one value changed, and the digest that belongs to it."""
    changed = copy.deepcopy(data)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    changed["digest"] = manifest_file._digest({key: item for key, item in changed.items() if key != "digest"})
    return manifest_file._dumped(changed)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are read once for all edits."""
    real, known = ExportLoader.load, {}

    def load(self: ExportLoader, file: Any, content: memoryview, weights: list[Any], device: Any) -> Any:
        key = (hashlib.sha256(content).hexdigest(), len(weights), None in weights)
        if key not in known:
            known[key] = real(self, file, content, weights, device)
        return known[key]

    monkeypatch.setattr(ExportLoader, "load", load)


@pytest.mark.parametrize(
    ("edits", "seed"), [(25, 11), pytest.param(150, 12, marks=pytest.mark.slow, id="more edits")]
)
def test_an_edit_is_refused_or_does_no_harm(
    copied: Path, quick: None, clip: Any, edits: int, seed: int
) -> None:
    path = copied / container.MANIFEST
    data = json.loads(path.read_text())
    found = [each for each in places(data) if each and each[0] not in ("digest", "files", "weights")]
    chance, registry = random.Random(seed), load_registry()
    refused, runs = 0, 0
    for _ in range(edits):
        path.write_bytes(edited(data, chance.choice(found), chance.choice(VALUES)))
        try:
            opened = open_container(copied)
            assert "\n".join(summary_lines(opened))
            assert json.dumps(as_json(opened), allow_nan=False)
            if runs == RUNS:
                continue
            runs += 1
            with composer_compile.load(copied, registry=registry) as artifact:
                for name in artifact.tasks:
                    inputs = artifact.manifest.tasks[name].inputs
                    artifact.run(name, **{key: clip(1) if key == "video" else "it is" for key in inputs})
                verify_samples(artifact)
        except ComposerError:
            refused += 1
    assert refused > edits / 4
    assert runs == RUNS


FAULTS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "tasks.classify.outputs.scores: nothing gives nose": (
        ("tasks", "classify", "outputs", "scores", "values"),
        ["nose"],
    ),
    "tasks.classify.inputs.question.ports.tokens: it is 'tokens[B'": (
        ("tasks", "classify", "inputs", "question", "ports", "tokens"),
        "tokens[B",
    ),
    "tasks.classify.limits.M: it goes from 1 to 4": (("tasks", "classify", "limits"), {"M": [1, 4]}),
    "tasks.classify.ranges.batch: it is 9..4": (("tasks", "classify", "ranges", "batch", "low"), 9),
    "parity: it says nothing of task": (("parity",), {}),
    "there is no file programs/none.pt2": (
        ("tasks", "classify", "order", 0, "programs", 0, "file"),
        "programs/none.pt2",
    ),
    "there is no weight none": (("tasks", "classify", "order", 0, "programs", 0, "weights", 0), "none"),
    "none of its inputs counts nose": (("tasks", "classify", "order", 0, "samples"), "nose"),
    "is complex128": (("tasks", "classify", "given", 0, "dtype"), "complex128"),
}


@pytest.mark.parametrize("message", FAULTS)
def test_what_does_not_fit_together_is_named(copied: Path, message: str) -> None:
    path = copied / container.MANIFEST
    path.write_bytes(edited(json.loads(path.read_text()), *FAULTS[message]))
    with pytest.raises(ArtifactError) as caught:
        open_container(copied)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"format": NaN}',
        b'{"format": 1e999}',
        b"\xff\xfe",
        b"\x00",
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / container.MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        open_container(tmp_path)
