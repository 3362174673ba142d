"""Real TensorRT-RTX engines, built without a GPU, in processes of their own: the library changes torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.artifact.manifest_file import manifest_schema, read_manifest
from composer_compile.backends.tensorrt import program_file
from composer_compile.errors import ArtifactError

from composer.cli import main

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed"),
]
SIZES = ["--range", "batch=1..4, best 2"]
BUILD = ["quickstart:image-qa", "--backend", "tensorrt", "--precision", "fp16", "--target", "rtx4090", *SIZES]


def composer(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys\n{before}\nfrom composer.cli import main\nsys.exit(main({list(arguments)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Built:
    path: Path
    cache: Path
    printed: str

    @property
    def manifest(self) -> Any:
        return read_manifest((self.path / "manifest.json").read_bytes(), "it")

    @property
    def stages(self) -> list[Any]:
        """Every stage of the task, the decode step last."""
        *first, generate = self.manifest.tasks["image-qa"].order
        return [*first, generate.decode]

    def program(self, stage: Any) -> program_file.Packed:
        return program_file.unpack((self.path / stage.programs[0].file).read_bytes())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("engines")
    done = composer(
        "compile",
        *BUILD,
        "--out",
        str(folder / "out"),
        "--build-cache",
        str(folder / "cache"),
    )
    assert done.returncode == 0, done.stderr
    return Built(folder / "out", folder / "cache", done.stdout)


def only_engine(packed: program_file.Packed) -> program_file.EngineStep:
    (step,) = packed.program.steps
    assert isinstance(step, program_file.EngineStep)
    return step


def test_every_module_is_one_engine_with_its_profile(built: Built) -> None:
    shapes: dict[str, tuple[object, object, object]] = {}
    for stage in built.stages[:-1]:
        packed = built.program(stage)
        step = only_engine(packed)
        assert packed.files[step.engine][:4] == b"vtrt"  # how a serialised engine begins
        assert [each.value for each in packed.program.inputs] == [each.name for each in stage.inputs]
        assert [each.dtype for each in packed.program.inputs] == [each.dtype for each in stage.inputs]
        assert len(packed.program.outputs) == len(stage.outputs)
        assert packed.program.targets == ["8.9"]
        assert not packed.program.graphs
        shapes |= {each.value: (each.smallest, each.best, each.largest) for each in step.inputs}
    nodes = [stage.nodes for stage in built.stages[:-1]]
    seen = [["picture"], ["visual/looked"], ["visual/visual"]]
    asked = [["asked/words"], ["asked/language"], ["asked/fused", "asked/memory"]]
    assert sorted(nodes) == sorted([*seen, *asked, ["answer"]])
    assert shapes["question.tokens.ids"] == ([1, 1], [2, 16], [4, 24])
    assert shapes["image.frames"] == tuple([count, 1, 64, 64, 3] for count in (1, 2, 4))
    # 16 patches, the class position and the question
    keys = next(each for each in step.outputs if each.smallest and len(each.smallest) == 4)
    assert (keys.smallest, keys.largest) == ([1, 4, 17 + 1, 24], [4, 4, 17 + 24, 24])


def test_large_weights_are_stored_once_and_are_inputs_of_the_engines(built: Built) -> None:
    stored = set(built.manifest.weights)
    takers: dict[str, int] = {}
    for stage in built.stages:
        packed = built.program(stage)
        assert stage.programs[0].weights == packed.program.weights
        assert set(packed.program.shared) <= stored
        step = only_engine(packed)
        fixed = [each for each in step.inputs if each.value in packed.program.constants]
        assert len(fixed) == len(packed.program.shared)
        for each in fixed:
            key = packed.program.weights[packed.program.constants[each.value]]
            weight = built.manifest.weights[key]
            assert each.smallest == each.largest == weight.shape
            assert each.dtype == weight.dtype == "float16"
            takers[key] = takers.get(key, 0) + 1
            assert all("(fp16)." in name for name in weight.names)  # a module's own, as the manifest calls it
    assert max(takers.values()) > 1  # layers that see pictures and words, in one engine each


SIZES_OF = """
import json
import torch
from torch import nn
from composer.graph import Range
from composer.types import Dim
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, build, exported_stage
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import variants_of


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(1024, 4096), nn.Linear(4096, 1024)

    def forward(self, *tensors):
        return (tensors[0] + self.second(torch.relu(self.first(tensors[0]))),)


batch = Dim.of("batch")
found = {}
for name, rows, ranges in (
    ("one row", 1, {"batch": Range(1, 8, 2)}),
    ("three rows", 3, {"batch": Range(1, 8, 2)}),
    ("one row alone", 1, {"batch": Range(1, 1, 1)}),
):
    given = TensorSpec("states", "float32", (batch, Dim(rows), Dim(1024)))
    spec = ProgramSpec("encode", Wide().eval(), (given,), (given,), ranges, ("moved",))
    (variant,) = variants_of(ranges)
    for weights in ("shared", "held"):
        recipe = BuildRecipe(("8.9",), (), True, None, None, weights)
        exported, shared = exported_stage(spec, variant, recipe)
        graph, left = build(exported, spec, variant, recipe, torch.device("cpu"), {})
        engines = [len(bytes(m.serialized_engine)) for m in graph.modules() if hasattr(m, "serialized_engine")]
        found[f"{weights}, {name}"] = (sum(engines), sum(t.numel() * 4 for t in shared.values()), len(left))
print(json.dumps(found))
"""


def test_an_engine_with_shared_weights_holds_none_of_them() -> None:
    """Stages that differ in their sizes only: 32 MB of weights, once, beside small engines."""
    done = subprocess.run([sys.executable, "-c", SIZES_OF], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    weights = 4 * 2 * 1024 * 4096
    for name in ("one row", "three rows", "one row alone"):
        assert found[f"shared, {name}"][1] == weights
        assert found[f"shared, {name}"][0] < 5_000_000
        # Once: the library was seen to keep a second copy in an engine whose only size is one row.
        assert weights < found[f"held, {name}"][0] < 1.1 * weights
    assert {left for *_, left in found.values()} == {0}


def test_the_decode_step_is_one_engine_on_graphs(built: Built) -> None:
    packed = built.program(built.stages[-1])
    assert [type(step) for step in packed.program.steps] == [program_file.EngineStep]
    assert packed.program.graphs
    assert packed.program.left == []


def test_the_artifact_says_that_it_was_not_compared(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads((built.path / "manifest.json").read_text()), manifest_schema())
    parity = built.manifest.parity["image-qa"]
    assert parity.not_measured == "its engines were built for sm_89, and there is no GPU here"
    assert (parity.passed, parity.differences) == (False, [])
    assert "not measured: its engines were built for sm_89" in built.printed
    assert main(["inspect", str(built.path)]) == 0
    shown = capsys.readouterr().out
    assert "capability 8.9" in shown
    assert "parity  not measured" in shown
    assert "--target rtx4090" in built.manifest.command
    assert "cache" not in built.manifest.command


def test_the_recorded_samples_are_those_of_the_live_model(built: Built) -> None:
    """The shipped weights answer the recorded picture with the recorded ids and scores."""
    from safetensors.torch import load_file

    from composer.execution import load
    from composer.types import Tokens

    recorded = load_file(built.path / "samples.safetensors")
    labels = {key.partition(" ")[0] for key in recorded}
    assert labels == {"image-qa", *(f"image-qa@{number}" for number in range(1, 5))}
    runner = load("quickstart", tasks=["image-qa"]).runner("image-qa")
    for label in labels:
        tokens = Tokens(
            recorded[f"{label} in question.tokens.ids"], recorded[f"{label} in question.tokens.mask"]
        )
        with torch.inference_mode():
            slots = runner.program(
                {"image": {"frames": recorded[f"{label} in image.frames"]}, "question": {"tokens": tokens}}
            )
            found = runner.generators["answer"].run(slots)
        assert recorded[f"{label} out answer.ids"].tolist() == list(found[0][0].ids)
        logits = recorded[f"{label} out answer.logits"]
        assert logits.dtype == torch.float32
        assert len(logits) == len(tokens.ids)
        assert int(logits[0, 0].argmax()) == found[0][0].ids[1]  # the first is the start token


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_it_is_refused_where_there_is_no_gpu(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(built.path), "image=x.png", "question=what"]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert (
        "cannot run here: its engines were built for sm_89, and there is no GPU here; rebuild it with"
        in error
    )
    assert main(["verify", str(built.path)]) == 1


def test_an_altered_engine_is_found_before_use(built: Built, tmp_path: Path) -> None:
    packed = built.program(built.stages[0])
    (step,) = packed.program.steps
    assert isinstance(step, program_file.EngineStep)
    altered = bytearray(packed.files[step.engine])
    altered[100] ^= 1
    files = {**packed.files, step.engine: bytes(altered)}
    with pytest.raises(ArtifactError, match="is not what was built"):
        program_file.unpack(program_file.pack(program_file.Packed(packed.program, files)))
    content = bytearray(program_file.pack(packed))
    content[len(content) // 2] ^= 1
    with pytest.raises(ArtifactError):
        program_file.unpack(bytes(content))


def test_a_second_build_comes_from_the_cache_with_the_same_bytes(built: Built, tmp_path: Path) -> None:
    forbidden = (
        "from composer_compile.building.process import BuilderProcess as process\n"
        "process.do = process.start = None"
    )
    arguments = [*BUILD, "--build-cache", str(built.cache)]
    done = composer("compile", *arguments, "--out", str(tmp_path / "again"), before=forbidden)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("taken from the build cache") == len(built.stages)
    for path in sorted(built.path.rglob("*")):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(built.path)).read_bytes() == path.read_bytes(), path


FALLS_BACK = """\
import torch
from torch import nn
import composer_mplug2.norms as norms

def forward(self, *, states, update):
    values = self.norm(states.values + update.values)
    return type(states)(torch.special.bessel_j0(values), states.mask)

norms.ResidualNorm.forward = forward
"""


def test_what_falls_back_is_named_and_can_be_refused(tmp_path: Path) -> None:
    """Bessel functions have no converter."""
    arguments = ["compile", *BUILD, "--out", str(tmp_path / "x"), "--require-full"]
    done = composer(*arguments, before=FALLS_BACK)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert "--require-full was given: aten.special_bessel_j0.default x 1 (in visual/visual)" in error
    assert not (tmp_path / "x").exists()


TWO_SIZES = """\
composer: 1
name: two-sizes
modules: {project: {uses: core.linear, with: {output_dim: 64}}}
tasks:
  few:
    inputs: {rows: {modality: array, with: {kind: states, dims: [B, 3, 64]}}}
    nodes: {made: {call: project, inputs: {states: rows.states}}}
    outputs: {made: made.states}
  many:
    inputs: {lines: {modality: array, with: {kind: states, dims: [B, 7, 64]}}}
    nodes: {projected: {call: project, inputs: {states: lines.states}}}
    outputs: {made: projected.states}
"""


def test_two_sizes_are_one_engine_with_a_profile(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO_SIZES)
    out = tmp_path / "out"
    done = composer(
        *("compile", str(tmp_path / "two.yaml"), "--backend", "tensorrt", "--target", "rtx4090", *SIZES),
        *("--weights", "initial", "--out", str(out)),
    )
    assert done.returncode == 0, done.stderr
    (file,) = (out / "programs").iterdir()
    step = only_engine(program_file.unpack(file.read_bytes()))
    (states,) = [each for each in step.inputs if each.smallest != each.largest]
    assert [states.smallest, states.best, states.largest] == [[1, 3, 64], [2, 7, 64], [4, 7, 64]]
    manifest = read_manifest((out / "manifest.json").read_bytes(), "it")
    assert [task.order[0].inputs[0].dims for task in manifest.tasks.values()] == [  # type: ignore[union-attr]
        ["batch", 3, 64],
        ["batch", 7, 64],
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_answers_as_the_live_model_does(tmp_path: Path) -> None:
    done = composer(
        "compile",
        "quickstart:image-qa",
        "--backend",
        "tensorrt",
        "--device",
        "cuda",
        "--out",
        str(tmp_path / "x"),
    )
    assert done.returncode == 0, done.stderr
    assert composer("verify", str(tmp_path / "x"), "--device", "cuda").returncode == 0
