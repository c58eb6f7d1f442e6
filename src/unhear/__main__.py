"""``python -m unhear``."""

from unhear.cli import main

main()
