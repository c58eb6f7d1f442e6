"""Every error that Unhear raises on purpose.

UnhearError            one sentence: what, where, what to do
├── InputError         the user's input is at fault         (exit code 2)
└── FailureError       the input is fine, the work failed   (exit code 1)
"""


class UnhearError(Exception):
    """An error whose message is one sentence made to be shown to the user."""

    exit_code = 1


class InputError(UnhearError):
    """What the user gave cannot be used."""

    exit_code = 2


class FailureError(UnhearError):
    """Something outside the user's input went wrong, such as a download."""
