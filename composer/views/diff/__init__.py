"""What two documents have in common and what not, as values, text, JSON and a picture."""

from composer.views.diff.diff_text import diff_text
from composer.views.diff.diff_values import Change, DocumentDiff, PartDiff, TaskDiff
from composer.views.diff.differing import diff_documents

__all__ = ["Change", "DocumentDiff", "PartDiff", "TaskDiff", "diff_documents", "diff_text"]
