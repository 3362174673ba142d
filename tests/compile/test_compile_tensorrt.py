"""What the tensorrt backend says and writes, without its library: targets, options, program files, versions, casts."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt import TensorRTBackend, backend, library, packing
from composer_compile.backends.tensorrt.library import Library
from composer_compile.backends.tensorrt.precision import KEPT, apply_keep_list
from composer_compile.backends.tensorrt.preparing import prepare_graph
from composer_compile.backends.tensorrt.reading import read_graph
from composer_compile.backends.tensorrt.running import wired
from composer_compile.backends.tensorrt.targets import NAMED, capabilities, capability
from composer_compile.errors import ArtifactError, BackendError
from composer_compile.exporting import export_stage, variants_of
from composer_compile.seam import BuildOptions
from composer_compile.specs import StageSpec, TensorSpec
from composer_compile.weights import WeightStore
from torch import Tensor, nn
from torch.fx.passes.split_module import split_module

from composer.cli import main
from composer.graph import Range
from composer.types import Dim

CPU = torch.device("cpu")
RTX = Library("torch-tensorrt-rtx", "2.14.0", "1.6.1.120")
STANDARD = Library("torch-tensorrt", "2.14.0", "11.1.0")


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Callable[[Library], None]:
    """Makes a library the installed one."""

    def set_to(found: Library) -> None:
        for module in (backend, library):
            monkeypatch.setattr(module, "installed", lambda: found)

    return set_to


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtx4090", "8.9"),
        ("RTX 3090", "8.6"),
        ("a100", "8.0"),
        ("sm_89", "8.9"),
        ("sm120", "12.0"),
        ("12.1", "12.1"),
    ],
)
def test_targets_have_names_and_numbers(name: str, expected: str) -> None:
    assert capability(name) == expected


def test_targets_come_once_in_order() -> None:
    assert capabilities(("rtx5090", "8.6", "rtx3090", "sm75")) == ("7.5", "8.6", "12.0")
    assert all(number.count(".") == 1 for number in NAMED.values())


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (RTX, BuildOptions(targets=("rx7900",)), "rx7900: no GPU of that name"),
        (RTX, BuildOptions(targets=("h100",)), r"7\.5, 8\.0, 8\.6, 8\.9, 12\.0, 12\.1 and not for 9\.0"),
        (RTX, BuildOptions(), "this machine has no GPU.*--target"),
        (
            RTX,
            BuildOptions(targets=("8.9",), keep=("norm",)),
            "--keep norm: .*norms, softmax, attention, logits",
        ),
        (STANDARD, BuildOptions(), r"this machine has none.*tensorrt-rtx\]"),
        (STANDARD, BuildOptions(targets=("8.9",)), "--target cannot be given"),
        (
            Library("torch-tensorrt-rtx", "2.13.0", "1.4.0"),
            BuildOptions(targets=("8.9",)),
            "torch-tensorrt-rtx 2.14.0 with tensorrt-rtx 1.6.1.120, and here are 2.13.0 and 1.4.0",
        ),
    ],
)
def test_what_cannot_be_built_is_one_sentence(
    has: Callable[[Library], None], found: Library, options: BuildOptions, message: str
) -> None:
    has(found)
    with pytest.raises(BackendError, match=message) as caught:
        TensorRTBackend().check_options(options, CPU)
    assert "\n" not in str(caught.value)


def test_a_version_that_is_not_known_is_refused(has: Callable[[Library], None]) -> None:
    has(Library("torch-tensorrt", "2.9.0", "10.13"))
    with pytest.raises(BackendError, match=r"2\.11 to 2\.14, and torch-tensorrt 2\.9\.0"):
        TensorRTBackend().check_installed()
    has(STANDARD)
    TensorRTBackend().check_installed()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "rtx4090"], "the backend export has no --target: leave it out"),
        (["--require-full", "--keep", "none"], "no --require-full and no --keep"),
        (["--memory-limit", "much"], "--memory-limit much: write a size such as 4GiB"),
    ],
)
def test_other_backends_refuse_its_options(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    command = ["compile", str(small.document), "--weights", str(small.weights), "--out", str(tmp_path / "x")]
    assert main([*command, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, None),
        ({"capability": "8.6, 9.0"}, r"sm_86, sm_90, and this GPU is sm_89"),
        ({"library": "torch-tensorrt"}, "built with torch-tensorrt and this machine has torch-tensorrt-rtx"),
        ({"tensorrt": "1.5"}, r"TensorRT 1\.5 and this machine has 1\.6\.1\.120"),
        ({"torch_tensorrt": "2.13.0"}, r"Torch-TensorRT 2\.13\.0 and this machine has 2\.14\.0"),
        ({"platform": "win32 amd64"}, "the platform win32 amd64"),
    ],
)
def test_engines_of_another_gpu_or_version_are_refused(
    has: Callable[[Library], None],
    monkeypatch: pytest.MonkeyPatch,
    changed: Mapping[str, str],
    message: str | None,
) -> None:
    has(RTX)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (8, 9))
    made = {**TensorRTBackend().made_with(CPU, BuildOptions(targets=("rtx4090",))), **changed}
    reason = TensorRTBackend().mismatch(made, torch.device("cuda"))
    assert (reason is None) == (message is None)
    if reason is not None and message is not None:
        assert re.search(message, reason)


def packed() -> packing.Packed:
    """Two engines, the second on what the first gave and on a constant."""

    def binding(name: str, value: str) -> packing.Binding:
        return packing.Binding(name=name, value=value, dtype="float32", smallest=[1], best=[2], largest=[3])

    files = {"engines/0.engine": b"first", "engines/1.engine": b"second"}
    wires = (
        ([("x", "input")], [("output0", "step_0.output0")]),
        (
            [("a", "constant_0"), ("b", "step_0.output0")],
            [("output0", "step_1.output0")],
        ),
    )
    steps = [
        packing.EngineStep(
            engine=name,
            sha256=packing.digest(files[name]),
            inputs=[binding(*each) for each in inputs],
            outputs=[binding(*each) for each in outputs],
            output_allocator=False,
        )
        for name, (inputs, outputs) in zip(files, wires, strict=True)
    ]
    program = packing.Program(
        made_with={"library": "torch-tensorrt-rtx"},
        targets=["8.9"],
        inputs=[binding("input", "input")],
        outputs=["step_1.output0", "constant_0"],
        weights=["key"],
        constants={"constant_0": 0},
        steps=list(steps),
        left=[],
        graphs=False,
    )
    return packing.Packed(program, files)


def test_a_program_file_is_the_same_every_time_and_reads_back() -> None:
    content = packing.pack(packed())
    assert content == packing.pack(packed())
    assert packing.unpack(content) == packed()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["engines/0.engine", "engines/1.engine", "program.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def repacked(change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packing.pack(packed()))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _described(files: dict[str, bytes], **changed: Any) -> None:
    files["program.json"] = json.dumps({**json.loads(files["program.json"]), **changed}).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.update({"engines/1.engine": b"Second"}), r"engines/1\.engine .* hash differs"),
        (lambda files: files.pop("engines/0.engine"), r"lacks its engines/0\.engine"),
        (lambda files: files.update({"data.pkl": b"x"}), r"holds data\.pkl, which it does not name"),
        (lambda files: files.pop("program.json"), "holds no TensorRT program"),
        (lambda files: _described(files, version=2), "fault at version"),
        (lambda files: _described(files, more=1), "fault at more"),
    ],
)
def test_an_altered_program_file_is_refused(change: Callable[[dict[str, bytes]], None], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        packing.unpack(repacked(change))


def test_a_file_that_is_no_program_is_refused() -> None:
    with pytest.raises(ArtifactError, match="no TensorRT program"):
        packing.unpack(b"vtrt\x00\x00")


def test_steps_are_wired_as_the_file_says() -> None:
    """With functions in the place of engines."""

    def engine(step: packing.EngineStep, content: bytes) -> Callable[..., Any]:
        return {b"first": lambda x: x + 1, b"second": lambda a, b: (a * b,)}[content]

    constant = torch.tensor([3.0])
    results = wired(packed(), [constant], CPU, engine)(torch.tensor([4.0]))
    assert [each.tolist() for each in results] == [[15.0], [3.0]]


class Attending(nn.Module):
    """Norm, attention with a mask, a softmax of its own and logits: what the keep-list is about."""

    def __init__(self, *, causal: bool = False, fixed: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)
        self.latents = nn.Parameter(torch.randn(1, 2, 3, 4))
        self.causal = causal
        self.fixed = fixed

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normed = self.norm(states)
        parts = normed.unflatten(-1, (2, 4)).transpose(1, 2)
        query = self.latents if self.fixed else parts
        attended = nn.functional.scaled_dot_product_attention(
            query, parts, parts, attn_mask=None if self.causal else mask, is_causal=self.causal
        )
        shares = torch.softmax(normed, -1)
        copied = shares.clone()
        return attended, shares, copied, self.head(normed)


NAMES = ("attended", "shares", "copied", "node.logits")


def exported(module: nn.Module, dtype: torch.dtype) -> torch.export.ExportedProgram:
    torch.manual_seed(3)
    states, mask = torch.randn(2, 3, 8, dtype=dtype), torch.tensor([[True, True, False], [True, True, True]])
    length = torch.export.Dim("length", min=2, max=9)
    with torch.no_grad():
        return torch.export.export(
            module.to(dtype).eval(),
            (states, mask[:, None, None]),
            dynamic_shapes=({1: length}, {3: length}),
        )


def _formats(program: torch.export.ExportedProgram, target: Any) -> list[torch.dtype]:
    return [node.meta["val"].dtype for node in program.graph.nodes if node.target is target]


aten = torch.ops.aten


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("causal", [False, True])
def test_norms_softmax_and_logits_stay_in_float32(dtype: torch.dtype, causal: bool) -> None:
    module = Attending(causal=causal)
    program = exported(module, dtype)
    apply_keep_list(program, KEPT, NAMES)
    assert _formats(program, aten.layer_norm.default) == [torch.float32]
    assert _formats(program, aten.softmax.int) == [torch.float32, torch.float32]
    assert _formats(program, aten.linear.default) == [torch.float32]
    assert not _formats(program, aten.scaled_dot_product_attention.default)
    states = torch.randn(2, 5, 8).to(dtype)
    mask = torch.tensor([[True, False, True, True, True], [True] * 5])[:, None, None]
    with torch.no_grad():
        ours = program.module()(states, mask)
        theirs = module.float()(states.float(), mask)
    assert {each.dtype for each in ours} == {dtype}
    tolerance = 4e-3 if dtype == torch.float16 else 3e-2
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("keep", "norms", "softmaxes", "linear"),
    [
        ((), "float16", ["float16"], "float16"),
        (("norms",), "float32", ["float16"], "float16"),
        (("softmax", "logits"), "float16", ["float32"], "float32"),
    ],
)
def test_the_keep_list_is_an_option(
    keep: Sequence[str], norms: str, softmaxes: list[str], linear: str
) -> None:
    program = exported(Attending(), torch.float16)
    apply_keep_list(program, keep, NAMES)
    assert _formats(program, aten.layer_norm.default) == [getattr(torch, norms)]
    assert _formats(program, aten.softmax.int) == [getattr(torch, each) for each in softmaxes]
    assert _formats(program, aten.linear.default) == [getattr(torch, linear)]
    assert _formats(program, aten.scaled_dot_product_attention.default) == [torch.float16]


def test_a_float32_program_is_left_alone() -> None:
    program = exported(Attending(), torch.float32)
    before = str(program.graph)
    apply_keep_list(program, KEPT, NAMES)
    assert str(program.graph) == before


class Caching(nn.Module):
    """Writes one row into a cache."""

    def forward(self, cache: Tensor, row: Tensor, position: Tensor) -> Tensor:
        return cache.index_copy(1, position, row)


def test_what_the_converters_do_not_take_is_written_so_that_they_do() -> None:
    module = Attending(fixed=True)
    program = exported(module, torch.float32)
    prepare_graph(program)
    targets = {node.target for node in program.graph.nodes}
    assert not targets & {aten.clone.default, aten.scaled_dot_product_attention.default}
    states, mask = torch.randn(2, 4, 8), torch.ones(2, 1, 1, 4, dtype=torch.bool)
    with torch.no_grad():
        for ours, theirs in zip(program.module()(states, mask), module(states, mask), strict=True):
            torch.testing.assert_close(ours, theirs)
    batch = torch.export.Dim("batch", min=2, max=9)
    inputs = (torch.randn(3, 4, 2), torch.randn(3, 1, 2), torch.tensor([2]))
    program = torch.export.export(Caching(), inputs, dynamic_shapes=({0: batch}, {0: batch}, None))
    prepare_graph(program)
    assert aten.index_copy.default not in {node.target for node in program.graph.nodes}
    assert torch.equal(program.module()(*inputs), Caching()(*inputs))


class InThree(nn.Module):
    """Three parts, the middle one with weights of its own and a size that depends on the request."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.middle = nn.Linear(4, 4)
        self.after = nn.Linear(4, 4)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        (states,) = tensors
        middle = torch.cumsum(self.middle(self.before(states).tanh()), 1)
        return self.after(middle.flatten(0, 1)).unflatten(0, (states.shape[0], -1)), middle


class Engine(nn.Module):
    """Looks as the library's module does; runs nothing."""

    def __init__(self, number: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.serialized_engine = f"engine {number}".encode()
        self.input_binding_names = [f"in{i}" for i in range(inputs)]
        self.output_binding_names = [f"output{i}" for i in range(outputs)]


def split(spec: StageSpec) -> tuple[torch.fx.GraphModule, dict[bytes, torch.fx.GraphModule]]:
    """The stage as the library would cut it: up to tanh and after cumsum into engines, what is between to torch."""
    variant = variants_of(spec.ranges)[-1]
    whole = export_stage(spec, variant, lifted=False).module()
    order = [node for node in whole.graph.nodes if node.target is aten.linear.default]
    starts = {order[1]: 1, order[2]: 2}
    places: dict[torch.fx.Node, int] = {}
    current = 0
    for node in whole.graph.nodes:
        current = starts.get(node, current)
        places[node] = current
    graph = split_module(whole, whole, lambda node: places[node])
    engines = {}
    for name in ("submod_0", "submod_2"):
        module = graph.get_submodule(name)
        results = next(node for node in module.graph.nodes if node.op == "output").args[0]
        inputs = sum(node.op == "placeholder" for node in module.graph.nodes)
        engine = Engine(int(name[-1]), inputs, len(results) if isinstance(results, tuple) else 1)
        engines[engine.serialized_engine] = module
        setattr(graph, name, engine)
    _own_weights(graph, "submod_1")
    return graph, engines


def _own_weights(graph: torch.fx.GraphModule, name: str) -> None:
    """Weights that stand beside a part go into it, where the library leaves them."""
    part = graph.get_submodule(name)
    call = next(node for node in graph.graph.nodes if node.target == name)
    placeholders = [node for node in part.graph.nodes if node.op == "placeholder"]
    for given, placeholder in zip(call.args, placeholders, strict=True):
        if given.op == "get_attr":
            part.register_buffer(placeholder.name, graph.get_parameter(given.target).detach())
            with part.graph.inserting_before(placeholder):
                placeholder.replace_all_uses_with(part.graph.get_attr(placeholder.name))
            part.graph.erase_node(placeholder)
    call.args = tuple(given for given in call.args if given.op != "get_attr")
    for given in [node for node in graph.graph.nodes if node.op == "get_attr" and not node.users]:
        graph.graph.erase_node(given)
    part.recompile()


def test_what_falls_back_runs_between_the_engines() -> None:
    torch.manual_seed(5)
    ranges = {"batch": Range(2, 5, 3), "length": Range(2, 9, 4)}
    dims = (Dim(0, (("batch", 1),)), Dim(0, (("length", 1),)), Dim(4))
    given = TensorSpec("states", "float32", dims)
    spec = StageSpec("encode", InThree().eval(), (given,), (given, given), ranges, ("some", "nodes"))
    graph, engines = split(spec)
    store = WeightStore({"it": spec.module})
    file = packing.pack(
        read_graph(
            graph, spec, variants_of(ranges)[-1], store, made_with={}, targets=["8.9"], left=[], graphs=False
        )
    )
    read = packing.unpack(file)
    kinds = [type(step) for step in read.program.steps]
    assert kinds == [packing.EngineStep, packing.TorchStep, packing.EngineStep]
    weights = [store.tensor(key) for key in read.program.weights]
    assert len(read.program.steps[1].weights) == 2
    assert len(read.program.constants) == 4  # what the other two take from outside
    assert not any(name in file for name in (b".pkl", b"site-packages"))
    run = wired(read, weights, CPU, lambda step, content: engines[content])
    for shape in ((3, 4, 4), (2, 9, 4), (5, 2, 4)):
        states = torch.randn(shape)
        with torch.no_grad():
            for ours, theirs in zip(run(states), spec.module(states), strict=True):
                torch.testing.assert_close(ours, theirs)
