"""Errors as RFC 9457 problem documents: a stable code, what is wrong, what would be right; no traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from core.errors import Code, InvalidInput, Refusal

RETRY_S: Final = 2
MOST_BYTES: Final = 1024 * 1024
HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answered(found: Mapping[str, Any], *, status: int = 200, **headers: str) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=json.dumps(found, ensure_ascii=False).encode(),
        status=status,
        content_type="application/json",
        headers={**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}},
    )


def problem(refusal: Refusal, *, allow: str = "") -> web.Response:
    """The document of a refusal, with its facts (`field`, `current_status`, …) as members."""
    status = refusal.http_status
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": refusal.code.value,
        "detail": refusal.message,
        **refusal.details,
    }
    headers = dict(HEADERS)
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after_s))
    if refusal.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="countersign"'
    if allow:
        headers["Allow"] = allow
    return web.Response(
        body=json.dumps(document, ensure_ascii=False).encode(),
        status=status,
        content_type="application/problem+json",
        headers=headers,
    )


def of_aiohttp(error: web.HTTPException) -> web.Response:
    """What the library itself refuses: an address or a method that there is not, a body that is too big."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allow = ", ".join(sorted(error.allowed_methods))
        return problem(Refusal(Code.METHOD_NOT_ALLOWED, f"This address takes {allow}."), allow=allow)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return problem(Refusal(Code.PAYLOAD_TOO_LARGE, "A body takes 1 MB at most."))
    if error.status == HTTPStatus.NOT_FOUND:
        return problem(Refusal(Code.NOT_FOUND, "There is no such address here."))
    wrong = InvalidInput(field="request", given=error.reason, allowed="send it as HTTP/1.1 says")
    return problem(wrong)


def not_persisted() -> Refusal:
    """Nothing was written, and trying again is safe: each verb is idempotent or conditional."""
    return Refusal(
        Code.PERSIST_FAILED,
        "The database cannot be reached or written now. Please try again.",
        retry_after_s=RETRY_S,
    )
