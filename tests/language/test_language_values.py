"""Values that another tool or YAML 1.1 would read otherwise: each has a hint, and the hint works when followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from composer.graph import check
from composer.language import Source
from composer.plugin import Registry, load_registry
from composer.problems import Problem


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


SOUND = """\
composer: 1
parameters: {width: 64}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: $width, heads: 4, layers: 1, dropout: 0.5, positions: 1000}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 8}}}
    nodes:
      w: {call: text, inputs: q}
      p: {uses: core.pool, inputs: w, with: {how: mean}}
    outputs: {w: w, p: p}
    compile: {ranges: {batch: "1..4"}, tolerance: 0.1, precision: fp32}
"""


def problems(text: str, registry: Registry) -> tuple[Problem, ...]:
    return check(Source("d.yaml", text), registry=registry).problems


def followed(text: str, problem: Problem) -> str:
    """The text with what the hint says to write at the place of the problem."""
    (hint, *_) = problem.helps
    place, written = problem.place, re.findall(r"`([^`]*)`", hint)
    if "leave" in hint:
        start = max(text.rindex(",", 0, place.start), text.rindex("{", 0, place.start) + 1)
        return text[:start] + text[place.end :]
    if "without brackets" in hint:
        return text[: place.start] + text[place.start : place.end].strip("[]") + text[place.end :]
    if "in brackets" in hint:
        return text[: place.start] + "[" + text[place.start : place.end] + "]" + text[place.end :]
    return text[: place.start] + written[-1] + text[place.end :]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("heads: 4", 'heads: "4"'),
        ("heads: 4", "heads: 4.0"),
        ("heads: 4", "heads: 4e0"),
        ("heads: 4", 'heads: "4.0"'),
        ("heads: 4", "heads: [4]"),
        ("max_tokens: 8", "max_tokens: 1_000"),
        ("max_tokens: 8", 'max_tokens: "1,000"'),
        ("max_tokens: 8", "max_tokens: 8, max_words: None"),
        ("dropout: 0.5", 'dropout: "0.5"'),
        ("dropout: 0.5", "dropout: None"),
        ("how: mean", "how: None"),
        ("how: mean", "how: maen"),
        ("how: mean", "how: [mean]"),
        ('batch: "1..4"', "batch: 4"),
        ('batch: "1..4"', "batch: [1, 4]"),
        ('batch: "1..4"', 'batch: "4"'),
        ("tolerance: 0.1", 'tolerance: "0.1"'),
        ("tolerance: 0.1", "tolerance: [0.1]"),
        ("tolerance: 0.1", "tolerance: None"),
        ("precision: fp32", "precision: None"),
        ("precision: fp32", "precision: pf32"),
    ],
)
def test_a_value_has_a_hint_that_works(right: str, wrong: str, registry: Registry) -> None:
    text = SOUND.replace(right, wrong)
    assert text != SOUND
    (problem,) = problems(text, registry)
    if problem.code == "C111":  # the message itself says what to write
        assert "write `4..4`" in problem.message
        assert problems(SOUND.replace(right, 'batch: "4..4"'), registry) == ()
        return
    assert problems(followed(text, problem), registry) == ()


@pytest.mark.parametrize("dims", ["[B, N, 64.0]", "[B, null, 64]", "[B, N, true]"])
def test_a_value_that_none_of_two_types_takes_is_one_problem(dims: str, registry: Registry) -> None:
    given = f"{{a: {{modality: array, with: {{kind: states, dims: {dims}}}}}, q: {{"
    (problem,) = problems(SOUND.replace("{q: {", given), registry)
    assert problem.code == "C206"


@pytest.mark.parametrize("wrong", ["heads: None", "heads: null"])
def test_nothing_where_a_value_is_needed(wrong: str, registry: Registry) -> None:
    (problem,) = problems(SOUND.replace("heads: 4", wrong), registry)
    assert problem.code == "C206"


@pytest.mark.parametrize("written", ["${width}", "${ width }", "${{ width }}"])
def test_braces_around_a_parameter(written: str, registry: Registry) -> None:
    block = SOUND.replace(
        "{uses: mplug2.text_encoder, with: {hidden: $width, heads: 4, layers: 1, dropout: 0.5, positions: 1000}}",
        f"\n    uses: mplug2.text_encoder\n    with:\n      hidden: {written}\n      heads: 4\n      layers: 1",
    )
    (problem,) = problems(block, registry)
    assert "did you mean `$width`?" in problem.helps
    assert problems(block.replace(written, "$width"), registry) == ()
    (problem,) = problems(SOUND.replace("$width", written), registry)
    assert "a parameter is written `$name`, without braces" in problem.helps


class TestKeys:
    @pytest.mark.parametrize("word", ["true", "null", "True", "FALSE"])
    def test_a_name_that_yaml_reads_otherwise_is_quoted(self, word: str, registry: Registry) -> None:
        for text, what in (
            (
                SOUND.replace("w: w, ", "")
                .replace("w: {call", f"{word}: {{call")
                .replace("inputs: w", f"inputs: {word}.states"),
                "node",
            ),
            (
                SOUND.replace("text: {uses", f"{word}: {{uses").replace("call: text", f"call: {word}"),
                "module",
            ),
        ):
            text = text.replace("w: w, ", "")  # noqa: PLW2901
            (problem,) = problems(text, registry)
            assert problem.code == "C109"
            assert problem.message.startswith(f"`{word}` is not a name for a {what}: YAML reads it as")
            assert text[problem.place.start : problem.place.end] == word
            assert problem.helps == (f'quote it (`"{word}"`), or rename it',)
            quoted = text.replace(f"{word}: {{", f'"{word}": {{').replace(f"call: {word}", f'call: "{word}"')
            assert problems(quoted, registry) == ()

    @pytest.mark.parametrize("word", ["1", "2.5", "~", "0x10", ".inf"])
    def test_a_name_that_is_none_in_quotes_either_is_renamed(self, word: str, registry: Registry) -> None:
        text = SOUND.replace("text: {uses", f"{word}: {{uses").replace("call: text", f"call: {word}")
        (problem,) = problems(text, registry)
        assert problem.code == "C109"
        assert text[problem.place.start : problem.place.end] == word
        assert problem.helps[0].startswith("rename it")

    @pytest.mark.parametrize("word", ["no", "on", "off", "yes"])
    def test_words_of_yaml_1_1_are_names(self, word: str, registry: Registry) -> None:
        text = (
            SOUND.replace("w: w, ", "")
            .replace("w: {call", f"{word}: {{call")
            .replace("inputs: w", f"inputs: {word}")
        )
        assert problems(text.replace("w: w", f"w: {word}"), registry) == ()

    def test_an_output_may_be_called_as_a_section(self, registry: Registry) -> None:
        (problem,) = problems(SOUND.replace("p: p}", "p: p, nodes: other}"), registry)
        assert problem.code == "C213"

    def test_a_map_as_a_key_is_one_problem(self, registry: Registry) -> None:
        (problem,) = problems(SOUND.replace("{w: w,", "{? {a: b} : w, w: w,"), registry)
        assert problem.code == "C004"


class TestHead:
    @pytest.mark.parametrize("line", ["compser: 1", "Composer: 1", "composr: 2"])
    def test_a_misspelt_version_is_one_problem(self, line: str, registry: Registry) -> None:
        (problem,) = problems(SOUND.replace("composer: 1", line), registry)
        assert (problem.code, [edit.text for edit in problem.fix]) == ("C101", ["composer"])

    @pytest.mark.parametrize(
        "target", ["a" * 300, f"{'a' * 300}/b.yaml", '"a\\0b.yaml"', '"\\e[31m.yaml"', "..", '""']
    )
    def test_a_parent_of_any_name_is_one_problem(
        self, target: str, registry: Registry, tmp_path: Path
    ) -> None:
        path = tmp_path / "d.yaml"
        path.write_text(f"composer: 1\nextends: {target}\n")
        (problem,) = check(path, registry=registry).problems
        assert problem.code == "C106"

    def test_a_document_of_any_name_is_one_problem(self, registry: Registry) -> None:
        for name in ("a" * 300, f"{'a' * 300}.yaml", "a\0b", "a\0b.yaml"):
            (problem,) = check(name, registry=registry).problems
            assert problem.code == "C001"

    @pytest.mark.parametrize(
        ("head", "code"),
        [
            ("composer: 2", "C005"),
            ("name: parent", "C005"),
            ("composer: [1]", "C005"),
            ("composer: 1\nname: [a]", "C102"),
            ("composer: 1\nsummary: {a: 1}", "C102"),
            ("composer: 1\nextends: {a: 1}", "C102"),
            ("composer: 1\nextends: [1]", "C102"),
        ],
    )
    def test_a_fault_in_the_head_of_a_parent(
        self, head: str, code: str, registry: Registry, tmp_path: Path
    ) -> None:
        (tmp_path / "parent.yaml").write_text(SOUND.replace("composer: 1", head))
        (tmp_path / "child.yaml").write_text("composer: 1\nextends: parent.yaml\n")
        (problem,) = check(tmp_path / "child.yaml", registry=registry).problems
        assert (problem.code, Path(problem.place.file).name) == (code, "parent.yaml")


class TestControlCharacters:
    @pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x9b", "\ufffe"])
    def test_the_character_is_marked(self, character: str, registry: Registry, tmp_path: Path) -> None:
        text = SOUND.replace("name: ", "").replace("call: text", f"call: te{character}xt")
        path = tmp_path / "d.yaml"
        path.write_text(text)
        (problem,) = check(path, registry=registry).problems
        assert problem.code == "C002"
        assert text[problem.place.start] == character
        assert problem.place.line == 9
        assert problem.helps[0].startswith("remove it")
        path.write_text(text[: problem.place.start] + text[problem.place.end :])
        assert check(path, registry=registry).problems == ()

    def test_a_file_full_of_them_is_binary(self, registry: Registry, tmp_path: Path) -> None:
        path = tmp_path / "d.yaml"
        path.write_bytes(b"\x00\x01abc" * 100)
        (problem,) = check(path, registry=registry).problems
        assert "it is a binary file" in problem.message


PARENT = """\
composer: 1
parameters: {heads: 4}
modules:
  vision:
    uses: mplug2.vision_encoder
    with: {image_size: 32, patch_size: 16, frames: 1, width: 64, layers: 1, heads: $heads}
tasks:
  t:
    inputs: {v: {modality: image, with: {size: 32}}}
    nodes: {f: {call: vision, inputs: v}}
    outputs: {f: f}
"""


class TestChild:
    """A child that changes what something is, and keeps the options that it had."""

    def told(self, tmp_path: Path, registry: Registry, child: str) -> tuple[Problem, ...]:
        (tmp_path / "parent.yaml").write_text(PARENT)
        (tmp_path / "child.yaml").write_text(f"composer: 1\nextends: parent.yaml\n{child}")
        return check(tmp_path / "child.yaml", registry=registry).problems

    def test_the_parent_is_sound(self, tmp_path: Path, registry: Registry) -> None:
        assert self.told(tmp_path, registry, "") == ()

    def test_a_changed_modality(self, tmp_path: Path, registry: Registry) -> None:
        child = "tasks: {t: {inputs: {v: {modality: count}}, nodes: {f: null}, outputs: {f: null, c: v}}}\n"
        (problem,) = [p for p in self.told(tmp_path, registry, child) if p.severity == "error"]
        assert (problem.code, Path(problem.place.file).name, problem.place.line) == ("C101", "child.yaml", 3)
        assert Path(problem.notes[0].place.file).name == "parent.yaml"
        assert "parent.yaml" in problem.message
        assert "`with: {size: null}`" in problem.helps[0]
        after = child.replace("modality: count", "modality: count, with: {size: null}")
        assert not [p for p in self.told(tmp_path, registry, after) if p.severity == "error"]

    def test_a_changed_type(self, tmp_path: Path, registry: Registry) -> None:
        child = "modules: {vision: {uses: core.layer_norm}}\n"
        (problem,) = self.told(tmp_path, registry, child)
        assert (problem.code, Path(problem.place.file).name, problem.place.line) == ("C101", "child.yaml", 3)
        assert (
            "image_size: null, patch_size: null, frames: null, width: null, layers: null, heads: null"
            in problem.helps[0]
        )

    def test_a_changed_type_that_takes_another_value(self, tmp_path: Path, registry: Registry) -> None:
        (tmp_path / "grand.yaml").write_text(
            PARENT.replace("layers: 1, heads: $heads", "layers: 1, heads: 4")
        )
        child = "modules: {vision: {with: {heads: four}}}\n"
        (problem,) = self.told(tmp_path, registry, child)
        assert (problem.code, Path(problem.place.file).name) == ("C206", "child.yaml")

    def test_a_changed_parameter(self, tmp_path: Path, registry: Registry) -> None:
        (problem,) = self.told(tmp_path, registry, "parameters: {heads: 7}\n")
        assert (problem.code, Path(problem.place.file).name, problem.place.line) == ("C206", "child.yaml", 3)
        assert Path(problem.notes[0].place.file).name == "parent.yaml"

    @pytest.mark.parametrize(
        ("child", "code"),
        [
            ("parameters: {heads: null}\n", "C103"),
            ("modules: {vision: null}\n", "C204"),
            ("tasks: {t: {inputs: {v: null}}}\n", "C207"),
            ("tasks: {t: {nodes: {f: null}}}\n", "C213"),
            ("tasks: {t: {nodes: null}}\n", "C213"),
            ("tasks: {t: {outputs: null}}\n", "C110"),
            ("tasks: {t: {inputs: {v: {with: {size: null}}}}}\n", "C206"),
            ("tasks: {t: {inputs: {v: {with: null}}}}\n", "C206"),
            ("modules: null\n", "C204"),
        ],
    )
    def test_what_a_child_removes_and_something_needs(
        self, child: str, code: str, tmp_path: Path, registry: Registry
    ) -> None:
        (problem,) = [p for p in self.told(tmp_path, registry, child) if p.severity == "error"]
        assert problem.code == code
        assert "child.yaml:3 removes it" in problem.message
        assert [Path(note.place.file).name for note in problem.notes] == ["child.yaml"]
        assert problem.fix == ()
