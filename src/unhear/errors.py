"""Every error that Unhear raises on purpose.

UnhearError            one sentence: what, where, what to do
├── InputError         the user's input is at fault         (exit code 2)
└── FailureError       the input is fine, the work failed   (exit code 1)
    ├── UnfitError     whoever was to do the work cannot, whatever it is
    └── AbsentError    what is fetched on first use can neither be found nor fetched
"""


class UnhearError(Exception):
    """An error whose message is one sentence made to be shown to the user."""

    exit_code = 1


class InputError(UnhearError):
    """What the user gave cannot be used."""

    exit_code = 2


class FailureError(UnhearError):
    """Something outside the user's input went wrong, such as a download."""


class UnfitError(FailureError):
    """A worker can do no work at all: it would fail one piece after the other."""


class AbsentError(FailureError):
    """Weights are neither here nor to be had: there is no network, say."""
