"""Encoders with decoders against transformers called by hand: the same texts, alone and in batches; the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import pytest
import torch
from composer_compile.plan.planner import plan_document
from tiny_folders import END, PAD, SEQ2SEQ_CONFIGS, save_folder
from transformers import GenerationMixin

import composer
from composer.execution import Model
from composer.types import States, Tokens

DOCUMENT = """\
composer: 1
modules:
  model: {uses: transformers.seq2seq, with: {folder: model}, weights: model}
tasks:
  greedy:
    inputs: {text: {modality: text, for: model}}
    nodes:
      read:  {call: model, inputs: {tokens: text.tokens}}
      reply: {generate: model, inputs: {memory: read}, with: {max_tokens: 9}}
    outputs: {ids: reply.ids}
  beam:
    inputs: {text: {modality: text, for: model}}
    nodes:
      read:  {call: model, inputs: {tokens: text.tokens}}
      reply:
        generate: model
        inputs: {memory: read}
        with: {max_tokens: 9, search: {uses: core.beam, with: {beams: 3, length_penalty: 1.0}}}
    outputs: {ids: reply.ids}
"""
TEXTS = ["w3 w17 w5 w40 w8 w9 w22 w1", "w60 w2", "w33 w34 w35 w36 w90"]


class Case(NamedTuple):
    document: Path
    theirs: Any
    model: Model


READERS = [name for name in SEQ2SEQ_CONFIGS if name != "whisper"]


@pytest.fixture(scope="module", params=READERS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    theirs = save_folder(folder / "model", request.param)
    (folder / "a.yaml").write_text(DOCUMENT)
    return Case(folder / "a.yaml", theirs, composer.load(folder / "a.yaml"))


def ids_of(texts: Sequence[str]) -> dict[str, torch.Tensor]:
    rows = [[int(word[1:]) + 4 for word in text.split()] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def written(ids: Any) -> list[list[int]]:
    """What stands between the token that opens a text and the one that ends it."""
    rows = [list(map(int, row))[1:] for row in ids]
    return [row[: row.index(END)] if END in row else row for row in rows]


@pytest.mark.parametrize("task", ["greedy", "beam"])
def test_texts_are_those_of_generate(case: Case, task: str) -> None:
    beams = 3 if task == "beam" else 1
    with torch.no_grad():
        found = case.theirs.generate(**ids_of(TEXTS), max_new_tokens=9, do_sample=False, num_beams=beams)
    wanted = written(found)
    assert len({str(row) for row in wanted}) > 1
    together = written(case.model.run(task, text=TEXTS)["ids"])
    assert [row[: len(want)] for row, want in zip(together, wanted, strict=True)] == wanted
    for text, want in zip(TEXTS, wanted, strict=True):
        assert written([case.model.run(task, text=text)["ids"]]) == [want]


RULES: list[tuple[str, dict[str, Any]]] = [
    (
        "{max_tokens: 9, search: {uses: core.greedy, with: {repetition_penalty: 1.7}}}",
        {"repetition_penalty": 1.7},
    ),
    ("{max_tokens: 9, search: {uses: core.greedy, with: {no_repeat_ngram: 1}}}", {"no_repeat_ngram_size": 1}),
    ("{max_tokens: 9, search: {uses: core.greedy, with: {no_repeat_ngram: 2}}}", {"no_repeat_ngram_size": 2}),
    ("{max_tokens: 9, min_tokens: 6}", {"min_new_tokens": 6}),
    (
        "{max_tokens: 9, search: {uses: core.greedy, with: {forbidden: [7, [9, 11], 12]}}}",
        {"bad_words_ids": [[7], [9, 11], [12]]},
    ),
    (
        f"{{max_tokens: 9, search: {{uses: core.greedy, with: {{first: 8, last: {END}}}}}}}",
        {"forced_bos_token_id": 8, "forced_eos_token_id": END},
    ),
    *(
        (
            f"{{max_tokens: 9, search: {{uses: core.beam, with: {{beams: 3, {ours}}}}}}}",
            {"num_beams": 3, **theirs},
        )
        for ours, theirs in (
            ("length_penalty: 0.0", {"length_penalty": 0.0}),
            ("length_penalty: 2.0, early_stop: true", {"length_penalty": 2.0, "early_stopping": True}),
            ("length_penalty: 1.0, early_stop: never", {"length_penalty": 1.0, "early_stopping": "never"}),
            (
                "length_penalty: 1.0, no_repeat_ngram: 2, forbidden: [7, 12]",
                {"length_penalty": 1.0, "no_repeat_ngram_size": 2, "bad_words_ids": [[7], [12]]},
            ),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("search", "theirs"), RULES, ids=[str(theirs) for _, theirs in RULES])
def test_every_rule_writes_what_generate_writes(case: Case, search: str, theirs: dict[str, Any]) -> None:
    with torch.no_grad():
        found = case.theirs.generate(**ids_of(TEXTS), max_new_tokens=9, do_sample=False, **theirs)
    wanted = written(found)
    document = DOCUMENT.partition("  beam:")[0].replace("with: {max_tokens: 9}", f"with: {search}")
    path = case.document.with_name("rules.yaml")
    path.write_text(document)
    model = composer.load(path)
    together = written(model.run("greedy", text=TEXTS)["ids"])
    assert [row[: len(want)] for row, want in zip(together, wanted, strict=True)] == wanted
    assert written([model.run("greedy", text=TEXTS[1])["ids"]]) == [wanted[1]]


def test_what_is_taught_is_scored_as_by_the_library(case: Case) -> None:
    given, reply = ids_of(TEXTS), torch.tensor([[7, 8, 9, END]] * 3)
    start = torch.full((3, 1), case.theirs.config.decoder_start_token_id)
    with torch.no_grad():
        wanted = case.theirs(**given, decoder_input_ids=torch.cat((start, reply[:, :-1]), 1)).logits
        module: Any = case.model.modules["model"]
        memory: States = module.encode(tokens=Tokens(given["input_ids"], given["attention_mask"]))
        found = module.teach(memory=memory, reply=Tokens(reply, torch.ones_like(reply)))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_node_can_be_planned(case: Case, precision: str) -> None:
    """Positions of sines, which no checkpoint holds, have values where everything else has none. In half precision the
    library would look at values of BART and Marian.
    """
    plan = plan_document(case.document, options=composer_compile.Options(precision=precision))
    assert {stage.name for task in plan.tasks for stage in task.stages} >= {"encode", "reply.decode"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "backend"),
    [*((name, "export") for name in READERS), ("t5", "inductor")],
    indirect=["case"],
)
def test_an_artifact_answers_as_the_live_model(case: Case, backend: str, tmp_path: Path) -> None:
    options = composer_compile.Options(backend=backend)
    composer_compile.compile_document(case.document, tmp_path / "artifact", tasks=["beam"], options=options)
    artifact = composer_compile.load(tmp_path / "artifact")
    wanted = case.model.run("beam", text=TEXTS)["ids"]
    assert written(artifact.run("beam", text=TEXTS)["ids"]) == written(wanted)


HEARS = """\
composer: 1
modules:
  model: {uses: transformers.seq2seq, with: {folder: model}, weights: model}
tasks:
  greedy:
    inputs: {sound: {modality: array, with: {kind: states, dims: [B, 20, 6]}}}
    nodes:
      heard: {call: model, inputs: {mels: sound}}
      reply: {generate: model, inputs: {memory: heard}, with: {max_tokens: 9}}
    outputs: {ids: reply.ids}
  beam:
    inputs: {sound: {modality: array, with: {kind: states, dims: [B, 20, 6]}}}
    nodes:
      heard: {call: model, inputs: {mels: sound}}
      reply:
        generate: model
        inputs: {memory: heard}
        with: {max_tokens: 9, search: {uses: core.beam, with: {beams: 3, length_penalty: 1.0}}}
    outputs: {ids: reply.ids}
  begun:
    inputs: {sound: {modality: array, with: {kind: states, dims: [B, 20, 6]}}}
    nodes:
      heard: {call: model, inputs: {mels: sound}}
      reply:
        generate: model
        inputs: {memory: heard}
        with: {max_tokens: 9, search: {uses: core.greedy, with: {first: [40, 41]}}}
    outputs: {ids: reply.ids}
  begun-beam:
    inputs: {sound: {modality: array, with: {kind: states, dims: [B, 20, 6]}}}
    nodes:
      heard: {call: model, inputs: {mels: sound}}
      reply:
        generate: model
        inputs: {memory: heard}
        with:
          max_tokens: 9
          search: {uses: core.beam, with: {beams: 3, length_penalty: 2.0, first: [40, 41], count_first: false}}
    outputs: {ids: reply.ids}
"""


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("whisper")
    theirs = save_folder(folder / "model", "whisper")
    (folder / "a.yaml").write_text(HEARS)
    return Case(folder / "a.yaml", theirs, composer.load(folder / "a.yaml"))


def sounds() -> list[States]:
    values = torch.randn(3, 20, 6, generator=torch.Generator().manual_seed(2)) * 3
    return [States(each.numpy(), None) for each in values]


def written_by_the_library(model: Any, task: str) -> list[list[int]]:
    """`begun` gives what published models begin with, tokens that say language and task; no length counts them."""
    mels = torch.stack([torch.from_numpy(each.values) for each in sounds()]).transpose(1, 2)
    with torch.no_grad():
        if not task.startswith("begun"):
            found: Any = model.generate(
                mels, max_new_tokens=9, do_sample=False, num_beams=3 if task == "beam" else 1
            )
            return [[1, *row] for row in found.tolist()]
        begun = torch.tensor([[model.config.decoder_start_token_id, 40, 41]] * 3)
        found = GenerationMixin.generate(
            model, mels, decoder_input_ids=begun, max_new_tokens=7, do_sample=False,
            num_beams=3 if task == "begun-beam" else 1, length_penalty=2.0,
        )  # fmt: skip
        return list(found.tolist())


@pytest.mark.parametrize("task", ["greedy", "beam", "begun", "begun-beam"])
def test_what_is_heard_is_written_as_by_generate(hearing: Case, task: str) -> None:
    wanted = written(written_by_the_library(hearing.theirs, task))
    assert len({str(row) for row in wanted}) > 1
    together = written(hearing.model.run(task, sound=sounds())["ids"])
    assert [row[: len(want)] for row, want in zip(together, wanted, strict=True)] == wanted
    for sound, want in zip(sounds(), wanted, strict=True):
        assert written([hearing.model.run(task, sound=sound)["ids"]]) == [want]


@pytest.mark.slow
def test_an_artifact_hears_as_the_live_model(hearing: Case, tmp_path: Path) -> None:
    composer_compile.compile_document(hearing.document, tmp_path / "artifact", tasks=["beam"])
    artifact = composer_compile.load(tmp_path / "artifact")
    wanted = hearing.model.run("beam", sound=sounds())["ids"]
    assert written(artifact.run("beam", sound=sounds())["ids"]) == written(wanted)
