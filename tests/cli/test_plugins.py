"""`composer plugins`: what is installed, one entry in full, and a new plugin that works as it was written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_environments import fresh_environment

from composer.cli.plugins_new import KINDS, SHOWN
from composer.plugin import load_registry

ROOT = Path(__file__).parents[2]


def test_every_id_is_listed_under_its_plugin(composer) -> None:
    done = composer("plugins", "list")
    assert (done.code, done.err) == (0, "")
    registry = load_registry()
    for section in registry.sections():
        assert all(name in done.out for name in section)
    assert all(f"{origin}\n" in f"{done.out}\n" for origin in registry.plugins.values())


def test_without_plugins_it_says_so(composer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSER_PLUGINS", "")
    assert composer("plugins", "list").out == "no plugin is loaded\n"


def test_a_search_shows_the_ports_that_it_adds(composer) -> None:
    out = composer("plugins", "show", "core.choices").out
    assert (
        "  adds output ports with {answers: [ab, abc, dab]}\n      probabilities: probabilities[B, 3]\n"
        in out
    )
    assert "adds output ports" not in composer("plugins", "show", "core.beam").out


def test_a_module_type_shows_config_and_ports(composer) -> None:
    out = composer("plugins", "show", "core.linear").out
    assert "module type core.linear" in out
    assert "output_dim  whole number, required. Width of what goes out." in out
    assert "bias        true or false, default true. Whether" in out
    assert "takes states: states:K[B, N, D]" in out
    assert "gives states: states:K[B, N, output_dim]" in out


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("states", "written states[batch, length, width]"),
        ("text", "modality text"),
        ("core", "module types"),
        ("mplug2.text_decoder", "generate"),
    ],
)
def test_other_entries_show_what_matters(composer, id: str, expected: str) -> None:
    done = composer("plugins", "show", id)
    assert done.code == 0
    assert expected in done.out


def test_types_are_written_in_the_words_of_a_document(composer) -> None:
    assert "how  one of mean, max, default" in composer("plugins", "show", "core.pool").out
    assert "input_dim   whole number or null, default null" in composer("plugins", "show", "core.linear").out
    assert "mean        list of number, default" in composer("plugins", "show", "image").out


def test_every_installed_entry_can_be_shown(composer) -> None:
    registry = load_registry()
    for section in registry.sections():
        for name in section:
            assert composer("plugins", "show", name).code == 0


def test_an_unknown_id_is_recognised(composer) -> None:
    done = composer("plugins", "show", "core.liner")
    assert (done.code, done.out) == (1, "")
    assert "did you mean core.linear" in done.err


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("core/beam", "did you mean core.beam?"),
        ("core:beam", "did you mean core.beam?"),
        ("core..beam", "did you mean core.beam?"),
        ("core.", "did you mean core?"),
        (" core ", "did you mean core?"),
        ("core/", "did you mean core?"),
        ("coer", "did you mean core?"),
        ("core.zzz", "`composer plugins show core` shows what core does"),
        ("zzz.qqq", "`composer plugins list` shows what there is"),
        ("", "`composer plugins list` shows what there is"),
        (".", "`composer plugins list` shows what there is"),
    ],
)
def test_an_odd_id_is_one_error_with_what_was_meant(composer, name: str, hint: str) -> None:
    done = composer("plugins", "show", name)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"composer: error: no installed plugin offers {name!r}; {hint}\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("coer", "; did you mean `core`?"),
        ("Core", "; did you mean `core`?"),
        ("core.beam", "; did you mean `core`?"),
        ("core/beam", "; did you mean `core`?"),
        ("core.", "; did you mean `core`?"),
        ("composer_text", "; did you mean `text`?"),
        ("nonsense", "."),
        ("", "."),
    ],
)
def test_checking_a_plugin_that_is_not_there_says_which_might_be_meant(
    composer, name: str, hint: str
) -> None:
    done = composer("plugins", "check", name)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"composer: error: there is no installed plugin `{name}`{hint} There are: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("action", ["show", "check"])
@pytest.mark.parametrize("name", ["graphs/mplug2.yaml", "mplug2.yaml", "../own.yml"])
def test_a_document_is_not_a_plugin(composer, action: str, name: str) -> None:
    done = composer("plugins", action, name)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"composer: error: `{name}` is a document, and no plugin is called so: write `composer {action} {name}`\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "openclip.vit",
        "open_clip.ViT-B-32",
        "open-clip",
        "torchvision.models.resnet50",
        "torchaudio.load",
        "diffusers.unet",
        "peft.lora",
        "sentence-transformers:all-MiniLM",
        "SentenceTransformers",
        "torch.nn.Linear",
        "pytorch",
        "openai/clip-vit-base-patch32",
    ],
)
def test_a_name_of_a_known_library_is_answered_with_how_its_parts_come_in(composer, name: str) -> None:
    done = composer("plugins", "show", name)
    assert (done.code, done.out) == (1, "")
    assert "composer plugins new" in done.err
    assert "core." not in done.err


@pytest.mark.parametrize(
    ("name", "offered"),
    [("timm.vit_base", "timm.backbone"), ("transformers.CLIPModel", "transformers.dual_encoder")],
)
def test_a_name_of_a_library_that_a_plugin_brings_is_answered_with_its_types(
    composer, name: str, offered: str
) -> None:
    done = composer("plugins", "show", name)
    assert (done.code, done.out) == (1, "")
    assert offered in done.err


BROKEN = "raise ImportError('a library is missing')\n"


def install(folder: Path, name: str, source: str) -> dict[str, str]:
    """Put a plugin where a new process finds it as installed; returns that process's environment."""
    (folder / f"{name}.py").write_text(source)
    return install_entry(folder, name, name)


def install_entry(folder: Path, name: str, module: str) -> dict[str, str]:
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[composer]\n{name} = {module}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def in_new_process(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_a_broken_plugin_is_shown_and_the_others_work(tmp_path: Path) -> None:
    environment = install(tmp_path, "sorry", BROKEN)
    done = in_new_process(["plugins", "list"], environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        "broken: sorry (sorry 1.0)\n  it raises ImportError: a library is missing (sorry.py:1)" in done.stdout
    )
    assert "core.linear" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Traceback" in in_new_process(["plugins", "list", "--traceback"], environment).stdout
    assert "Traceback" in in_new_process(["plugins", "show", "sorry"], environment).stdout


def test_a_plugin_that_ends_the_process_without_a_word_is_named(tmp_path: Path) -> None:
    environment = install(tmp_path, "gone", "import os\nos._exit(0)\n")
    done = in_new_process(["check", "quickstart"], environment)
    assert (done.returncode, done.stdout) == (0, "quickstart: no problems\n")
    done = in_new_process(["plugins", "list"], environment)
    assert done.returncode == 1
    assert "broken: gone (gone 1.0)\n  it ends the program: os._exit(0) (gone.py:2)" in done.stdout


class TestNew:
    @pytest.mark.slow
    def test_a_plugin_of_all_kinds_passes_its_own_tests(self, composer, tmp_path: Path) -> None:
        kinds = [argument for kind in KINDS for argument in ("--kind", kind)]
        done = composer("plugins", "new", "audio-cut", *kinds, "--into", tmp_path)
        assert done.code == 0
        folder = tmp_path / "composer-audio-cut"
        environment = install_entry(folder, "audio-cut", "composer_audio_cut")
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--show-capture=no"]
        result = subprocess.run(
            tests, capture_output=True, text=True, env=environment, cwd=folder, check=False
        )
        count = sum(path.read_text().count("\ndef test_") for path in folder.glob("tests/*.py"))
        assert re.search(r"(\d+) passed", result.stdout), result.stdout
        assert result.returncode == 0, result.stdout
        assert count >= 15

    @pytest.mark.parametrize("name", ["a", "audio-cut", "sounds-of-all-animals"])
    def test_what_is_written_is_clean_by_ruff_under_any_name(
        self, composer, tmp_path: Path, name: str
    ) -> None:
        kinds = [argument for kind in KINDS for argument in ("--kind", kind)]
        composer("plugins", "new", name, *kinds, "--into", tmp_path)
        for command in (["check"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", str(tmp_path)]
            done = subprocess.run(ruff, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_has_all_that_a_package_needs(self, composer, tmp_path: Path, kind: str) -> None:
        done = composer("plugins", "new", "audio", "--kind", kind, "--into", tmp_path)
        assert done.code == 0
        assert f"composer plugins show {SHOWN[kind].format('audio')}\n" in done.out
        folder = tmp_path / "composer-audio"
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert {"pyproject.toml", "README.md", ".github/workflows/ci.yml", ".gitignore"} < found
        assert {"composer_audio/py.typed", f"composer_audio/{KINDS[kind]}.py"} < found
        assert "tests/test_promises.py" in found
        assert len([name for name in found if name.startswith("tests/")]) == 2
        text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
        assert "{{" not in text.replace("${{ matrix.python }}", "")

    def test_it_is_a_module_type_unless_said_otherwise(self, composer, tmp_path: Path) -> None:
        composer("plugins", "new", "audio", "--into", tmp_path)
        assert (tmp_path / "composer-audio" / "composer_audio" / "gate.py").is_file()

    def test_an_unknown_kind_is_wrong_usage(self, composer, tmp_path: Path) -> None:
        done = composer("plugins", "new", "audio", "--kind", "modul", "--into", tmp_path)
        assert done.code == 2
        assert "module" in done.err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_each_kind_is_installed_and_passes_its_own_tests(self, composer, tmp_path: Path) -> None:
        """By pip, in an environment that finds what they need in this one; mypy is strict with them."""
        for kind in KINDS:
            composer("plugins", "new", f"one-{kind}", "--kind", kind, "--into", tmp_path)
        folders = [str(tmp_path / f"composer-one-{kind}") for kind in KINDS]
        python = fresh_environment(tmp_path / "venv")
        install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", *folders]
        # every plugin calls its files of tests alike
        tests = ["pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders]
        for command in (install, tests):
            done = subprocess.run(
                [python, "-m", *command], capture_output=True, text=True, check=False, cwd=tmp_path
            )
            assert done.returncode == 0, done.stdout + done.stderr
        packages = [f"{folder}/composer_one_{kind}" for folder, kind in zip(folders, KINDS, strict=True)]
        places = os.pathsep.join([*(str(ROOT / name) for name in ("", "plugins", "compile")), *folders])
        typed = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *packages]
        environment = {**os.environ, "MYPYPATH": places}
        done = subprocess.run(
            typed, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("name", ["Audio", "a b", "1st", "a_b", "../up", ""])
    def test_a_bad_name_writes_nothing(self, composer, tmp_path: Path, name: str) -> None:
        done = composer("plugins", "new", name, "--into", tmp_path)
        assert done.code == 1
        assert "is not a plugin name" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_folder_stays(self, composer, tmp_path: Path) -> None:
        (tmp_path / "composer-audio").mkdir()
        done = composer("plugins", "new", "audio", "--into", tmp_path)
        assert done.code == 1
        assert "exists already" in done.err
        assert list((tmp_path / "composer-audio").iterdir()) == []


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        (
            "array",
            ["ports with {kind: states, dims: [B, N, 768]}\n      states: states[B, N, 768]", "default []"],
        ),
        (
            "mplug2.vision_encoder",
            ["for example with {image_size: 32", "takes pixels: pixels[B, 3, 3, 32, 32]"],
        ),
        (
            "mplug2.text_decoder",
            ["max_tokens  whole number, default 20. Search ends", "takes memory: states[B, N, hidden]"],
        ),
        ("core.argmax", ["gives classes: classes[B]"]),
    ],
)
def test_ports_are_shown_for_a_default_or_an_example(composer, id: str, expected: list[str]) -> None:
    out = composer("plugins", "show", id).out
    assert all(text in out for text in expected), out


def test_every_entry_is_readable(composer) -> None:
    """No marker of a library, no port that is only said to depend on something, no line beyond the page."""
    registry = load_registry()
    for section in registry.sections():
        for name in section:
            out = composer("plugins", "show", name).out
            assert "Pydantic" not in out, name
            assert "depend on the config" not in out, name
            if section.name in ("modalities", "module_types", "datasets"):
                long = [line for line in out.splitlines() if len(line) > 120 and ": " not in line]
                assert long == [], name


@pytest.mark.parametrize(
    "id", ["detectron2", "diffusers.AutoPipeline", "torchvision.models.resnet50", "openai/clip"]
)
def test_a_name_of_a_library_is_answered_with_how_it_comes_in(composer, id: str) -> None:
    done = composer("plugins", "show", id)
    assert done.code == 1
    assert "`composer plugins new`" in done.err


@pytest.mark.parametrize(
    ("pattern", "shown", "hidden"),
    [
        ("pool", "core.pool", "core.linear"),
        ("RESNET18", "resnet18 (", "resnet34"),
        ("test_v?t.*", "test_vit (r160_in1k)", "test_vit2"),
    ],
)
def test_a_pattern_finds_ids_and_names_of_models(composer, pattern: str, shown: str, hidden: str) -> None:
    done = composer("plugins", "list", pattern)
    assert done.code == 0
    assert shown in done.out
    assert hidden not in done.out


def test_many_names_are_counted_and_a_short_pattern_is_cut(composer) -> None:
    assert "timm.backbone takes " in composer("plugins", "list").out
    out = composer("plugins", "list", "vit_").out
    assert "more: write a longer pattern" in out
    assert len(out.splitlines()) < 60


def test_a_pattern_that_nothing_has_is_told_with_a_near_name(composer) -> None:
    done = composer("plugins", "list", "resent18")
    assert done.code == 1
    assert "nothing that is installed has a name like `resent18`; did you mean `resnet18`?" in done.out
