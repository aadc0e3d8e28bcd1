"""What the server answers to a request that is wrong."""


class RefusedError(Exception):
    """A request cannot be served: the page shows the message, and the server lives on.

    status: the HTTP status code.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
