"""Recordings × attacks × enhancers → rows of figures, measured on the files as written."""
