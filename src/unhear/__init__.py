"""Unhear protects noisy recordings against neural speech enhancers."""

__version__ = "0.1.0"
