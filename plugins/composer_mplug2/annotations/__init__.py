"""Official annotation files of benchmarks, read one sample at a time: `--data vqa:questions.json,annotations.json`."""

from composer_mplug2.annotations.declared_formats import FORMATS

__all__ = ["FORMATS"]
