"""Rotary positions along three axes: those of transformers' Qwen2-VL and Qwen2.5-VL, to the last token."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import numpy as np
import pytest
import torch
import transformers
from tiny_folders import END, GROUPED, IMAGE, save_tokenizer
from torch import Tensor

import composer
from composer.execution import Model
from composer.types import States

GRID = (1, 2, 3)
PLACES = 6
DOCUMENT = """\
composer: 1
modules:
  lm: {uses: transformers.causal_lm, with: {folder: model}, weights: model}
tasks:
  given:
    inputs:
      prompt: {modality: array, with: {kind: states, dims: [B, P, 32]}}
      places: {modality: array, with: {kind: positions, dims: [B, 3, P]}}
    nodes:
      read:  {call: lm.score, inputs: {states: prompt, positions: places}}
      reply: {generate: lm, inputs: {prompt: prompt, positions: places}, with: {max_tokens: 9}}
    outputs: {logits: read, ids: reply.ids}
  ask:
    inputs:
      seen: {modality: array, with: {kind: states, dims: [P, 6, 32]}}
      question:
        modality: prompt
        for: lm
        with: {template: "w1 {seen} {question}", media: {seen: 6}, padding: left, frame: none, max_tokens: 40}
    nodes:
      words:  {call: lm.embed, inputs: {tokens: question.tokens}}
      mixed:  {uses: core.fill, inputs: {text: words, media: seen, places: question.seen}}
      places:
        uses: core.grid_positions
        with: {grid: [1, 2, 3]}
        inputs: {tokens: question.tokens, places: question.seen}
      reply:  {generate: lm, inputs: {prompt: mixed.states, positions: places}, with: {max_tokens: 9}}
    outputs: {ids: reply.ids, places: places}
"""
ROWS = [
    [5, 6, *[IMAGE] * PLACES, 7, 8, 9],
    [*[IMAGE] * PLACES, 10],
    [20, 21, 22, 23, *[IMAGE] * PLACES, 24, *[IMAGE] * PLACES, 25],
]
"""Prompts of words and pictures."""


class Case(NamedTuple):
    folder: Path
    theirs: Any
    model: Model


@pytest.fixture(scope="module", params=["Qwen2VL", pytest.param("Qwen2_5_VL", marks=pytest.mark.slow)])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    whole = getattr(transformers, f"{request.param}Config")
    text = {
        **GROUPED,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]},
    }
    vision = {"depth": 1, "num_heads": 2, "spatial_merge_size": 2}
    own = {"embed_dim": 16, "hidden_size": 32} if request.param == "Qwen2VL" else {"out_hidden_size": 32}
    config = whole(text_config=text, vision_config={**vision, **own}, image_token_id=IMAGE)
    torch.manual_seed(5)
    theirs = getattr(transformers, f"{request.param}ForConditionalGeneration")(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    theirs.save_pretrained(folder / "model")
    save_tokenizer(folder / "model")
    (folder / "a.yaml").write_text(DOCUMENT)
    return Case(folder, theirs, composer.load(folder / "a.yaml"))


def positions_of(theirs: Any, row: list[int]) -> Tensor:
    """[3, L] by the library; its grids count patches, of which 2 x 2 become one place."""
    ids = torch.tensor([row])
    grids = torch.tensor([[GRID[0], 2 * GRID[1], 2 * GRID[2]]] * (row.count(IMAGE) // PLACES))
    found: Tensor = theirs.model.get_rope_index(ids, (ids == IMAGE).int(), image_grid_thw=grids)[0][:, 0]
    return found


def states_of(theirs: Any, row: list[int]) -> Tensor:
    """[L, 32]: words, and pictures that are noise."""
    words: Tensor = theirs.get_input_embeddings()(torch.tensor(row)).detach()
    noise = torch.from_numpy(np.random.default_rng(len(row)).standard_normal(words.shape)).float()
    return torch.where((torch.tensor(row) == IMAGE)[:, None], noise, words)


def written_by_hand(theirs: Any, row: list[int]) -> tuple[Tensor, list[int]]:
    """The library's scores [L, V], and greedy ids: every step reads the whole text again."""
    states, positions = states_of(theirs, row)[None], positions_of(theirs, row)[:, None]
    ids: list[int] = []
    first = None
    with torch.no_grad():
        for _ in range(9):
            hidden = theirs.model.language_model(
                inputs_embeds=states, position_ids=positions, use_cache=False
            )
            logits = theirs.lm_head(hidden.last_hidden_state)[0]
            first = logits if first is None else first
            ids.append(int(logits[-1].argmax()))
            if ids[-1] == END:
                break
            states = torch.cat((states, theirs.get_input_embeddings()(torch.tensor([ids[-1:]]))), 1)
            positions = torch.cat((positions, positions.amax().expand(3, 1, 1) + 1), 2)
    assert first is not None
    return first, ids


def padded(theirs: Any, side: str) -> tuple[list[States], list[Any]]:
    longest = max(map(len, ROWS))
    prompts, places = [], []
    for row in ROWS:
        states, positions = states_of(theirs, row).numpy(), positions_of(theirs, row).numpy()
        room = (longest - len(row), 0) if side == "left" else (0, longest - len(row))
        mask = np.pad(np.ones(len(row), dtype=np.int64), room)
        prompts.append(States(np.pad(states, (room, (0, 0)), constant_values=7.0), mask))
        places.append(np.pad(positions, ((0, 0), room), constant_values=99))
    return prompts, places


@pytest.mark.parametrize("side", ["left", "right"])
def test_scores_and_texts_are_those_of_the_library(case: Case, side: str) -> None:
    prompts, places = padded(case.theirs, side)
    found = case.model.run("given", prompt=prompts, places=places)
    texts = set()
    for row, prompt in enumerate(prompts):
        logits, ids = written_by_hand(case.theirs, ROWS[row])
        ours = found["logits"][row][torch.from_numpy(prompt.mask) > 0]
        assert torch.allclose(ours, logits, atol=1e-4)
        assert found["ids"][row].tolist()[1 : 1 + len(ids)] == ids
        alone = case.model.run("given", prompt=prompt, places=places[row])
        assert alone["ids"].tolist()[1 : 1 + len(ids)] == ids
        texts.add(str(ids))
    assert len(texts) == len(ROWS)


def test_positions_matter(case: Case) -> None:
    prompts, places = padded(case.theirs, "right")
    with_them = case.model.run("given", prompt=prompts, places=places)["logits"]
    flat = [np.tile(np.arange(each.shape[1]), (3, 1)) for each in places]
    without = case.model.run("given", prompt=prompts, places=flat)["logits"]
    assert not torch.allclose(with_them[0], without[0], atol=1e-2)


def test_a_prompt_with_pictures_stands_where_the_library_puts_it(case: Case) -> None:
    seen = [States(states_of(case.theirs, ROWS[row]).numpy()[:PLACES] * 0 + row) for row in range(2)]
    found = case.model.run("ask", seen=seen, question=["w3 w4", "w5 w6 w7 w8"])
    assert found["places"].shape == (2, 3, 11)
    for row, words in enumerate((2, 4)):
        length = 1 + PLACES + words
        expected = positions_of(case.theirs, [5, *[IMAGE] * PLACES, *[9] * words])
        assert (found["places"][row][:, 11 - length :] == expected).all()
        assert (found["places"][row][:, : 11 - length] == 0).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "backend"),
    [("Qwen2VL", "export"), ("Qwen2_5_VL", "export"), ("Qwen2VL", "inductor")],
    indirect=["case"],
)
def test_an_artifact_writes_what_the_live_model_does(case: Case, backend: str, tmp_path: Path) -> None:
    options = composer_compile.Options(backend=backend)
    composer_compile.compile_document(case.folder / "a.yaml", tmp_path / "artifact", options=options)
    artifact = composer_compile.load(tmp_path / "artifact")
    prompts, places = padded(case.theirs, "left")
    wanted = case.model.run("given", prompt=prompts, places=places)
    found = artifact.run("given", prompt=prompts, places=places)
    assert found["ids"].tolist() == wanted["ids"].tolist()
    seen = [States(states_of(case.theirs, ROWS[0]).numpy()[:PLACES])] * 2
    asked = {"seen": seen, "question": ["w3 w4", "w5 w6 w7 w8"]}
    assert artifact.run("ask", **asked)["ids"].tolist() == case.model.run("ask", **asked)["ids"].tolist()
