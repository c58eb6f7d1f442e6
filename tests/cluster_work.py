"""Work for the workers of test_cluster.py, which import it: so it imports nothing heavy."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def negative(piece):
    if piece == 2:
        raise ValueError("no two")
    return -piece


def deadly(piece):
    """Kills its worker: 3 the first time, 4 always. Writes down every try."""
    number, folder = piece
    tries = Path(folder) / str(number)
    with tries.open("a") as file:
        file.write("x")
    if number == 4 or (number == 3 and tries.read_text() == "x"):
        os.kill(os.getpid(), signal.SIGKILL)
    return -number


def die(signal_number):
    os.kill(os.getpid(), signal_number)
