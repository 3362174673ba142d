"""A layout of one module's own source: its targets may leave the module's name out, or give those of others too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sourced import Tensors, holds, save

import composer
from composer.cli import main
from composer.plugin import Layout, Rule
from composer.weights import WeightsError, plan_loading

Write = Callable[..., Path]
PLUGIN = """\
from composer.plugin import Layout, Rule, hookimpl


@hookimpl
def composer_register(register):
    bare = (Rule(r"encoder\\.(kernel)", "map.weight"), Rule(r"encoder\\.(offset)", "map.bias"))
    full = (Rule("tower.offset", "first.map.bias"), Rule("step", None, name="a count of steps"))
    named = (Rule("tower.kernel", "first.map.weight"), Rule("top.kernel", "second.map.weight"), *full)
    register(Layout("old.bare", "", lambda parameters: bare))
    register(Layout("old.whole", "", lambda parameters: named))
    lacks = {r"map\\.bias": "published without an offset"}
    register(Layout("old.lacks", "", lambda parameters: bare[:1], initialised=lacks))
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "composer_old-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-old\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[composer]\nold = composer_old_layouts\n")
    (tmp_path / "site" / "composer_old_layouts.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_targets_without_the_name_of_the_module(write: Write, tensors: Tensors) -> None:
    kernel, offset = tensors["second.map.weight"], tensors["second.map.bias"]
    save("old.pth", {"net.encoder.kernel": kernel, "net.encoder.offset": offset})
    document = write("fresh", "{file: old.pth, layout: old.bare, prefix: net}", "fresh")
    model = composer.load(document)
    assert holds(model, tensors, "second")
    assert model.loading is not None
    assert model.loading.layout == "old.bare"
    pairs = composer.load(
        write("fresh", "", "fresh"),
        weights={"second": "old.pth"},
        layout={"second": "old.bare"},
        root={"second": "net"},
    )
    assert holds(pairs, tensors, "second")


def test_targets_of_several_modules_give_each_its_own(write: Write, tensors: Tensors) -> None:
    own = {"tower.kernel": tensors["first.map.weight"], "tower.offset": tensors["first.map.bias"]}
    state = {**own, "top.kernel": torch.zeros(4, 4), "step": torch.zeros(1)}
    save("old.pth", state)
    model = composer.load(write("{file: old.pth, layout: old.whole}", "fresh", "fresh"))
    assert holds(model, tensors, "first")
    assert model.loading is not None
    (source,) = model.loading.sources
    assert dict(source.elsewhere) == {"top.kernel": "second"}
    assert dict(source.ignored) == {"step": "a count of steps"}


def test_what_a_layout_lets_lack_is_named_without_the_module_too() -> None:
    rules = (Rule("kernel", "map.weight"),)
    layout = Layout("old", "", lambda parameters: rules, initialised={r"map\.bias": "published without"})
    targets = ["second.map.weight", "second.map.bias"]
    plan = plan_loading(["kernel"], targets, layout, below="second")
    assert plan.initialised == {"second.map.bias": "published without"}
    assert [each.target for each in plan.assignments] == ["second.map.weight"]
    assert not plan.missing


def test_what_a_layout_lets_lack_starts_fresh_and_is_named(
    write: Write, tensors: Tensors, capsys: pytest.CaptureFixture[str]
) -> None:
    save("old.pth", {"encoder.kernel": tensors["second.map.weight"]})
    document = write("fresh", "{file: old.pth, layout: old.lacks}", "fresh")
    model = composer.load(document)
    second = model.weights["second"]
    assert torch.equal(second.get_parameter("map.weight"), tensors["second.map.weight"])
    bias = second.get_parameter("map.bias")
    assert bias.device.type == "cpu"
    assert torch.isfinite(bias).all()
    assert model.loading is not None
    (told,) = model.loading.unasked
    assert told.endswith(
        "old.pth: second.map.bias starts fresh, as layout old.lacks says: published without an offset"
    )
    assert dict(model.loading.initialised)["second.map.bias"] == "published without an offset"
    counts = {row.name: (row.loaded, row.initialised) for row in model.loading.modules}
    assert counts["second"] == (1, 1)
    half = composer.load(document, dtype="bfloat16")
    assert half.weights["second"].get_parameter("map.bias").dtype == torch.bfloat16


def test_a_layout_that_nobody_named_is_told_where_to_write_it(write: Write, tensors: Tensors) -> None:
    save(
        "old.pth",
        {"encoder.kernel": tensors["second.map.weight"], "encoder.offset": tensors["second.map.bias"]},
    )
    with pytest.raises(
        WeightsError, match=r"write `layout: old.bare` among the weights of `second` \(parts.yaml:6\)"
    ):
        composer.load(write("fresh", "old.pth", "fresh"))
    with pytest.raises(WeightsError, match=r"add --layout second=old\.bare"):
        composer.load(write("fresh", "", "fresh"), weights={"second": "old.pth"})


def test_the_plugin_of_a_layout_is_locked(write: Write, tensors: Tensors) -> None:
    save(
        "old.pth",
        {"encoder.kernel": tensors["second.map.weight"], "encoder.offset": tensors["second.map.bias"]},
    )
    assert main(["lock", str(write("fresh", "{file: old.pth, layout: old.bare}", "fresh"))]) == 0
    assert '"old": "composer-old 1.0"' in Path("parts.yaml.lock").read_text()
