"""Enhancers that are no torch networks and have no gradient: to measure, not to attack."""
