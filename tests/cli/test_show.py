"""`composer show`: a document, a task, its plan, and where every value comes from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml


def test_a_document_lists_parameters_modules_and_tasks(composer, document: Path) -> None:
    done = composer("show", document)
    assert (done.code, done.err) == (0, "")
    blocks = done.out.split("\n\n")
    assert blocks[:2] == ["vectors", "parameters\n  hidden  64"]
    assert [" ".join(line.split()) for line in blocks[2].splitlines()] == [
        "modules uses with called by",
        "text mplug2.text_encoder hidden: 64, heads: 4, layers: 2 embed",
    ]
    assert blocks[3] == composer("show", f"{document}:embed").out


def test_a_module_that_is_called_twice_says_so(composer, document: Path) -> None:
    again = "      again: {call: text, inputs: {tokens: question.tokens}}\n"
    text = document.read_text().replace("    outputs:\n", f"{again}    outputs:\n      again: again.states\n")
    document.write_text(text)
    assert "embed (2 calls)" in composer("show", document).out


def test_a_task_shows_every_port_type(composer, document: Path) -> None:
    out = composer("show", f"{document}:embed").out
    assert out.splitlines() == [
        "task embed",
        "A vector for a question.",
        "              calls      takes                    gives",
        "  inputs",
        "    question  text                                tokens: tokens[B, L]",
        "  nodes",
        "    words     text       tokens: question.tokens  states: states:text[B, L, 64]",
        "    vector    core.pool  words.states             embedding: embedding:text[B, 64]",
        "  outputs",
        "    vector               vector.embedding         embedding:text[B, 64]",
    ]


def test_a_plan_shows_the_stages(composer, document: Path) -> None:
    done = composer("show", f"{document}:embed", "--plan", "--set", "hidden=128")
    assert done.code == 0
    assert "stage encode" in done.out
    assert "states:text[B, L, 128]" in done.out


def test_every_value_is_shown_with_its_origin(composer, document: Path) -> None:
    Path("child.yaml").write_text("composer: 1\nextends: vectors.yaml\nparameters: {hidden: 128}\n")
    out = composer("show", "child.yaml", "--resolved").out
    rows = [tuple(part.strip() for part in line.split("#", 1)) for line in out.splitlines() if "#" in line]
    assert ("heads: 4", "vectors.yaml:6") in rows
    assert [origin for text, origin in rows if text == "hidden: 128"] == [
        "child.yaml:3",
        "vectors.yaml:6, $hidden from child.yaml:3",
    ]


def test_the_resolved_text_is_the_document_again(composer, document: Path) -> None:
    merged = yaml.safe_load(composer("show", document, "--resolved").out)
    original = yaml.safe_load(document.read_text().replace("$hidden", "64"))
    assert merged == original


def test_a_document_with_errors_shows_them_instead(composer, document: Path) -> None:
    document.write_text(document.read_text().replace("heads: 4", "head: 4"))
    done = composer("show", document)
    assert (done.code, done.out) == (1, "")
    assert "error[C101]" in done.err


def test_an_unknown_task_is_recognised(composer, document: Path) -> None:
    done = composer("show", f"{document}:embd")
    assert (done.code, done.err) == (
        1,
        "composer: error: vectors has no task `embd`; did you mean `embed`? There are: embed\n",
    )


@pytest.mark.parametrize("flag", ["--resolved", "--plan", "--cost", "--picture=out.svg"])
def test_a_missing_file_is_one_problem(composer, flag: str) -> None:
    done = composer("show", "gone.yaml", flag)
    assert (done.code, done.out) == (1, "")
    assert "error[C001]" in done.err
    assert not Path("out.svg").exists()


def test_the_cost_is_told_at_given_sizes(composer, document: Path) -> None:
    done = composer(
        "show", f"{document}:embed", "--cost", "--at", "batch=2", "question.length=5", "--dtype", "bfloat16"
    )
    assert (done.code, done.err) == (0, "")
    assert "vectors: weights and activations in bfloat16" in done.out
    assert "task embed at batch 2, question.length 5:" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "batch=2"), "composer: error: --at belongs to --cost\n"),
        (("--cost", "--at", "batch=two"), "'batch=two' is not of the form name=size, such as batch=8"),
        (("--cost", "--at", "batch"), "'batch' is not of the form name=size, such as batch=8"),
        (("--cost", "--dtype", "int8"), "invalid choice"),
        (
            ("--picture", "out.gif"),
            "'out.gif': write a name that ends in .svg, .html, .png or .pdf, or `mermaid`",
        ),
        (("--picture", "out.svg", "--plan"), "--picture draws the plan: leave --plan out"),
        (("--objective",), "--objective belongs to --picture or --plan"),
        (("--objective", "--cost"), "--objective belongs to --picture or --plan"),
        (("--objective", "--cost", "--picture", "out.svg"), "leave --objective out"),
        (("--cost", "--plan"), "not allowed with argument"),
    ],
)
def test_wrong_options_are_wrong_usage(
    composer, document: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = composer("show", document, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_an_unknown_size_is_one_error(composer, document: Path) -> None:
    done = composer("show", document, "--cost", "--at", "question.lenght=5")
    assert (done.code, done.out) == (1, "")
    assert "did you mean `question.length`?" in done.err


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("out.svg", b"<svg "),
        ("out.html", b"<!DOCTYPE html>"),
        ("out.PNG", b"\x89PNG\r\n"),
        ("out.pdf", b"%PDF-"),
    ],
)
def test_a_picture_is_written(composer, document: Path, name: str, begins: bytes) -> None:
    done = composer("show", document, "--picture", name)
    assert (done.code, done.out) == (0, f"wrote {name}\n")
    assert Path(name).read_bytes().startswith(begins)
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, document.name])


def test_a_png_shows_what_the_svg_shows(composer, document: Path) -> None:
    """Twice the size of the SVG, on white, with the colour of the one module in it."""
    from PIL import Image

    for name in ("out.svg", "out.png"):
        composer("show", document, "--picture", name)
    found = re.search(
        r'width="(\d+\.?\d*)" height="(\d+\.?\d*)".*?class="m0"[^>]* fill="(#\w+)"',
        Path("out.svg").read_text(),
        re.S,
    )
    assert found is not None
    width, height, fill = found.groups()
    with Image.open("out.png") as picture:
        assert picture.size == pytest.approx((2 * float(width), 2 * float(height)), abs=1)
        found_colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert found_colours is not None
    colours = {colour for _, colour in found_colours}
    assert {(255, 255, 255), tuple(bytes.fromhex(fill[1:]))} <= colours


def test_without_the_converter_a_png_is_one_error(
    composer, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    done = composer("show", document, "--picture", "out.png")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "composer: error: a .png picture needs the converter vl-convert: "
        "`pip install 'multimodal-composer[pictures]'`, or write a name that ends in .svg or .html\n"
    )
    assert not Path("out.png").exists()


def test_a_picture_can_tell_what_every_box_costs(composer, document: Path) -> None:
    """The numbers are those of `--cost`, which counts the parameters by building the module."""
    told = composer("show", f"{document}:embed", "--cost", "--at", "batch=2").out
    assert (
        composer("show", f"{document}:embed", "--picture", "out.svg", "--cost", "--at", "batch=2").code == 0
    )
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", Path("out.svg").read_text(encoding="utf-8"))
    (flops,) = re.findall(r"words +text +(\S+ \S)", told)
    assert any(text.endswith(f" · 100% · {flops}FLOP") for text in texts)
    assert any("at batch 2" in text for text in texts)
    assert (
        "Third line of a box: parameters of its module, their share of the task's, FLOPs of the call" in texts
    )


def test_the_objective_can_be_drawn_and_planned(composer, document: Path) -> None:
    assert composer("show", "quickstart:image-caption", "--picture", "out.svg", "--objective").code == 0
    drawn = Path("out.svg").read_text(encoding="utf-8")
    boxes = re.findall(r'data-box="([^"]*)"', drawn)
    assert {"target", "guesses", "scored", "out:loss"} <= set(boxes)
    assert not {"caption", "out:caption"} & set(boxes)  # the search and its answer are not part of the loss
    planned = composer("show", "quickstart:image-caption", "--plan", "--objective")
    assert (planned.code, planned.err) == (0, "")
    assert "scored" in planned.out


def test_a_task_without_an_objective_has_none_to_draw(composer, document: Path) -> None:
    for option in (("--picture", "out.svg"), ("--plan",)):
        done = composer("show", document, *option, "--objective")
        assert (done.code, done.out) == (1, "")
        assert "has no objective" in done.err


def test_mermaid_is_printed(composer, document: Path) -> None:
    assert composer("show", f"{document}:embed", "--picture", "mermaid").out.startswith("flowchart TB\n")


def test_a_picture_that_cannot_be_written_is_one_error(composer, document: Path) -> None:
    done = composer("show", document, "--picture", "no/such/folder/out.svg")
    assert (done.code, done.out) == (1, "")
    told = "no/such/folder/out.svg cannot be written: No such file or directory"
    assert done.err == f"composer: error: {told}\n"


def test_one_task_is_resolved_alone(composer, document: Path) -> None:
    assert list(yaml.safe_load(composer("show", f"{document}:embed", "--resolved").out)["tasks"]) == ["embed"]
    assert composer("show", f"{document}:embd", "--resolved").code == 1


def test_a_plan_keeps_sizes_of_one_letter_apart_and_its_columns_straight(composer, document: Path) -> None:
    Path("two.yaml").write_text(
        "composer: 1\n"
        "pieces:\n"
        "  a-piece-with-a-name:\n"
        "    inputs: {a: states, b: states}\n"
        "    nodes: {both: {uses: core.concat, inputs: {first: a, second: b}}}\n"
        "    outputs: {states: both.states}\n"
        "tasks:\n"
        "  join:\n"
        "    inputs:\n"
        "      one: {modality: array, with: {kind: states, dims: [B, N, 8]}, repeated: {}}\n"
        "      two: {modality: array, with: {kind: states, dims: [B, N, 8]}, repeated: {}}\n"
        "    nodes:\n"
        "      left: {uses: core.per_sample, inputs: {states: one.states, items: one.items}}\n"
        "      right: {uses: core.per_sample, inputs: {states: two.states, items: two.items}}\n"
        "      all: {piece: a-piece-with-a-name, inputs: {a: left, b: right}}\n"
        "    outputs: {states: all.states}\n"
    )
    done = composer("show", "two.yaml:join", "--plan")
    assert done.code == 0, done.err
    assert "B, M*N + N*M" not in done.out
    assert "two.M" in done.out
    ports = [line.index("states: ") for line in done.out.splitlines() if line.startswith("    ")]
    assert len(ports) == 3
    assert len(set(ports)) == 1
