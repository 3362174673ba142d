"""Declare multimodal models in YAML; check, run and compile them."""
