"""Pictures of tasks: boxes for calls, one colour per module, port types on the edges. No other program is needed."""

from composer.cli.picture.files import format_of, picture_text

__all__ = ["format_of", "picture_text"]
