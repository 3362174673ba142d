"""What an artifact takes from installed plugins: recorded, and one sentence with the package where it is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.artifact.requirements import lacking

from composer.plugin import load_registry

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
MODALITY = """\
from composer.plugin import Config, Modality, hookimpl
from composer.types import Field, Kind
from typing import NamedTuple, Any

class Pair(NamedTuple):
    left: Any
    right: Any

class PairConfig(Config):
    pass

class Processor:
    def __init__(self, config):
        pass
    def encode(self, values):
        import numpy
        found = numpy.asarray(values, dtype="float32")
        return {"pair": Pair(found, -found)}

def ports(config):
    return {"pair": "pairs[B, 4]"}

@hookimpl
def composer_register(register):
    fields = {"left": Field("float", (0, 1)), "right": Field("float", (0, 1))}
    register(
        Kind("pairs", "Two vectors.", ("batch", "width"), fields, Pair),
        Modality("pair", PairConfig, ports, "pair_modality:Processor", "A vector and its opposite."),
    )
"""
TYPES = """\
from composer.plugin import Method, ModuleType, NoConfig, hookimpl
from composer.types import Signature

def forward(config):
    return Signature({"pair": "pairs[B, 4]"}, {"sum": "embedding[B, 4]"})

@hookimpl
def composer_register(register):
    register(ModuleType("pair.sum", NoConfig, {"forward": Method(forward)}, "pair_parts:build", "Adds."))
"""
PARTS = """\
import torch
from torch import Tensor, nn

@torch.library.custom_op("pairs::add", mutates_args=())
def add(left: Tensor, right: Tensor) -> Tensor:
    return left + 2 * right

@add.register_fake
def _(left: Tensor, right: Tensor) -> Tensor:
    return torch.empty_like(left)

class Sum(nn.Module):
    def forward(self, *, pair):
        return add(pair.left, pair.right)

def build(config):
    return Sum()
"""
SEARCH = """\
from composer.plugin import SearchPolicy, hookimpl

@hookimpl
def composer_register(register):
    register(SearchPolicy("pair.search", "composer_core.search:BeamSearch", "A search by another name."))
"""
HOST = """\
from composer.plugin import Method, ModuleType, NoConfig, hookimpl
from composer.types import Signature

def build(config):
    from torch import nn

    class Loud(nn.Module):
        def forward(self, *, text):
            return [each + "!" for each in text]  # random weights may write nothing

    return Loud()

def forward(config):
    return Signature({"text": "text[B]"}, {"text": "text[B]"})

@hookimpl
def composer_register(register):
    methods = {"forward": Method(forward)}
    register(ModuleType("pair.loud", NoConfig, methods, "pair_host:build", "Shouts.", stateless=True))
"""
PLUGINS = {
    "pair-modality": "pair_modality",
    "pair-types": "pair_types",
    "pair-search": "pair_search",
    "pair-host": "pair_host",
}
DOCUMENT = """\
composer: 1
name: pairs
modules:
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 8, tokenizer: words.txt, start: 2, end: 3, pad: 0}
  embed: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 9}}
  sum: {uses: pair.sum}
tasks:
  add:
    inputs: {values: {modality: pair}}
    nodes:
      sums: {call: sum, inputs: {pair: values.pair}}
    outputs: {sums: sums.sum}
    compile: {ranges: {batch: "1..1"}}
  shout:
    inputs: {words: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}}
    nodes:
      states: {call: embed, inputs: {tokens: words.tokens}}
      answer: {generate: decoder, inputs: {memory: states.states}, with: {max_tokens: 3, search: pair.search}}
      loud: {uses: pair.loud, inputs: {text: answer.text}}
    outputs: {answer: loud.text}
    compile: {ranges: {batch: "1..1"}}
"""
COMPILE = "import sys; from composer.cli import main; sys.exit(main(['compile', *sys.argv[1:]]))"
RUN = """
import sys, numpy, composer_compile
with composer_compile.load(sys.argv[1]) as artifact:
    print(artifact.run("add", values=numpy.ones(4, "float32"))["sums"].tolist())
    print(artifact.run("shout", words="a b")["answer"].endswith("!"))
"""


def python(
    code: str, *arguments: object, path: Path | None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a process that sees the packages in `path` or, with None, those that are installed alone."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(path or ""), **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package pair-plugin 1.2.0: four plugins, with all that an artifact may take from one."""
    folder = tmp_path_factory.mktemp("package")
    files = {
        "pair_modality": MODALITY,
        "pair_types": TYPES,
        "pair_parts": PARTS,
        "pair_search": SEARCH,
        "pair_host": HOST,
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    info = folder / "pair_plugin-1.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pair-plugin\nVersion: 1.2.0\n")
    lines = [f"{name} = {module}" for name, module in PLUGINS.items()]
    (info / "entry_points.txt").write_text("\n".join(["[composer]", *lines, ""]))
    return folder


@pytest.fixture(scope="module")
def artifact(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "pairs.yaml").write_text(DOCUMENT)
    target = folder / "artifact"
    done = python(COMPILE, folder / "pairs.yaml", "--weights", "initial", "--out", target, path=package)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_it_answers_where_the_package_is_installed(artifact: Path, package: Path) -> None:
    """Nothing is imported before: the code that registers an operation is found through the plugin."""
    done = python(RUN, artifact, path=package)
    assert (done.returncode, done.stdout) == (0, "[-1.0, -1.0, -1.0, -1.0]\nTrue\n"), done.stderr


def test_the_manifest_records_who_offered_what(artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert manifest["requires"]["modalities"]["pair"] == {
        "plugin": "pair-modality",
        "package": "pair-plugin 1.2.0",
    }
    assert manifest["requires"]["policies"].keys() == {"pair.search"}
    assert manifest["requires"]["module_types"].keys() == {"pair.loud"}
    assert {"pairs", "embedding", "text", "tokens"} <= manifest["requires"]["kinds"].keys()
    assert manifest["requires"]["backends"]["export"]["plugin"] == "compile"
    assert manifest["operations"] == {
        "pairs::add": {"module_types": {"pair.sum": {"plugin": "pair-types", "package": "pair-plugin 1.2.0"}}}
    }


def test_inspect_lists_what_must_be_installed(artifact: Path) -> None:
    """In a process that has nothing of it."""
    code = "import sys; from composer.cli import main; sys.exit(main(['inspect', sys.argv[1]]))"
    done = python(code, artifact, path=None)
    assert done.returncode == 0, done.stderr
    (line,) = (
        each for each in done.stdout.splitlines() if each.startswith("  needs     pair-plugin 1.2.0 (")
    )
    for part in ("kind pairs", "modality pair", "search policy pair.search", "operation pairs::add"):
        assert part in line
    assert "  needs     multimodal-composer " in done.stdout


def test_without_the_package_one_sentence_names_it(artifact: Path) -> None:
    done = python(
        "from composer.cli import main; import sys; sys.exit(main(['run', sys.argv[1]+':add', 'values=1']))",
        artifact,
        path=None,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"composer: error: {artifact} needs ")
    for part in (
        "the kind `pairs` and the modality `pair`",
        "the search policy `pair.search`",
        "the module type `pair.loud`",
    ):
        assert part in done.stderr
    assert (
        done.stderr.count('(pair-plugin 1.2.0), which is not installed: pip install "pair-plugin==1.2.0"')
        == 3
    )


LEFT_OUT = {
    "pair-modality": ("add", "the kind `pairs` and the modality `pair` of the plugin `pair-modality`"),
    "pair-search": ("shout", "the search policy `pair.search` of the plugin `pair-search`"),
    "pair-host": ("shout", "the module type `pair.loud` of the plugin `pair-host`"),
    "pair-types": ("add", "the operation pairs::add of the plugin `pair-types`"),
}
"""Plugin → the task that needs it, and what of it."""
TRY = """
import sys, numpy, composer_compile
from composer.problems import ComposerError
with composer_compile.load(sys.argv[1]) as artifact:
    print(*artifact.lacking)
    artifact.warm_up()
    for task, raw in {"add": {"values": numpy.ones(4, "float32")}, "shout": {"words": "a b"}}.items():
        try:
            print(task, type(artifact.run(task, **raw)).__name__)
        except ComposerError as error:
            print(error)
"""


def without(plugin: str) -> str:
    """A value of COMPOSER_PLUGINS."""
    return ",".join(["core", "text", "vision", "mplug2", "compile", *(PLUGINS.keys() - {plugin})])


@pytest.mark.parametrize(
    "plugin",
    [
        "pair-search",
        *(pytest.param(name, marks=pytest.mark.slow) for name in LEFT_OUT if name != "pair-search"),
    ],
)
def test_a_plugin_that_is_left_out_is_named_and_the_other_task_runs(
    artifact: Path, package: Path, plugin: str
) -> None:
    task, what = LEFT_OUT[plugin]
    done = python(TRY, artifact, path=package, COMPOSER_PLUGINS=without(plugin))
    assert done.returncode == 0, done.stderr
    lacking, *lines = done.stdout.splitlines()
    assert lacking == task
    told = f"task `{task}` of {artifact} needs {what} (pair-plugin 1.2.0), which COMPOSER_PLUGINS leaves out"
    assert lines == [told if each == task else f"{each} dict" for each in ("add", "shout")]


def test_verify_runs_the_tasks_that_have_all_they_need(artifact: Path, package: Path) -> None:
    code = "import sys; from composer.cli import main; sys.exit(main(['verify', *sys.argv[1:]]))"
    done = python(code, artifact, "--json", path=package, COMPOSER_PLUGINS=without("pair-host"))
    assert done.returncode == 1, done.stderr
    found = {row["task"]: row for row in json.loads(done.stdout)}
    assert found["add"]["passed"]
    assert found["add"]["lacking"] is None
    assert not found["shout"]["passed"]
    assert found["shout"]["lacking"].startswith("the module type `pair.loud` of the plugin `pair-host`")


def test_a_part_that_every_task_needs_is_told_when_it_is_loaded(artifact: Path, package: Path) -> None:
    left = ",".join(PLUGINS)
    done = python(TRY, artifact, path=package, COMPOSER_PLUGINS=f"core,mplug2,{left}")
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"composer_compile.errors.ArtifactError: {artifact} needs the backend `export` of")


def test_a_plugin_that_cannot_be_loaded_is_named_with_its_fault(
    artifact: Path, package: Path, tmp_path: Path
) -> None:
    for path in package.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "pair_search.py").unlink()
    (tmp_path / "pair_search.py").write_text("raise RuntimeError('no licence')\n")
    done = python(RUN, artifact, path=tmp_path)
    assert "pair-search` (pair-plugin 1.2.0), which is installed and cannot be loaded" in done.stderr
    assert "no licence" in done.stderr


def test_another_version_that_offers_less_is_named(small: Any) -> None:
    with composer_compile.load(small.artifact) as artifact:
        manifest = artifact.manifest
    entry = manifest.tasks["classify"].inputs["question"].model_copy(update={"modality": "speech"})
    task = manifest.tasks["classify"].model_copy(update={"inputs": {"question": entry}})
    provider = manifest.requires["modalities"]["text"]
    changed = manifest.model_copy(
        update={"tasks": {"classify": task}, "requires": {"modalities": {"speech": provider}}}
    )
    name, _, version = provider.package.partition(" ")
    found = lacking(changed, changed.tasks.values(), load_registry())
    assert found is not None
    assert found.startswith("the modality `speech`")
    assert found.endswith(f"does not offer it: install {name}=={version}")


def test_the_first_partys_plugins_are_enough_for_the_rest(small: Any) -> None:
    """Everything that ships is one package, so an artifact of it needs that package and nothing else."""
    manifest = json.loads((small.artifact / "manifest.json").read_text())
    packages = {
        each["package"].split()[0] for found in manifest["requires"].values() for each in found.values()
    }
    assert packages == {"multimodal-composer"}
    assert manifest["operations"] == {}
