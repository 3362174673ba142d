"""Comparing compiled programs with the live model."""
