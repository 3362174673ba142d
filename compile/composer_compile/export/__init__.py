"""Stages as exported programs of torch."""
