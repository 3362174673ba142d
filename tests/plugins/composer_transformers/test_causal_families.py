"""Decoder-only models of every family against transformers called by hand: the same scores, the same texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import pytest
import torch
from tiny_folders import CONFIGS, END, PAD, save_folder

import composer
from composer.execution import Model
from composer.types import Tokens

HEAD = """\
composer: 1
modules:
  lm: {uses: transformers.causal_lm, with: {folder: model}, weights: model}
tasks:
"""
TASK = """\
  {name}:
    inputs:
      text:
        modality: prompt
        with: {{tokenizer: model/tokenizer.json, template: "{{text}}", padding: {side}, frame: none}}
    nodes:
      words: {{call: lm.embed, inputs: {{tokens: text.tokens}}}}
      {nodes}
"""
TASKS = {
    "greedy": """reply: {generate: lm, inputs: {prompt: words}, with: {max_tokens: 9}}
    outputs: {ids: reply.ids}""",
    "beam": """reply:
        generate: lm
        inputs: {prompt: words}
        with: {max_tokens: 9, search: {uses: core.beam, with: {beams: 3, length_penalty: 1.0}}}
    outputs: {ids: reply.ids}""",
    "read": """whole:  {call: lm, inputs: {tokens: text.tokens}}
      again: {call: lm.score, inputs: {states: words}}
    outputs: {logits: whole, again: again}""",
}
TEXTS = ["w3 w17 w5 w40 w8 w9 w22 w1", "w60 w2", "w33 w34 w35 w36 w90"]


class Case(NamedTuple):
    document: Path
    theirs: Any
    left: Model
    right: Model


@pytest.fixture(scope="module", params=CONFIGS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    theirs = save_folder(folder / "model", request.param)
    models = []
    for side in ("left", "right"):
        tasks = "".join(TASK.format(name=name, side=side, nodes=nodes) for name, nodes in TASKS.items())
        (folder / f"{side}.yaml").write_text(HEAD + tasks)
        models.append(composer.load(folder / f"{side}.yaml"))
    return Case(folder / "left.yaml", theirs, *models)


def ids_of(texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Padded on the left, as the library wants prompts."""
    rows = [[int(word[1:]) + 4 for word in text.split()] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def written(ids: Any) -> list[list[int]]:
    """Ids up to the end of each text; ours begin with the start token."""
    rows = [list(map(int, row)) for row in ids]
    return [row[: row.index(END)] if END in row else row for row in rows]


@pytest.mark.parametrize("task", ["greedy", "beam"])
def test_texts_are_those_of_generate(case: Case, task: str) -> None:
    given = ids_of(TEXTS)
    beams = 3 if task == "beam" else 1
    with torch.no_grad():
        found = case.theirs.generate(**given, max_new_tokens=9, do_sample=False, num_beams=beams)
    wanted = written(found[:, given["input_ids"].shape[1] :])
    assert len({str(row) for row in wanted}) == len(TEXTS)  # the prompt matters
    for model in (case.left, case.right):
        together = model.run(task, text=TEXTS)["ids"]
        assert [
            row[: len(want)] for row, want in zip(written(together[:, 1:]), wanted, strict=True)
        ] == wanted
        for text, want in zip(TEXTS, wanted, strict=True):
            assert written([model.run(task, text=text)["ids"][1:]]) == [want]


def test_scores_are_the_same_wherever_padding_is(case: Case) -> None:
    with torch.no_grad():
        wanted = [case.theirs(input_ids=ids_of([text])["input_ids"]).logits[0] for text in TEXTS]
    for side, model in (("left", case.left), ("right", case.right)):
        found = model.run("read", text=TEXTS)
        for row, want in enumerate(wanted):
            here = slice(-len(want), None) if side == "left" else slice(None, len(want))
            for port in ("logits", "again"):
                torch.testing.assert_close(found[port][row, here], want, rtol=1e-4, atol=1e-4)


def test_every_key_of_the_folder_is_loaded(case: Case) -> None:
    assert case.left.loading is not None
    assert not case.left.loading.initialised


def test_a_cache_that_grows_gives_the_scores_of_one_with_fixed_room(case: Case) -> None:
    model: Any = case.left.modules["lm"]
    tokens = Tokens(*ids_of(TEXTS).values())
    parents = torch.tensor([[1, 0]] * len(TEXTS))
    scores, sizes = [], []
    with torch.no_grad():
        for note in (model.start(beams=2, max_tokens=9), model.start(beams=2, max_tokens=9).growing()):
            logits, cache = model.prefill(prompt=model.embed(tokens=tokens), cache=note)
            scores.append([logits])
            for ids in ([5, 40], [9, 17], [33, 8]):
                logits, cache = model.step(torch.tensor([ids] * len(TEXTS)), cache.reorder(parents))
                scores[-1].append(logits)
            sizes.append(cache.past.shape[5])
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-4, atol=1e-4)
    assert sizes == [9, 3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "backend"),
    [*((name, "export") for name in CONFIGS), ("gemma3", "inductor")],
    indirect=["case"],
)
def test_an_artifact_answers_as_the_live_model(case: Case, backend: str, tmp_path: Path) -> None:
    options = composer_compile.Options(backend=backend)
    composer_compile.compile_document(case.document, tmp_path / "artifact", tasks=["beam"], options=options)
    artifact = composer_compile.load(tmp_path / "artifact")
    wanted = case.left.run("beam", text=TEXTS)["ids"]
    assert written(artifact.run("beam", text=TEXTS)["ids"]) == written(wanted)
