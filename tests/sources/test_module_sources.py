"""Modules that name where their weights come from: files, parts of files, fresh ones; and who decides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sourced import Tensors, below, holds, save, sources

import composer
from composer.problems import InputError
from composer.weights import WeightsError

Write = Callable[..., Path]
ALL = ("first", "second", "third")


def test_every_module_has_a_file_of_its_own(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    save("sub/second.pth", below(tensors, "second", "module."), step=3)
    save("whole.safetensors", tensors)
    document = write("first.safetensors", "{file: sub/second.pth, root: ema}", "whole.safetensors")
    model = composer.load(document)
    assert holds(model, tensors, *ALL)
    assert [Path(name).name for name in sources(model).values()] == [
        "first.safetensors",
        "second.pth",
        "whole.safetensors",
    ]
    report = str(model.loading)
    assert "weights from 3 sources" in report
    assert "whole.safetensors (parts.yaml:7) read by native names" in report
    assert "left out, as `first` takes its weights from elsewhere: 2 keys" in report


def test_a_prefix_takes_a_part_of_a_file_and_the_rest_is_counted(write: Write, tensors: Tensors) -> None:
    mixed = {**below(tensors, "first", "model.vision."), "head.a": torch.zeros(1), "head.b": torch.zeros(1)}
    save("mixed.safetensors", mixed)
    model = composer.load(write("{file: mixed.safetensors, prefix: model.vision}"), tasks=["half"])
    assert holds(model, tensors, "first")
    assert model.loading is not None
    assert model.loading.notes == ("read below `model.vision`", "2 keys outside it were left out: head (2)")


@pytest.mark.parametrize(
    ("prefix", "cure"),
    [
        ("model.vison", "did you mean `model.vision`?"),
        ("vision", "did you mean `model.vision`?"),
        ("zzz", "its keys begin with `head`, `model`"),
    ],
)
def test_a_prefix_that_matches_nothing_names_those_that_are_near(
    write: Write, tensors: Tensors, prefix: str, cure: str
) -> None:
    save("mixed.safetensors", {**below(tensors, "first", "model.vision."), "head.a": torch.zeros(1)})
    with pytest.raises(WeightsError, match=f"it has no key below `{prefix}`; ") as caught:
        composer.load(write(f"{{file: mixed.safetensors, prefix: {prefix}}}"), tasks=["half"])
    assert str(caught.value).endswith(cure)


def test_keys_with_a_prefix_that_nobody_named_say_which(write: Write, tensors: Tensors) -> None:
    save("mixed.safetensors", {**below(tensors, "first", "body."), "head.a": torch.zeros(1)})
    with pytest.raises(WeightsError) as caught:
        composer.load(write("mixed.safetensors"), tasks=["half"])
    assert "`prefix: body` among the weights of `first` (parts.yaml:5) takes them" in str(caught.value)
    save("deep.safetensors", {**below(tensors, "first", "model.net.body."), "model.net.a": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"2 keys begin with `model\.net\.body\.` and fit without it"):
        composer.load(write("deep.safetensors"), tasks=["half"])
    with pytest.raises(WeightsError, match="--root first=body takes them"):
        composer.load("parts.yaml", weights={"first": "mixed.safetensors"}, tasks=["half"])


def test_a_relative_path_begins_at_the_file_that_wrote_it(
    write: Write, tensors: Tensors, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    write("first.safetensors", "$checkpoint", "third.safetensors", to="base/parent.yaml")
    save("base/first.safetensors", below(tensors, "first"))
    save("base/kept.safetensors", below(tensors, "second"))
    save("child/third.safetensors", below(tensors, "third"))
    Path("child/child.yaml").write_text(
        "composer: 1\nname: child\nextends: ../base/parent.yaml\n"
        "modules: {second: {weights: ../base/kept.safetensors}, third: {weights: third.safetensors}}\n"
    )
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert holds(composer.load("../child/child.yaml"), tensors, *ALL)


def test_a_parameter_names_the_file_and_set_names_another(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    document = write("$checkpoint")
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    other = {key: value + 1 for key, value in tensors.items()}
    save("other.safetensors", below(other, "first"))
    changed = composer.load(document, settings={"checkpoint": "other.safetensors"}, tasks=["half"])
    assert holds(changed, other, "first")


def test_only_what_the_loaded_tasks_call_is_opened(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    document = write("first.safetensors", "gone.safetensors", "gone.pth")
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    with pytest.raises(WeightsError, match=r"gone\.safetensors: there is no such file"):
        composer.load(document)


def test_what_starts_fresh_is_named_by_the_document_or_by_init(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    model = composer.load(write("first.safetensors", "fresh"), init="third")
    assert sources(model)["second"] == "fresh: `weights: fresh` at parts.yaml:6"
    assert sources(model)["third"] == "fresh: --init third"
    assert model.loading is not None
    assert set(model.loading.initialised) == {
        f"{name}.map.{part}" for name in ("second", "third") for part in ("weight", "bias")
    }
    assert not any(parameter.is_meta for parameter in model.modules["second"].parameters())


def test_nothing_starts_fresh_in_silence(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    with pytest.raises(WeightsError) as caught:
        composer.load(write("first.safetensors"))
    assert "nothing says where the weights of `second` and `third` come from" in str(caught.value)
    assert "--weights second=FILE" in str(caught.value)
    assert "--init second,third (init=['second', 'third'])" in str(caught.value)
    with pytest.raises(InputError, match="parts ships no weights: name a checkpoint"):
        composer.load(write())


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, {"first": "document", "second": "fresh"}),
        ({"weights": "whole.safetensors"}, {"first": "whole", "second": "whole"}),
        ({"weights": {"second": "pair.safetensors"}}, {"first": "document", "second": "pair"}),
        (
            {"weights": {"*": "whole.safetensors", "second": "pair.safetensors"}},
            {"first": "whole", "second": "pair"},
        ),
        ({"weights": {"*": "initial", "first": "pair.safetensors"}}, {"first": "pair", "second": "fresh"}),
        ({"init": "first"}, {"first": "fresh", "second": "fresh"}),
        ({"weights": "whole.safetensors", "init": "first"}, {"first": "fresh", "second": "whole"}),
        ({"weights": {"first": "fresh"}}, {"first": "fresh", "second": "fresh"}),
    ],
    ids=str,
)
def test_who_decides(write: Write, tensors: Tensors, options: dict[str, Any], given: dict[str, str]) -> None:
    """A module named by init or weights, before weights for the whole document, before the document itself."""
    values = {
        "document": {key: value + 1 for key, value in tensors.items()},
        "whole": {key: value + 2 for key, value in tensors.items()},
        "pair": {key: value + 3 for key, value in tensors.items()},
    }
    for name, state in values.items():
        save(f"{name}.safetensors", state)
    model = composer.load(write("document.safetensors", "fresh", "document.safetensors"), **options)
    for module, source in given.items():
        said = sources(model)[module]
        if source == "fresh":
            assert said.startswith("fresh: ")
            assert not any(holds(model, state, module) for state in values.values())
        else:
            assert said.endswith(f"{source}.safetensors")
            assert holds(model, values[source], module)


def test_all_that_does_not_fit_is_told_source_by_source_and_nothing_is_loaded(
    write: Write, tensors: Tensors
) -> None:
    save("first.safetensors", {"map.weight": torch.zeros(4, 9), "map.bias": torch.zeros(4)})
    save("second.safetensors", {**below(tensors, "second"), "more": torch.zeros(1)})
    save("third.safetensors", below(tensors, "third"))
    with pytest.raises(WeightsError) as caught:
        composer.load(write("first.safetensors", "second.safetensors", "third.safetensors"))
    text = str(caught.value)
    assert "first.safetensors (parts.yaml:5) does not fit first; nothing was loaded:" in text
    assert "first.map.weight: expected [4, 3], found [4, 9]" in text
    assert "second.safetensors (parts.yaml:6) does not fit second; nothing was loaded:" in text
    assert "1 key of the checkpoint that nothing takes:\n    more" in text
    assert "third.safetensors" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"frist": "a"}}, "parts has no module `frist`; did you mean `first`?"),
        ({"weights": {"file": "a"}}, "reads as a map of modules: write {'*': {'file': ...}}"),
        ({"weights": ["a"]}, "weights must be a path, a text or a map from modules to such, not ['a']"),
        ({"weights": "hub:o/m@../../x/y"}, "`../x/y` leads out of the repository"),
        ({"weights": {"first": {"hub": "o/m", "revision": "a/../b"}}}, "`a/../b` is not a revision"),
        ({"weights": {"first": 3}}, "weights['first'] must be a path, a text or a map, not 3"),
        ({"weights": {"first": ""}}, "the name of the weights is empty"),
        ({"weights": {"first": {"fil": "a"}}}, "--weights first=: there is no key `fil`"),
        ({"weights": {"first": "hub:a b"}}, "`a b` is not the name of a Hub repository"),
        ({"weights": {"first": "package:a/../b"}}, "`../b` leads out of the package"),
        ({"weights": "hub:a/b/c/../../d"}, "leads out of the repository"),
        ({"weights": {"first": "mplug2"}}, "the document mplug2 ships no weights"),
        ({"weights": {"first": "w.pth"}, "init": "first"}, "is given weights by --weights first=w.pth"),
        (
            {"root": "ema", "weights": {"first": "whole.safetensors"}, "init": ["second", "third"]},
            "write --root MODULE",
        ),
        ({"root": {"second": "ema"}}, "--root second=ema belongs to --weights second=FILE"),
        (
            {"weights": {"*": "initial", "first": {"file": "a", "layout": "mplug"}}},
            "there is no layout `mplug`",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_sentence(
    write: Write, tensors: Tensors, options: dict[str, Any], message: str
) -> None:
    save("whole.safetensors", tensors)
    with pytest.raises(InputError) as caught:
        composer.load(write(), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_source_that_nothing_takes_is_told(write: Write, tensors: Tensors) -> None:
    save("whole.safetensors", tensors)
    model = composer.load(
        write(), weights={"first": "whole.safetensors", "third": "gone.pth", "*": "gone"}, tasks=["half"]
    )
    assert model.loading is not None
    assert model.loading.unasked == (
        "--weights third=gone.pth is not read: the loaded tasks do not call `third`",
        "--weights gone is not read: every module takes its weights from another source",
    )
    assert model.loading.unasked[0] in str(model.loading)


def test_a_digest_is_held_before_the_file_is_read(write: Write, tensors: Tensors) -> None:
    path = save("first.safetensors", below(tensors, "first"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    document = write(f"{{file: first.safetensors, sha256: {digest.upper()}}}")
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    path.write_bytes(b"\x80\x02 a pickle that would run code")
    with pytest.raises(InputError, match=f"SHA-256 .* and not {digest}"):
        composer.load(document, tasks=["half"])


def test_a_child_takes_the_source_of_a_module_away(write: Write, tensors: Tensors) -> None:
    save("first.safetensors", below(tensors, "first"))
    write("first.safetensors", "gone.pth", "{file: gone.pth, root: ema}")
    Path("child.yaml").write_text(
        "composer: 1\nname: child\nextends: parts.yaml\n"
        "modules: {second: {weights: null}, third: {weights: {file: whole.safetensors, root: null}}}\n"
    )
    save("whole.safetensors", tensors)
    model = composer.load("child.yaml", init="second")
    assert holds(model, tensors, "first", "third")
    assert sources(model)["second"] == "fresh: --init second"


def test_a_parameter_that_is_null_names_no_source(write: Write, tensors: Tensors) -> None:
    text = write("$checkpoint").read_text()
    Path("parts.yaml").write_text(text.replace("checkpoint: first.safetensors", "checkpoint: null"))
    save("other.safetensors", tensors)
    with pytest.raises(InputError, match="ships no weights"):
        composer.load("parts.yaml", tasks=["half"])
    model = composer.load("parts.yaml", tasks=["half"], settings={"checkpoint": "other.safetensors"})
    assert holds(model, tensors, "first")


def test_a_document_whose_modules_all_start_fresh_says_so(write: Write) -> None:
    model = composer.load(write("fresh", "fresh", "fresh"))
    assert set(sources(model).values()) == {
        f"fresh: `weights: fresh` at parts.yaml:{line}" for line in (5, 6, 7)
    }
    assert composer.load("parts.yaml", weights="initial").loading is None


@pytest.mark.parametrize(
    ("child", "key", "message"),
    [
        (
            "{file: other.pth}",
            "sha256",
            "`sha256` is of the source that parts.yaml names, and `file` names another",
        ),
        ("{sha256: null, file: other.pth}", "", ""),
        (f"{{file: other.pth, sha256: {'cd' * 32}}}", "", ""),
        (f"{{sha256: {'cd' * 32}}}", "", ""),
    ],
    ids=str,
)
def test_a_digest_does_not_outlive_its_file(write: Write, child: str, key: str, message: str) -> None:
    write(f"{{file: first.pth, sha256: {'ab' * 32}}}")
    Path("child.yaml").write_text(
        f"composer: 1\nname: child\nextends: parts.yaml\nmodules: {{first: {{weights: {child}}}}}\n"
    )
    found = [problem for problem in composer.check("child.yaml").problems if problem.code == "C240"]
    assert [message in problem.message for problem in found] == [True] * bool(message)


def test_a_revision_does_not_outlive_its_repository(write: Write) -> None:
    write("{hub: o/m, revision: v1, file: a.safetensors}")
    for child, count in (("{hub: o/n}", 1), ("{file: b.safetensors}", 0), ("{hub: o/n, revision: v2}", 0)):
        Path("child.yaml").write_text(
            f"composer: 1\nname: child\nextends: parts.yaml\nmodules: {{first: {{weights: {child}}}}}\n"
        )
        assert len(composer.check("child.yaml").errors) == count


def test_a_checkpoint_for_all_that_lacks_a_module_tells_how_to_keep_the_documents_own(
    write: Write, tensors: Tensors
) -> None:
    save("second.safetensors", {key: value for key, value in tensors.items() if key.startswith("second")})
    save("first.safetensors", below(tensors, "first", "body."))
    document = write("{file: first.safetensors, prefix: body}", "second.safetensors", "fresh")
    with pytest.raises(WeightsError) as caught:
        composer.load(document, weights="second.safetensors")
    text = str(caught.value)
    assert "nothing for `first` and `third`: to start them with fresh weights" in text
    assert "keep them by --weights first=first.safetensors --root first=body" in text
    assert "keep them by --weights third=fresh" in text
    kept = composer.load(
        document,
        weights={"*": "second.safetensors", "first": "first.safetensors", "third": "fresh"},
        root={"first": "body"},
    )
    assert holds(kept, tensors, "first", "second")
