"""The primitive types of the language: dims, port types, kinds, signatures. Nothing here knows documents or plugins."""

from composer.types.dims import UNBOUNDED, Dim, Floor, Product, Symbol
from composer.types.kinds import BATCH, Field, Kind
from composer.types.parsing import TooLargeError, parse_dim, parse_form
from composer.types.ports import COUNTS, ITEMS, Port, PortType, Several, parse_port_type
from composer.types.signature import Signature
from composer.types.values import States, Tokens
from composer.types.vocabulary import VocabularyIds

__all__ = [
    "BATCH",
    "COUNTS",
    "ITEMS",
    "UNBOUNDED",
    "Dim",
    "Field",
    "Floor",
    "Kind",
    "Port",
    "PortType",
    "Product",
    "Several",
    "Signature",
    "States",
    "Symbol",
    "Tokens",
    "TooLargeError",
    "VocabularyIds",
    "parse_dim",
    "parse_form",
    "parse_port_type",
]
