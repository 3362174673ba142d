"""`extends`: maps merge, lists and scalars replace, null removes, heads stay, and every value knows its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from documents import toy_registry
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.graph import Report, check
from composer.language import Library, Source, read_source, resolve
from composer.language.tree import construct, merge
from composer.language.yaml_nodes import compose
from composer.problems import DocumentError
from composer.problems.fix import apply_fixes

PARENT = """\
composer: 1
name: parent
summary: The parent.
parameters: {width: 8, sizes: [1, 2, 3]}
modules:
  words: {uses: toy.text, with: {width: $width}, summary: Words.}
  spare: {uses: toy.open}
tasks:
  read:
    inputs: {x: {modality: array, with: {kind: tokens, dims: [B, L]}}}
    nodes:
      n: {call: words, inputs: x}
      more: {call: spare, inputs: n}
    outputs: {o: n, p: more}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    return tmp_path


def child(folder: Path, text: str, **settings: Any) -> Report:
    (folder / "child.yaml").write_text("composer: 1\nextends: parent.yaml\n" + text)
    return check(folder / "child.yaml", registry=toy_registry(), settings=settings)


def test_a_child_has_everything_of_its_parent_but_the_head(folder: Path) -> None:
    report = child(folder, "")
    assert list(report.tasks) == ["read"]
    assert report.document is not None
    shape = report.document.shape
    assert (shape.name, shape.summary) == ("", "")
    assert report.name == "child"
    assert shape.modules["words"].summary == "Words."


def test_maps_merge_and_scalars_and_lists_replace(folder: Path) -> None:
    report = child(
        folder,
        "parameters: {width: 16, sizes: [4]}\nmodules: {words: {summary: Other.}, own: {uses: toy.text}}\n"
        "tasks: {read: {nodes: {n: {call: own}}}}\n",
    )
    assert report.document is not None
    assert report.document.parameters == {"width": 16, "sizes": [4]}
    modules = report.document.shape.modules
    assert (modules["words"].uses, modules["words"].with_, modules["words"].summary) == (
        "toy.text",
        {"width": 16},
        "Other.",
    )
    assert report.document.shape.tasks["read"].nodes["n"].inputs == "x"
    assert report.document.shape.tasks["read"].nodes["n"].call == "own"


def test_null_removes(folder: Path) -> None:
    report = child(folder, "modules: {spare: null}\ntasks: {read: {nodes: {more: ~}, outputs: {p: null}}}\n")
    assert [p.code for p in report.problems if p.severity == "error"] == []
    assert list(report.modules) == ["words"]
    assert list(report.tasks["read"].outputs) == ["o"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("modules: {word: null}\n", "no module of this name"),
        ("tasks: {read: {nodes: {gone: null}}}\n", "no node of this name"),
        ("tasks: {read: {inputs: {gone: null}}}\n", "no input of this name"),
        ("tasks: {gone: null}\n", "no task of this name"),
    ],
)
def test_null_of_what_the_parent_has_not_is_an_error(folder: Path, text: str, named: str) -> None:
    (problem,) = child(folder, text).problems
    assert problem.code == "C108"
    assert named in problem.message


def test_null_of_an_option_that_the_parent_leaves_open_is_nothing(folder: Path) -> None:
    assert child(folder, "modules: {words: {summary: null, with: {output: null}}}\n").problems == ()


def test_every_value_knows_the_file_it_was_written_in(folder: Path) -> None:
    (folder / "child.yaml").write_text(
        "composer: 1\nextends: parent.yaml\nmodules:\n  words: {with: {width: 4}}\n"
    )
    found = resolve(read_source(folder / "child.yaml"), Library())
    uses, width = (found.tree.place(("modules", "words", *rest)) for rest in (("uses",), ("with", "width")))
    assert (Path(uses.file).name, uses.line, uses.column) == ("parent.yaml", 6, 17)
    assert (Path(width.file).name, width.line, width.column) == ("child.yaml", 4, 25)


def test_problems_of_both_files_come_in_their_order(folder: Path) -> None:
    (folder / "parent.yaml").write_text(PARENT.replace("toy.open", "toy.opn"))
    report = child(folder, "modules: {own: {uses: toy.txt}}\n")
    assert [(Path(p.place.file).name, p.code) for p in report.errors] == [
        ("child.yaml", "C201"),
        ("parent.yaml", "C201"),
    ]
    fixes = apply_fixes(report.problems, report.sources).texts
    assert sorted(Path(name).name for name in fixes) == ["child.yaml", "parent.yaml"]


def test_three_generations_merge_from_the_oldest(folder: Path) -> None:
    (folder / "middle.yaml").write_text(
        "composer: 1\nextends: parent.yaml\nparameters: {width: 16}\nmodules: {spare: null}\n"
        "tasks: {read: {nodes: {more: null}, outputs: {p: null}}}\n"
    )
    (folder / "young.yaml").write_text("composer: 1\nextends: middle.yaml\nparameters: {width: 4}\n")
    report = check(folder / "young.yaml", registry=toy_registry())
    assert report.errors == ()
    assert report.modules["words"].config.model_dump() == {"width": 4}


def test_a_path_is_relative_to_the_file_that_writes_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "middle.yaml").write_text("composer: 1\nextends: ../parent.yaml\n")
    (folder / "young.yaml").write_text("composer: 1\nextends: inner/middle.yaml\n")
    monkeypatch.chdir(folder / "inner")
    assert check(folder / "young.yaml", registry=toy_registry()).ok


def test_a_shipped_name(folder: Path) -> None:
    library = Library({"parent": folder / "parent.yaml"})
    found = resolve(Source("x", "composer: 1\nextends: parent\n"), library)
    assert list(found.shape.modules) == ["words", "spare"]


def test_a_misspelt_shipped_name_has_a_fix(folder: Path) -> None:
    from composer.problems import DocumentError

    library = Library({"parent": folder / "parent.yaml"})
    with pytest.raises(DocumentError) as caught:
        resolve(Source("x", "composer: 1\nextends: parnt\n"), library)
    (problem,) = caught.value.problems
    assert problem.code == "C106"
    assert [edit.text for edit in problem.fix] == ["parent"]


CHILD_OF_NOTHING = """\
parameters: {width: 4}
modules: {words: {with: {width: $width, size: $size}}}
tasks:
  read: {nodes: {n: {call: wrds, inputs: y}}, outputs: {q: more}}
"""


def test_a_missing_parent_is_one_problem(folder: Path) -> None:
    (folder / "parent.yaml").unlink()
    assert [p.code for p in child(folder, CHILD_OF_NOTHING).problems] == ["C106"]


def test_a_parent_that_is_no_yaml_is_one_problem_in_the_parent(folder: Path) -> None:
    (folder / "parent.yaml").write_text("composer: 1\nmodules: [\n")
    report = child(folder, CHILD_OF_NOTHING)
    (problem,) = report.problems
    assert (problem.code, Path(problem.place.file).name) == ("C002", "parent.yaml")
    assert problem.place.file in report.sources


def test_a_missing_parent_hides_no_misspelt_key_of_the_child(folder: Path) -> None:
    (folder / "parent.yaml").unlink()
    assert [p.code for p in child(folder, "moduls: {}\n").problems] == ["C106", "C101"]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_circle(tmp_path: Path, length: int) -> None:
    for index in range(length):
        (tmp_path / f"d{index}.yaml").write_text(f"composer: 1\nextends: d{(index + 1) % length}.yaml\n")
    (problem,) = check(tmp_path / "d0.yaml", registry=toy_registry()).problems
    assert problem.code == "C107"
    assert problem.message.count("→") == length


def test_a_circle_through_another_spelling_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"composer: 1\nextends: ../{tmp_path.name}/./a.yaml\n")
    assert [p.code for p in check(tmp_path / "a.yaml", registry=toy_registry()).problems] == ["C107"]


def test_a_chain_of_a_thousand(tmp_path: Path) -> None:
    for index in range(1000):
        (tmp_path / f"d{index}.yaml").write_text(f"composer: 1\nextends: d{index + 1}.yaml\n")
    (tmp_path / "d1000.yaml").write_text(PARENT)
    assert check(tmp_path / "d0.yaml", registry=toy_registry()).ok


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ("{width: wide}", ["C105"]),
        ("{width: 8.5}", ["C105"]),
        ("{sizes: 3}", ["C105"]),
        ("{wdth: 8}", ["C108"]),
        ("{extra: 8}", ["C108"]),
        ("{width: 0}", ["C206"]),
        ("{width: 12}", []),
    ],
)
def test_overriding_a_parameter(folder: Path, parameters: str, codes: list[str]) -> None:
    assert [p.code for p in child(folder, f"parameters: {parameters}\n").errors] == codes


def test_a_parameter_of_the_childs_own_is_fine_where_it_is_used(folder: Path) -> None:
    report = child(folder, "parameters: {own: 4}\nmodules: {words: {with: {width: $own}}}\n")
    assert report.errors == ()


def test_a_module_that_overrides_nothing_says_so(folder: Path) -> None:
    (problem,) = child(folder, "modules: {wrds: {with: {width: 4}}}\n").errors
    assert (problem.code, problem.place.line) == ("C102", 3)
    assert any("same name" in text for text in problem.helps)


_values: Any = st.recursive(
    st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["x", "y"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=12,
)
_maps = st.dictionaries(st.sampled_from("abcd"), _values, max_size=4)


def _merged(parent: Any, child: Any) -> Any:
    """The rules of merging, once more, on plain values."""
    result = dict(parent)
    for key, value in child.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(parent.get(key), dict):
            result[key] = _merged(parent[key], value)
        else:
            result[key] = value
    return result


@given(_maps, _maps)
@settings(deadline=None)
def test_merging_agrees_with_its_rules_on_plain_values(parent: Any, child: Any) -> None:
    import json

    older, younger = (
        compose(Source(name, json.dumps(value))) for name, value in (("p", parent), ("c", child))
    )
    value, problems = construct(merge(older, younger))
    assert problems == []
    assert value == _merged(parent, child)


def test_a_misspelt_file_is_answered_with_the_one_beside(tmp_path: Path) -> None:
    (tmp_path / "parents").mkdir()
    (tmp_path / "parents" / "embedding.yaml").write_text("composer: 1\n")
    child = tmp_path / "child.yaml"
    child.write_text("composer: 1\nextends: parents/embeding.yaml\n")
    (problem,) = check(child).errors
    assert problem.code == "C106"
    assert problem.helps[0] == "did you mean `parents/embedding.yaml`?"
    child.write_text("composer: 1\nextends: nowhere/embeding.yaml\n")
    assert not any(text.startswith("did you mean") for text in check(child).errors[0].helps)


VECTORS = """\
composer: 1
name: vectors
parameters: {how: mean}
pieces:
  vector: {inputs: {states: states}, nodes: {v: {uses: core.pool, inputs: states, with: {how: $how}}}, outputs: {v: v}}
"""
SUMS = """\
composer: 1
name: sums
pieces:
  twice:
    inputs: {states: states}
    nodes: {s: {uses: core.add, inputs: {first: states, second: states}}}
    outputs: {s: s}
"""
BOTH = """\
tasks:
  t:
    inputs: {features: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes: {s: {piece: twice, inputs: features}, v: {piece: vector, inputs: s}}
    outputs: {v: v}
"""


class TestSeveral:
    """`extends` with a list."""

    @pytest.fixture
    def several(self, tmp_path: Path) -> Path:
        (tmp_path / "vectors.yaml").write_text(VECTORS)
        (tmp_path / "sums.yaml").write_text(SUMS)
        return tmp_path

    def check(self, folder: Path, head: str, body: str = BOTH) -> Report:
        (folder / "child.yaml").write_text(f"composer: 1\n{head}\n{body}")
        return check(folder / "child.yaml")

    def test_a_document_takes_in_all_that_it_names(self, several: Path) -> None:
        report = self.check(several, "extends: [vectors.yaml, sums.yaml]")
        assert report.problems == ()
        assert report.document is not None
        assert [path.name for path in report.document.ancestors] == ["sums.yaml", "vectors.yaml"]
        assert list(report.document.shape.pieces) == ["vector", "twice"]

    def test_a_list_of_one_is_the_one(self, several: Path) -> None:
        assert self.check(several, "extends: [sums.yaml]", BOTH.replace("vector", "twice")).problems == ()
        problems = self.check(several, "extends: []").problems
        assert [problem.code for problem in problems] == ["C227", "C227"]

    def test_what_two_of_them_extend_is_taken_in_once(self, several: Path) -> None:
        (several / "middle.yaml").write_text(
            "composer: 1\nname: middle\nextends: vectors.yaml\nparameters: {how: max}\n"
        )
        report = self.check(several, "extends: [middle.yaml, vectors.yaml, sums.yaml]")
        assert report.problems == ()
        assert report.document is not None
        assert report.document.parameters == {"how": "max"}

    @pytest.mark.parametrize(
        ("head", "code", "place", "told"),
        [
            ("extends: [vectors.yaml, child.yaml]", "C107", (2, 25), "child.yaml → child.yaml"),
            ("extends: [vectors.yaml, sumz.yaml]", "C106", (2, 25), "`extends: sumz.yaml` names no document"),
            ("extends: [vectors.yaml, [sums.yaml]]", "C102", (2, 25), "must be text, not a list"),
            ("extends: [vectors.yaml, other.yaml]", "C119", (2, 25), "the piece `vector` comes from two"),
            ("extends: [valued.yaml, vectors.yaml, sums.yaml]", "C119", (2, 24), "the parameter `how` comes"),
        ],
    )
    def test_what_is_wrong_with_one_of_them_is_told_at_its_name(
        self, several: Path, head: str, code: str, place: tuple[int, int], told: str
    ) -> None:
        (several / "other.yaml").write_text(
            VECTORS.replace("how: $how", "how: max") + SUMS.split("pieces:\n")[1]
        )
        (several / "valued.yaml").write_text("composer: 1\nname: valued\nparameters: {how: max}\n")
        try:
            problems = self.check(several, head).problems
        except DocumentError as error:
            problems = tuple(error.problems)
        (problem,) = problems
        assert (problem.code, problem.place.line, problem.place.column) == (code, *place)
        assert told in problem.message

    def test_a_value_of_its_own_settles_a_parameter(self, several: Path) -> None:
        (several / "valued.yaml").write_text("composer: 1\nname: valued\nparameters: {how: max}\n")
        head = "extends: [valued.yaml, vectors.yaml, sums.yaml]\nparameters: {how: mean}"
        assert self.check(several, head).problems == ()

    def test_a_removal_settles_anything(self, several: Path) -> None:
        (several / "other.yaml").write_text(VECTORS.replace("how: $how", "how: max"))
        body = BOTH.replace("v: {piece: vector, inputs: s}", "v: {uses: core.pool, inputs: s}")
        head = (
            "extends: [vectors.yaml, other.yaml, sums.yaml]\npieces: {vector: null}\nparameters: {how: null}"
        )
        assert self.check(several, head, body).problems == ()

    def test_what_both_declare_alike_is_no_clash(self, several: Path) -> None:
        (several / "copy.yaml").write_text(VECTORS.replace("name: vectors", "name: copy"))
        assert self.check(several, "extends: [vectors.yaml, copy.yaml, sums.yaml]").problems == ()
