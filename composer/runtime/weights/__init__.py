"""runtime/weights."""
