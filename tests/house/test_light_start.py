"""What a document is written and checked with starts without torch: each command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_folders import MARKS, WORDS, save_tokenizer

DOCUMENT = """\
composer: 1
tasks:
  embed:
    inputs:
      text: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      copy: {uses: core.concat, inputs: {first: text.tokens, second: text.tokens}}
    outputs: {copy: copy.states}
"""

PLAIN = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 2}}
tasks:
  answer:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      answer: {generate: decoder, inputs: {memory: words.states}, with: {max_tokens: 4}}
    outputs: {answer: answer.text}
"""

PROMPT = f"""\
composer: 1
modules:
  text:
    uses: mplug2.text_encoder
    with: {{hidden: 16, heads: 2, layers: 1, vocabulary: {len(MARKS) + WORDS}, positions: 64}}
tasks:
  read:
    inputs:
      asked:
        modality: prompt
        with: {{tokenizer: tokenizer.json, template: "w1 {{it}}", frame: none, max_tokens: 64}}
    nodes:
      words: {{call: text, inputs: {{tokens: asked.tokens, positions: asked.positions}}}}
    outputs: {{words: words.states}}
"""

PROBE = """
import sys
from composer.cli import main
code = main(sys.argv[1:])
heavy = {"torch", "numpy", "av", "PIL", "tokenizers", "transformers", "timm", "torchvision", "sklearn"}
heavy &= set(sys.modules)
print("HEAVY", sorted(heavy), "CODE", code)
"""


def heavy_modules(arguments: list[str], folder: Path) -> tuple[str, int]:
    """What a command imported of the libraries that only building and running need, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    heavy, code = done.stdout.rsplit("HEAVY ", 1)[1].split(" CODE ")
    return heavy, int(code)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["check", "--help"], 0),
        (["run", "--help"], 0),
        (["train", "--help"], 0),
        (["check", "document.yaml"], 1),
        (["check", "quickstart"], 0),
        (["show", "quickstart"], 0),
        (["show", "quickstart", "--resolved"], 0),
        (["show", "quickstart", "--plan"], 0),
        (["diff", "quickstart", "mplug2", "--json"], 0),
        (["suggest", "--quick", "--from", "image,text", "--to", "text"], 0),
        (["explain"], 0),
        (["explain", "C203"], 0),
        (["plugins", "list"], 0),
        (["plugins", "show", "core.linear"], 0),
        (["schema"], 0),
        (["schema", "--recipe"], 0),
        (["check", "recipe.yaml"], 1),
        (["new", "fresh.yaml"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_only_reads_starts_without_torch(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "document.yaml").write_text(DOCUMENT)
    (tmp_path / "recipe.yaml").write_text(
        "document: quickstart\nepochs: 0\nlearning_rate: 1\ntasks: {a: {}}\n"
    )
    assert heavy_modules(arguments, tmp_path) == ("[]", code)


def test_a_template_is_held_against_its_tokenizer_without_numpy(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "prompt.yaml").write_text(PROMPT)
    assert heavy_modules(["check", "prompt.yaml"], tmp_path) == ("['tokenizers']", 0)


def test_importing_the_package_imports_no_torch() -> None:
    code = "import composer, sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


LIBRARIES = {
    "annotated_types",
    "pluggy",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "typing_inspection",
    "yaml",
}
"""What a document without a problem is checked with. networkx alone takes longer than all the rest of the check."""
MOST_OWN_MODULES = {"plain": 84, "quickstart": 90, "mplug2": 92}
"""Of three documents, of which the last two use pieces, and the last says how it is scored."""
TELLING = {
    "composer.graph.aliases",
    "composer.graph.alternatives",
    "composer.graph.callee_faults",
    "composer.graph.circles",
    "composer.graph.entries",
    "composer.graph.explaining",
    "composer.graph.parameter_blame",
    "composer.graph.meant",
    "composer.graph.refusals",
    "composer.graph.telling",
    "composer.graph.unfit_edges",
    "composer.graph.unknown_kinds",
    "composer.graph.wiring",
    "composer.language.validation_faults",
    "composer.language.unreadable",
    "composer.problems.fix",
    "composer.problems.render.text",
}
"""What tells of problems: imported where there is one."""


def modules_of_a_check(document: str) -> set[str]:
    code = (
        "import sys; from composer.cli import main; main(['check', sys.argv[1]]); "
        "print('MODULES', *sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, document], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("MODULES ", 1)[1].split())


@pytest.mark.parametrize("document", MOST_OWN_MODULES)
def test_a_check_without_a_problem_imports_little(document: str, tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(PLAIN)
    modules = modules_of_a_check(str(tmp_path / "plain.yaml") if document == "plain" else document)
    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    foreign = {name for name in foreign if not name.startswith(("composer", "_"))}
    assert foreign - {"cython_runtime"} <= LIBRARIES
    assert not modules & TELLING
    own = [name for name in modules if name.partition(".")[0] == "composer"]
    assert len(own) <= MOST_OWN_MODULES[document], (
        "import what a clean check does not need where it is needed"
    )


def test_what_tells_of_problems_is_imported_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "document.yaml").write_text(DOCUMENT)
    modules = modules_of_a_check(str(tmp_path / "document.yaml"))
    assert {"composer.graph.telling", "composer.problems.render.text"} <= modules
