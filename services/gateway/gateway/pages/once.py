"""Forms that make something make it once, however often they are sent: by a double click, or by a page that is loaded anew.

Such a form holds a key of its own (`ui.once`), another each time it is shown; what is sent is kept under it as what programs send under an
`Idempotency-Key` (docs/adr/0048-a-form-is-sent-once.md).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import Request

from contracts.message import ProblemCode, ProblemError
from gateway.gate import Principal
from gateway.idempotency import Idempotency, Key
from gateway.pages.filled_in import ONCE
from gateway.problems import RefusedError
from gateway.rendering import TEMPLATES

_PATIENCE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.05

TEMPLATES.globals["new_once"] = lambda: uuid4().hex


@asynccontextmanager
async def once(request: Request, principal: Principal) -> AsyncIterator[Key]:
    """Do what a form asks for once at a time; what is sent again while it is done waits for that, and then finds it done.

    The same form filled in otherwise is another. What was refused is done anew when it is sent again.

    Raises:
        ProblemError: `conflict`, the same has been under way for long.
    """
    form = await request.form()
    fields = urlencode([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    sent = f"form {hashlib.sha256(fields.encode()).hexdigest()}" if form.get(ONCE) else uuid4().hex
    idempotency: Idempotency = request.app.state.idempotency
    ends = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    async with AsyncExitStack() as stack:
        while True:
            try:
                at_work = idempotency.under(principal.tenant, principal.actor, sent, request.method, request.url.path)
                key = await stack.enter_async_context(at_work)
                break
            except RefusedError as error:
                if error.status_code != HTTPStatus.CONFLICT or asyncio.get_running_loop().time() > ends:
                    raise ProblemError(
                        ProblemCode.CONFLICT, "this is being done: see in a moment whether it is there"
                    ) from None
                await asyncio.sleep(_LOOK_SECONDS)
        yield key
