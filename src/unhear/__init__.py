"""Unhear protects noisy recordings against neural speech enhancers."""

__version__ = "0.1.0"

# Changed by hand (tests/test_method.py says when): the version in which the same settings last
# began to give another perturbation. Work kept of before is then done anew, not gone on with.
METHOD = "0.1.0"
