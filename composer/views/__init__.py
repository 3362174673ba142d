"""Views of a checked document: tables, the resolved text, costs, pictures, and the schema of the language.

Importing this imports no torch; `composer.views.cost.measure` does, when it is called.
"""

from composer.views.recipe_schema import recipe_schema
from composer.views.resolved import resolved_text
from composer.views.schema import document_schema
from composer.views.text_table import document_text, task_text

__all__ = ["document_schema", "document_text", "recipe_schema", "resolved_text", "task_text"]
