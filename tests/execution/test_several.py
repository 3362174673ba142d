"""Inputs that samples may lack or have several values of: none, one and many, alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import composer
from composer.execution import Model
from composer.language import Source
from composer.problems import InputError
from composer.types import States

DOCUMENT = """\
composer: 1
name: several
modules:
  vision:  {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:    {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 16, positions: 16}}
  fusion:  {uses: mplug2.fusion, with: {hidden: 16, heads: 2, layers: 1}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 16, heads: 2, layers: 1, positions: 16, vocabulary: 16, tokenizer: words.txt,
      start: 2, end: 3, pad: 0}
tasks:
  ask:
    inputs:
      pictures: {modality: image, with: {size: 16}, repeated: {at_most: 3}}
      question: {modality: text, with: {tokenizer: words.txt, max_tokens: 12}}
    nodes:
      seen:   {call: vision.image, inputs: {pixels: pictures.pixels}}
      visual: {uses: core.per_sample, inputs: {states: seen.states, items: pictures.items}}
      words:  {call: text, inputs: {tokens: question.tokens}}
      fused:  {call: fusion, inputs: {text: words.states, vision: visual.states}}
      vector: {uses: core.pool, inputs: {states: fused.text}}
    outputs: {vector: vector, visual: visual}
    compile: {ranges: {batch: "1..3", question.length: "3..8"}}
  look:
    inputs: {picture: {modality: image, with: {size: 16}, optional: true}}
    nodes:
      seen:   {call: vision.image, inputs: {pixels: picture.pixels}}
      visual: {uses: core.per_sample, inputs: {states: seen.states, items: picture.items}}
      answer: {generate: decoder, inputs: {memory: visual}, with: {max_tokens: 3}}
    outputs: {answer: answer.text, score: answer.score}
    compile: {ranges: {batch: "1..3"}}
  lists:
    inputs: {lists: {modality: array, with: {kind: embedding, dims: [B, 8]}, repeated: {at_least: 1}}}
    nodes:
      every: {uses: core.per_sample, inputs: {embedding: lists.embedding, items: lists.items}, with: {of: embedding}}
    outputs: {every: every}
    compile: {ranges: {batch: "1..2", lists.count: "1..2"}}
  notes:
    inputs:
      notes: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}, repeated: {at_most: 2}}
    nodes:
      words: {call: text, inputs: {tokens: notes.tokens}}
      every: {uses: core.per_sample, inputs: {states: words.states, items: notes.items}}
      vector: {uses: core.pool, inputs: {states: every}}
    outputs: {vector: vector}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("several")
    (path / "words.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijk"]) + "\n"
    )
    (path / "several.yaml").write_text(DOCUMENT)
    return path


@pytest.fixture(scope="module")
def live(folder: Path) -> Model:
    return composer.load(folder / "several.yaml", weights="initial")


def weights_of(live: Model, folder: Path) -> Path:
    from composer.weights import save_weights

    path = folder / "it.safetensors"
    if not path.exists():
        save_weights(live.modules, path)
    return path


@pytest.fixture(scope="module", params=["live", pytest.param("compiled", marks=pytest.mark.slow)])
def model(request: pytest.FixtureRequest, folder: Path, live: Model) -> Iterator[Any]:
    if request.param == "live":
        yield live
        return
    import composer_compile

    weights = weights_of(live, folder)
    composer_compile.compile_document(
        folder / "several.yaml", folder / "out", weights=weights, tasks=["ask", "look"]
    )
    with composer_compile.load(folder / "out") as artifact:
        yield artifact


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)


def same(one: Any, other: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-5, rtol=1e-4)


QUESTIONS = ["a", "b c d e", "f g h"]


def test_none_one_and_many_in_a_batch_answer_as_each_alone(model: Any) -> None:
    given = [[picture(0), picture(1)], [], [picture(2)]]
    together = model.run("ask", pictures=given, question=QUESTIONS)
    assert together["visual"].mask.tolist() == [[1] * 10, [0] * 10, [1] * 5 + [0] * 5]
    for row, (pictures, question) in enumerate(zip(given, QUESTIONS, strict=True)):
        alone = model.run("ask", pictures=pictures, question=question)
        same(alone["vector"], together["vector"][row])
    same(model.run("ask", pictures=picture(2), question="f g h")["vector"], together["vector"][2])
    same(model.run("ask", question="b c d e")["vector"], together["vector"][1])
    same(model.run("ask", pictures=None, question=["b c d e"])["vector"][0], together["vector"][1])


def test_an_optional_input_may_be_left_out_of_some_samples(model: Any) -> None:
    together = model.run("look", picture=[picture(0), None, picture(1)])
    for row, one in enumerate((picture(0), None, picture(1))):
        alone = model.run("look") if one is None else model.run("look", picture=one)
        assert alone["answer"] == together["answer"][row]
        same(alone["score"], together["score"][row])


def test_the_pictures_of_a_sample_are_told_apart_from_those_of_another(model: Any) -> None:
    one = model.run("ask", pictures=[picture(0), picture(1)], question="a")
    other = model.run("ask", pictures=[picture(0), picture(2)], question="a")
    assert not torch.equal(torch.as_tensor(one["vector"]), torch.as_tensor(other["vector"]))


def test_a_session_keeps_what_is_left_out_open(model: Any) -> None:
    with_picture = model.run("ask", pictures=picture(0), question="a")["vector"]
    asked = model.session("ask", question="a")
    assert asked.inputs == ("pictures",)
    same(asked.ask(pictures=picture(0))["vector"], with_picture)
    same(asked.ask()["vector"], model.run("ask", question="a")["vector"])
    shown = model.session("ask", pictures=[picture(0)])
    same(shown.ask(question="a")["vector"], with_picture)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([picture(0)] * 4, "takes 0 to 3 values for a sample, and sample 1 has 4"),
        ([[picture(0)], [picture(0)] * 5, []], "and sample 2 has 5"),
        ([[[picture(0)]], [], []], "has lists in its list"),
        ([[picture(0)], []], "unequal numbers of values"),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, given: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        model.run("ask", pictures=given, question=QUESTIONS if len(given) != 4 else "a")


def test_values_of_other_modalities(live: Model) -> None:
    rows = [np.full(8, number, np.float32) for number in range(3)]
    every = live.run("lists", lists=[rows[:2], rows[2:]])["every"]
    assert isinstance(every, States)
    assert every.values[..., 0].tolist() == [[0, 1], [2, 0]]
    assert every.mask.tolist() == [[1, 1], [1, 0]]
    with pytest.raises(InputError, match="takes 1 or more values for a sample, and sample 1 has 0"):
        live.run("lists", lists=[])
    with pytest.raises(InputError, match="needs the input `lists`"):
        live.run("lists")
    given = [["a b", "c d e f"], [], ["g"]]
    together = live.run("notes", notes=given)["vector"]
    for row, notes in enumerate(given):
        same(live.run("notes", notes=notes)["vector"], together[row])


def test_a_compiled_task_takes_as_many_values(folder: Path, live: Model) -> None:
    import composer_compile

    document = folder / "several.yaml"
    manifest = composer_compile.compile_document(document, folder / "few", weights="initial", tasks=["lists"])
    entry = manifest.tasks["lists"]
    assert {name: (span.low, span.high) for name, span in entry.ranges.items()} == {
        "batch": (1, 2),
        "lists.count": (1, 2),
        "lists.batch": (1, 4),
    }
    rows = [np.full(8, number, np.float32) for number in range(4)]
    with composer_compile.load(folder / "few") as artifact:
        for given in (rows[:1], rows[:2], [rows[:2], rows[2:]], [rows[:1], rows[2:]]):
            ours, theirs = (
                artifact.run("lists", lists=given)["every"],
                live.run("lists", lists=given)["every"],
            )
            same(ours.values, theirs.values)
            assert ours.mask.tolist() == theirs.mask.tolist()
        with pytest.raises(InputError, match=r"`lists\.count` is 3"):
            artifact.run("lists", lists=rows[:3])


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from PIL import Image

    from composer.cli import main

    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        Image.fromarray(picture(seed)).save(path)
    task = [f"{folder / 'several.yaml'}:ask", "question=a", "--weights", "initial", "--json"]
    for count in range(3):
        assert main(["run", *task, *(f"pictures={path}" for path in paths[:count])]) == 0
        assert '"vector": [' in capsys.readouterr().out
    assert main(["show", task[0]]) == 0
    assert "image, 0 to 3" in capsys.readouterr().out


def test_rows_may_lack_a_value_or_have_several(folder: Path, live: Model, tmp_path: Path) -> None:
    import json

    from PIL import Image

    from composer.cli import main

    for seed in range(3):
        Image.fromarray(picture(seed)).save(tmp_path / f"{seed}.png")
    rows: list[dict[str, Any]] = [
        {"pictures": ["0.png", "1.png"], "question": "a"},
        {"pictures": "2.png", "question": "f g h"},
        {"question": "b c d e"},
        {"pictures": [], "question": "b c d e"},
    ]
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["run", f"{folder / 'several.yaml'}:ask", "--weights", str(weights_of(live, folder))]
    assert main([*words, "--rows", str(path), "--out", str(out), "--batch-size", "4"]) == 0
    found = {line["row"]: line for line in map(json.loads, out.read_text().splitlines()) if "row" in line}
    given = [[picture(0), picture(1)], [picture(2)], [], []]
    for number, (row, pictures) in enumerate(zip(rows, given, strict=True)):
        alone = live.run("ask", pictures=pictures, question=row["question"])
        same(found[number + 1]["outputs"]["vector"], alone["vector"])


NODES = {
    "the values first": "{first: seen.states, second: words.states}",
    "the samples first": "{first: words.states, second: seen.states}",
}


@pytest.mark.parametrize("inputs", NODES.values(), ids=list(NODES))
@pytest.mark.parametrize("how", ["optional: true", "repeated: {}", "repeated: {at_least: 1}"])
def test_values_do_not_go_where_samples_do(inputs: str, how: str) -> None:
    head = (
        DOCUMENT.partition("tasks:")[0].replace("words.txt", "bert-uncased").replace("vocabulary: 16, ", "")
    )
    text = f"""{head}
tasks:
  mix:
    inputs:
      picture: {{modality: image, with: {{size: 16}}, {how}}}
      question: {{modality: text, with: {{tokenizer: bert-uncased, max_tokens: 12}}}}
    nodes:
      seen: {{call: vision.image, inputs: {{pixels: picture.pixels}}}}
      words: {{call: text, inputs: {{tokens: question.tokens}}}}
      both: {{uses: core.concat, inputs: {inputs}}}
      vector: {{uses: core.pool, inputs: both}}
    outputs: {{vector: vector}}
"""
    (problem,) = composer.check(Source("mix.yaml", text)).errors
    assert problem.code == "C270"
    assert problem.place.line == text[: text.index("  both:")].count("\n") + 1
    assert any("core.per_sample" in help_ for help_ in problem.helps)
