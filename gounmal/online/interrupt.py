"""A block of code that can be ended from outside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Interruptible:
    """`async with` it, once: what waits inside is given up as soon as `interrupt` is called.

    Attributes:
        interrupted: was it?
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._asked = False
        # A timeout without a time: it tells its own cancellation from others'.
        self._scope = asyncio.timeout(None)
        self._inside = False

    def interrupt(self) -> None:
        """End the block; before it has begun, as soon as it waits; afterwards, nothing."""
        self._asked = True
        if self._inside:
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        self._inside = True
        if self._asked:
            self.interrupt()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._inside = False
        try:
            await self._scope.__aexit__(kind, error, traceback)
        except TimeoutError:
            self.interrupted = True
            return True
        return False
