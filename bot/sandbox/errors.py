"""The errors that the sandbox answers with.

Exception
├── ApiError        what a bot gets: Telegram's code, text and parameters
├── ControlError    what the driver of the people gets: a status and a sentence
└── DropConnection  the connection ends without an answer (a fault somebody asked for)
"""

from typing import Any


class ApiError(Exception):
    """A refusal in Telegram's words; `code` is both the HTTP status and the `error_code`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """Return the JSON object that Telegram would answer with."""
        answer: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            answer["parameters"] = self.parameters
        return answer


class ControlError(Exception):
    """A refusal on `/sandbox/*`: 400 for what is wrong in a request, 404 for what does not exist."""

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class DropConnection(Exception):
    """Close the connection without an answer, or without the rest of it; `reset`: with a TCP reset."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


def bad_request(text: str) -> ApiError:
    """Return Telegram's 400 with its usual prefix."""
    return ApiError(400, f"Bad Request: {text}")


def forbidden(text: str) -> ApiError:
    """Return Telegram's 403 with its usual prefix."""
    return ApiError(403, f"Forbidden: {text}")


def flood(seconds: int) -> ApiError:
    """Return Telegram's 429, which says when to come back."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def upgraded(chat_id: int) -> ApiError:
    """Return the 400 that tells a bot the new id of a group."""
    return ApiError(
        400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat_id
    )


def not_found(what: str) -> ControlError:
    """Return the control interface's 404."""
    return ControlError(what, status=404)
