"""Callees: which registered type, method and signature a `uses`, `call` or `generate` means."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from composer.graph.checked import VERBS, Call, Callee, CheckedModule, Generate, InPlace, Read, UsedPiece
from composer.graph.configs import ConfigReader
from composer.graph.plugin_faults import report_fault
from composer.graph.searches import SearchReader
from composer.graph.vocabularies import Vocabularies
from composer.language import InputShape, ModuleShape, NodeShape, Resolved
from composer.plugin import Config, Generation, Modality, NoConfig, Registry, Vocabulary
from composer.plugin.answers import as_names, as_signature, as_vocabularies, as_vocabulary
from composer.plugin.asking import PluginError, ask
from composer.plugin.registry import Entry, Section
from composer.problems import ComposerError, Findings, Problem, YamlPath
from composer.problems.suggest import suggest
from composer.types import Signature, TooLargeError

if TYPE_CHECKING:
    from composer.graph.callee_faults import CalleeFaults
    from composer.graph.entries import EntryFinder
    from composer.graph.module_weights import ModuleWeights
    from composer.graph.pieces import Pieces
    from composer.graph.tokenizers_at_hand import WrittenWords

__all__ = ["Callees"]

T = TypeVar("T")
E = TypeVar("E", bound=Entry)


@dataclass
class Callees:
    """Looks callees up for one document; each fault is reported once, where it is written."""

    document: Resolved
    registry: Registry
    reader: ConfigReader
    findings: Findings
    vocabularies: Vocabularies
    modules: dict[str, CheckedModule] = field(default_factory=dict)
    """Those that are sound; the others are silenced, and nothing is told of what calls them."""
    declared: dict[str, None] = field(default_factory=dict)
    """The names of all modules, in order."""
    called: set[str] = field(default_factory=set)
    adapted: set[tuple[str, str]] = field(default_factory=set)
    """The modules with the adapters that they are called with, or were meant to be."""
    pieces: Pieces | None = None
    """Of a document that has some."""
    _texts: dict[str, tuple[Vocabulary, Modality, Config]] = field(default_factory=dict)
    """What makes text of the ids that each decoder writes."""
    _signatures: dict[tuple[object, ...], Signature | None] = field(default_factory=dict)
    _keep: list[tuple[Config, ...]] = field(default_factory=list)

    def declare_modules(self) -> None:
        """Validate every declared module."""
        faulty = {str(name): None for name in self.findings.touched_keys(("modules",))}
        self.declared |= faulty | dict.fromkeys(self.document.shape.modules)
        averages = []
        for name, shape in self.document.shape.modules.items():
            path: YamlPath = ("modules", name)
            if shape.average_of is not None:
                averages.append((name, shape))
                continue
            if not shape.uses and name in faulty:  # an average of what is not a name
                self.findings.silence(path)
                continue
            entry = self.find(self.registry.module_types, shape.uses, (*path, "uses"), "C201", "module type")
            if entry is None or name in faulty:
                self._check_options(shape, path)
            elif not self.findings.touches(path):
                config = self.reader.read(entry.config, shape.with_, path, entry.id, entry.title)
                module = None if config is None else CheckedModule(name, entry, config, path)
                if module is not None and shape.weights is not None:
                    module.weights = self._weights.read(shape.weights, entry, path)
                if module is not None and self._has_vocabulary(module) and self._trains(module, shape):
                    self.modules[name] = module
            if name not in self.modules:
                self.findings.silence(path)
        if averages:
            self._declare_averages(averages, faulty)

    def _declare_averages(self, averages: list[tuple[str, ModuleShape]], faulty: Container[str]) -> None:
        """Validate the modules that follow others, once these are known; all modules keep their order."""
        from composer.graph.moving_averages import declare_average

        for name, shape in averages:
            path: YamlPath = ("modules", name)
            module = None
            if name not in faulty and not self.findings.touches(path):
                module = declare_average(self, name, shape, path)
            if module is None:
                self.findings.silence(path)
                continue
            if shape.weights is not None:
                module.weights = self._weights.read(shape.weights, module.type, path)
            if self._has_vocabulary(module):
                self.modules[name] = module
        self.modules = {name: self.modules[name] for name in self.declared if name in self.modules}

    def _trains(self, module: CheckedModule, shape: ModuleShape) -> bool:
        """Put in what is frozen of a module and its adapters; whether these are sound."""
        if shape.freeze is False and not shape.adapters:
            return True
        from composer.graph.adapted_modules import declare_training

        return declare_training(self, module, shape)

    def _has_vocabulary(self, module: CheckedModule) -> bool:
        """Whether what makes text of a decoder's ids is there (C205 or C206 where it is not)."""
        entry, at = module.type, (*module.path, "uses")
        if entry.generation is None:
            return True
        what = f"`vocabulary` of {entry.title}"
        vocabulary = self.asked(entry.generation.vocabulary, (module.config,), at, what, as_vocabulary)
        if vocabulary is None:
            return False
        modality = self.registry.modalities.get(vocabulary.modality)
        if modality is None:
            message = f"{entry.id} writes `{vocabulary.modality}`, a modality that no loaded plugin offers"
            self.findings.add(Problem("C205", "error", message, self.document.tree.place(at)))
            return False
        given = dict(vocabulary.config)
        config = self.reader.read(modality.config, given, module.path, entry.id, modality.title)
        if config is not None:
            self._texts[module.name] = vocabulary, modality, config
        return config is not None

    def _hold_vocabulary(self, module: CheckedModule) -> None:
        """Hold the ids that a decoder writes against those that its tokenizer knows."""
        vocabulary, modality, config = self._texts[module.name]
        if modality.vocabulary is None:
            return
        at, what = (*module.path, "uses"), f"`vocabulary` of {modality.title}"
        read = self.asked(modality.vocabulary, (config,), at, what, as_vocabularies)
        if read:
            self.vocabularies.writes(module, vocabulary, next(iter(read.values())))

    def _check_options(self, shape: ModuleShape, path: YamlPath) -> None:
        """Misspelt options of a module whose type is misspelt too: both are found in one run."""
        meant = suggest(shape.uses, self.registry.module_types, self.document.tree.place((*path, "uses")))
        guess = meant.word
        if guess is None or not meant.fix or self.findings.touches(path):
            return
        reader = replace(self.reader, findings=Findings(), refusals=[])
        reader.read(self.registry.module_types[guess].config, shape.with_, path, guess)
        self.findings.extend(found for found in reader.findings if found.code == "C101" and found.fix)

    def of(self, node: NodeShape, path: YamlPath) -> Callee | None:
        """The callee of a node, or None after reporting (or silently, when its module has a problem already)."""
        verbs = [verb for verb in VERBS if getattr(node, verb) is not None]
        if len(verbs) != 1:
            self._faults.verbs(verbs, path)
            return None
        if verbs[0] == InPlace.key:
            found = self._in_place(node, path)
        elif verbs[0] == UsedPiece.key:
            found = self._used_piece(node, path)
        elif verbs[0] == Read.key:
            from composer.graph.readings import reading

            found = reading(self, node, path)
        else:
            found = self._called(node, verbs[0], path)
        if node.for_ is not None and verbs[0] != Read.key:
            from composer.graph.preparation import belongs_to_nothing

            belongs_to_nothing(self, node, path)
            return None
        if node.adapter is None or found is None:
            return found
        from composer.graph.adapted_modules import with_adapter

        return with_adapter(self, found, node.adapter, path)

    def modality_config(
        self, item: InputShape | NodeShape, modality: Modality, path: YamlPath
    ) -> Config | None:
        """The config of what is read as a modality, with what a module was made for where it takes that over."""
        given: dict[str, object] | None = item.with_
        if item.for_ is not None:
            from composer.graph.preparation import taken_over

            given = taken_over(self, item, path, modality)
        elif any(module.type.made_for is not None for module in self.modules.values()):
            from composer.graph.preparation import could_take_over

            if could_take_over(self, item, path, modality):
                return None
        if given is None:
            return None
        config = self.reader.read(modality.config, given, path, f"modality {modality.id}", modality.title)
        if config is not None and modality.words is not None:
            what = f"`words` of {modality.title}"
            fields = self.asked(modality.words, (config,), path, what, as_names)
            if fields:
                self.words.hold(modality, config, path, fields)
        return config

    def find(self, section: Section[E], key: str, path: YamlPath, code: str, what: str) -> E | None:
        """A registry entry by id, or None after reporting C201/C205, C301 or C302."""
        if key in section and not self.registry.conflicts:
            return section[key]
        return self._finder.find(section, key, path, code, what)

    def unknown_module(self, name: str, path: YamlPath) -> None:
        """C204: a place that names a module which is not declared."""
        self._faults.unknown_module(name, name, path)

    @cached_property
    def _finder(self) -> EntryFinder:
        from composer.graph.entries import EntryFinder

        return EntryFinder(self.registry, self.document.tree, self.findings)

    @cached_property
    def words(self) -> WrittenWords:
        """What holds words of the document against tokenizers."""
        from composer.graph.tokenizers_at_hand import WrittenWords

        return WrittenWords(self.document.tree, self.findings)

    @cached_property
    def _weights(self) -> ModuleWeights:
        from composer.graph.module_weights import ModuleWeights

        return ModuleWeights(self.reader, self.registry, self.findings, self._finder.find)

    @cached_property
    def _faults(self) -> CalleeFaults:
        from composer.graph.callee_faults import CalleeFaults

        return CalleeFaults(self)

    @cached_property
    def _searches(self) -> SearchReader:
        return SearchReader(self)

    def _in_place(self, node: NodeShape, path: YamlPath) -> Callee | None:
        if node.uses not in self.registry.module_types and str(node.uses).partition(".")[0] in self.declared:
            self._faults.used_module(str(node.uses), (*path, "uses"))
            return None
        if node.uses not in self.registry.module_types and node.uses in self.document.shape.pieces:
            self._faults.used_piece(node.uses, (*path, "uses"))
            return None
        entry = self.find(self.registry.module_types, str(node.uses), (*path, "uses"), "C201", "module type")
        if entry is None:
            return None
        if not entry.stateless:
            self._faults.used_weights(entry, (*path, "uses"))
            return None
        if self.findings.touches(path):
            return None
        config = self.reader.read(entry.config, node.with_, path, entry.id, entry.title)
        if config is None:
            return None
        module = CheckedModule(str(path[-1]), entry, config, path)
        function = entry.methods["forward"].signature
        signature = self._signature(function, (config,), (*path, "uses"), entry.id, entry.title)
        return None if signature is None else InPlace(module, "forward", None, signature)

    def _used_piece(self, node: NodeShape, path: YamlPath) -> Callee | None:
        if self.pieces is None or node.piece not in self.document.shape.pieces:
            self._faults.unknown_piece(str(node.piece), (*path, "piece"))
            return None
        self.pieces.used.add(node.piece)
        return self.pieces.of(node, path)

    def _called(self, node: NodeShape, verb: str, path: YamlPath) -> Callee | None:
        text = str(getattr(node, verb))
        name, _, method = text.partition(".")
        if name not in self.declared:
            self._faults.unknown_module(name, text, (*path, verb))
            return None
        self.called.add(name)
        module = self.modules.get(name)
        if module is None:
            return None
        if verb == Generate.key:
            return self._generated(node, module, method, path)
        method = method or "forward"
        entry = module.type.methods.get(method)
        if entry is None:
            self._faults.unknown_method(module, method, text, (*path, verb))
            return None
        if self.findings.touches(path):
            return None
        title = f"method `{method}` of {module.type.title}"
        options = self.reader.read(
            entry.options or NoConfig, node.with_, path, f"{module.type.id}.{method}", title
        )
        if options is None:
            return None
        arguments = (module.config, options) if entry.options is not None else (module.config,)
        what = f"{module.type.id}.{method}"
        signature = self._signature(entry.signature, arguments, (*path, verb), what, title, module.path)
        chosen = options if entry.options is not None else None
        return None if signature is None else Call(module, method, chosen, signature)

    def _generated(
        self, node: NodeShape, module: CheckedModule, method: str, path: YamlPath
    ) -> Callee | None:
        generation = module.type.generation
        if generation is None:
            self._faults.cannot_generate(module, (*path, "generate"))
            return None
        if method:
            self._faults.generated_method(module, method, (*path, "generate"))
            return None
        if self.findings.touches(path):
            return None
        self._hold_vocabulary(module)
        title = f"`generate` of {module.type.title}"
        read = self._searches.read(node, module, path)
        if read is None:
            return None
        options, search = read
        where, what, given = (*path, "generate"), f"generate {module.name}", (module.config, options)
        signature = self._signature(generation.signature, given, where, what, title, module.path)
        if signature is None or not self._has_prompt(generation, module, signature, where):
            return None
        self._searches.hold_rules(search, options, module, path, self._texts[module.name])
        whole = self._searches.with_ports(signature, search, where)
        return None if whole is None else Generate(module, "generate", options, whole, search)

    def _has_prompt(
        self, generation: Generation, module: CheckedModule, signature: Signature, path: YamlPath
    ) -> bool:
        """Whether the ports of a decoder's prompt are ports (C303 where they are not)."""
        unknown = [port for port in generation.prompt if port not in signature.inputs]
        if unknown:
            ports = ", ".join(signature.inputs) or "none"
            fault = f"names {unknown[0]!r}, which is not an input port (there are: {ports})"
            error = PluginError(f"`prompt` of {module.type.title}", fault)
            report_fault(self.findings, error, self.document.tree.place(path))
        return not unknown

    def _signature(
        self,
        function: Callable[..., object],
        arguments: tuple[Config, ...],
        path: YamlPath,
        what: str,
        title: str,
        module: YamlPath | None = None,
    ) -> Signature | None:
        key = (function, *map(id, arguments))
        if key not in self._signatures:
            self._keep.append(arguments)  # ids are keys: the configs must outlive the table
            accept = as_signature(arguments[0])
            self._signatures[key] = self.asked(
                function, arguments, path, f"the signature of {title}", accept, what, module
            )
        return self._signatures[key]

    def asked(
        self,
        function: Callable[..., object],
        arguments: tuple[Config, ...],
        path: YamlPath,
        what: str,
        accept: Callable[[object], T],
        owner: str = "",
        module: YamlPath | None = None,
    ) -> T | None:
        """A plugin's answer, or None after reporting C303, or C206 where it refuses the config in its own words."""
        try:
            return ask(function, *arguments, what=what, accept=accept)
        except PluginError as error:
            if isinstance(error.__cause__, TooLargeError):  # nobody's fault but that of the size
                self._faults.too_large(error.__cause__, arguments, path, owner or what, module)
            else:
                report_fault(self.findings, error, self.document.tree.place(path))
        except ComposerError as error:  # the config and the options, each fine alone, do not go together
            self._faults.disagreement(str(error), path, owner or what, module)
        return None
