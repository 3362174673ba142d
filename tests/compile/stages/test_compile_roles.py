"""What a tensor is for is said by the kind of its port, whatever the port is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact.manifest import StageEntry
from composer_compile.artifact.manifest_file import read_manifest
from composer_compile.tensors.differences import difference

from composer.types import Field, Kind, Tokens

DOCUMENT = """\
composer: 1
modules:
  head: {uses: core.linear, with: {output_dim: 3}}
tasks:
  pick:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes:
      chosen: {call: head.scores, inputs: {embedding: vector.embedding}}
      shares: {uses: core.softmax, inputs: {scores: chosen.scores}}
      moved: {call: head.embedding, inputs: {embedding: vector.embedding}}
    outputs: {one: chosen.scores, two: shares, three: moved}
"""


def test_a_mask_is_named_by_what_it_hides(small: Any) -> None:
    manifest = read_manifest((small.artifact / "manifest.json").read_bytes(), "it")
    given = {each.name: each for each in manifest.tasks["video-qa"].given}
    ids, mask, frames = (
        given[name] for name in ("question.tokens.ids", "question.tokens.mask", "video.frames")
    )
    assert (ids.role, ids.masked_by) == ("values", mask.name)
    assert (mask.role, mask.masked_by) == ("mask", None)
    assert (frames.role, frames.masked_by) == ("values", None)


def test_scores_are_known_by_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "pick.yaml"
    path.write_text(DOCUMENT)
    manifest = composer_compile.compile_document(path, tmp_path / "out", weights="initial")
    (stage,) = manifest.tasks["pick"].order
    assert isinstance(stage, StageEntry)
    roles = {each.name: each.role for each in stage.outputs}
    assert roles == {"chosen.scores": "ranked", "shares.probabilities": "ranked", "moved.embedding": "values"}
    parity = manifest.parity["pick"]
    assert {each.output: each.argmax for each in parity.differences} == {
        **{"chosen.scores": 1.0, "shares.probabilities": 1.0, "moved.embedding": None},
        **{"one": 1.0, "two": 1.0, "three": None},
    }


def test_choices_that_differ_are_counted() -> None:
    ours, theirs = torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    assert difference("any", {}, ours, theirs, ranked=True).argmax == 0.5
    assert difference("logits", {}, ours, theirs).argmax is None


def test_a_kind_names_a_mask_that_it_has() -> None:
    fields = {"ids": Field("int64", (0, 1)), "mask": Field("int64", (0, 1))}
    with pytest.raises(ValueError, match="kind k has no field 'masks' in a record, which its `mask` names"):
        Kind("k", "x", ("batch", "length"), fields, record=Tokens, mask="masks")
