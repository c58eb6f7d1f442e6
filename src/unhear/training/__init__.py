"""Recipes for the weights that Unhear ships."""
