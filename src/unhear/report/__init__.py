"""Results → HTML pages with players, spectrograms, curves and figures, each one file."""

from unhear.report.differences import Transcripts
from unhear.report.heat_maps import HeatMap
from unhear.report.page import Page, write_page
from unhear.report.panels import Panel
from unhear.report.plots import Plot, Point, Series
from unhear.report.run_page import Exhibit, Headline, RunPage, write_run_page
from unhear.report.sounds import amplified
from unhear.report.tables import Column, Table

__all__ = [
    "Column",
    "Exhibit",
    "Headline",
    "HeatMap",
    "Page",
    "Panel",
    "Plot",
    "Point",
    "RunPage",
    "Series",
    "Table",
    "Transcripts",
    "amplified",
    "write_page",
    "write_run_page",
]
