"""Configs: `with` maps validated by pydantic models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from composer.graph.plugin_faults import report_fault
from composer.language import Tree, key_of_parameter
from composer.plugin import Config
from composer.plugin.answers import as_instance
from composer.plugin.asking import PluginError, ask
from composer.plugin.declarations import config_of_json
from composer.problems import ComposerError, Findings, Place, Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.parameter_blame import Refusal

__all__ = ["ConfigReader"]


@dataclass
class ConfigReader:
    """Validates configs of one document; each refusal is told once, where it is written."""

    tree: Tree
    parameter_places: dict[str, Place]
    findings: Findings
    directories: Mapping[str, Path] = field(default_factory=dict)
    """Folder of each source file: a config may name files beside the document that wrote it."""
    cache: dict[tuple[object, ...], Config] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    files: tuple[str, ...] = ()
    """The files of the document, those that it extends before it."""
    removed: Mapping[YamlPath, Place] = field(default_factory=dict)
    """What it took from the document that it extends, and where."""

    def read(
        self, model: type[Config], data: dict[str, object], path: YamlPath, owner: str, title: str = ""
    ) -> Config | None:
        """The validated config, or None after reporting (C101 unknown key, C206 refused value, C303 a faulty plugin).

        `path` leads to the thing that has the `with`; `owner` is how messages call it; `title` names its plugin too.
        """
        try:
            text = json.dumps(data, default=str)
        except (TypeError, ValueError):
            text = "{}"
        folders = self._folders((*path, "with"), data)
        key = (id(model), text, *folders.items())
        config = self.cache.get(key)
        if config is None:
            try:
                config = ask(
                    config_of_json,
                    model,
                    text,
                    {"folders": folders},
                    what=f"the config model of {title or owner}",
                    accept=as_instance(model, f"a `{model.__name__}`"),
                    passing=(ValidationError,),
                )
            except ValidationError as error:
                from composer.graph.refusals import Refusals

                told = Refusals(
                    self.tree,
                    self.parameter_places,
                    self.findings,
                    self.refusals,
                    self.files,
                    self.directories,
                    self.removed,
                )
                told.tell(error, model, data, path, owner)
                return None
            except PluginError as error:
                report_fault(self.findings, error, self.tree.place((*path, "with"), key=True))
                return None
            except ComposerError as error:
                message = f"{owner} refuses its config: {error}"
                place = self.tree.place((*path, "with"), key=True)
                self.findings.add(Problem("C206", "error", message, place))
                return None
            self.cache[key] = config
        return config

    def _folders(self, path: YamlPath, data: Mapping[str, object]) -> dict[str, Path]:
        """The folder of the file that wrote each text: a parameter's value may stand in another than its `$name`."""
        names = [name for name, value in data.items() if isinstance(value, str)]
        folders = {name: self.folder_of((*path, name)) for name in names}
        return {name: folder for name, folder in folders.items() if folder is not None}

    def folder_of(self, path: YamlPath) -> Path | None:
        """The folder of the file that wrote the text at a path; None for what no file wrote."""
        written = self.tree.text(path) or ""
        parameter = key_of_parameter(written, path, self.parameter_places)
        file = self.parameter_places[parameter].file if parameter is not None else self.tree.file(path)
        return self.directories.get(file)
