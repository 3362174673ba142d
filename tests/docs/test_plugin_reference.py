"""docs/plugins/reference.md is what the code says, and has every declaration, contract and hook."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pages import DOCS
from scripts import script

import composer.plugin
from composer.plugin.registry import SECTIONS


def _written() -> str:
    text: str = script(DOCS / "make_plugin_reference.py").page()
    return text


PAGE = (DOCS / "plugins" / "reference.md").read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    assert _written() == PAGE, "run: python docs/make_plugin_reference.py"


def test_every_public_name_of_the_plugin_core_is_on_it() -> None:
    left_out = {"hookimpl", "Registry", "Register", "DecoderStep", "Sample", "Seed", "Config", "NoConfig"}
    for name in set(composer.plugin.__all__) - left_out:
        assert f"### {name}\n" in PAGE or f"### `{name}(" in PAGE, name
    assert "### `composer_register(" in PAGE


def test_every_field_of_a_declaration_is_told() -> None:
    for entry in SECTIONS:
        section = PAGE.split(f"### {entry.__name__}\n")[1].split("\n### ")[0]
        for field in dataclasses.fields(entry):
            assert field.name == "plugin" or f"| `{field.name}`: " in section, (entry, field.name)


def test_the_links_of_the_pages_about_plugins_lead_somewhere() -> None:
    import re

    for page in (DOCS / "plugins.md", DOCS / "plugins" / "sound.md", DOCS / "plugins" / "reference.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or Path(page.parent / target).exists(), (page.name, target)
