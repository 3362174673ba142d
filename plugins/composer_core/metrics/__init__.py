"""The code of the metrics, which `composer_core.metric_types` declares."""

__all__: list[str] = []
