"""Results → one HTML page with players, spectrograms, figures and settings."""

from unhear.report.page import Page, Panel, write_page

__all__ = ["Page", "Panel", "write_page"]
