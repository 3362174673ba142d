"""What `composer show` prints."""

__all__: list[str] = []
