"""The one exception a user ever sees."""


class UserError(Exception):
    """What the user gave is wrong; the command line prints the message and exits with code 2.

    The message names the thing, the value found and the remedy, in one to three lines, and needs no
    traceback to be understood.
    """


def in_words(error: Exception) -> str:
    """What another process is told of an error."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
