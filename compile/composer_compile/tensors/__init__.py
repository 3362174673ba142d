"""Tensors by name, number format and size: what a program takes and gives, and how far two of them differ."""
