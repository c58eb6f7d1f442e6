"""How fast and how small protecting is, as ratios within one run.

`python -m benchmarks.speed --data FOLDER -o docs/benchmarks.md`, from the repository's root.
One file for each part; :mod:`plan` says what is measured with which settings, :mod:`criteria`
what it has to come to.
"""
