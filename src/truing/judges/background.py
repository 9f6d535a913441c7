"""An event loop in a thread of its own: connections outlive a call, and a notebook's loop is no hindrance."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Background:
    """Runs coroutines in its thread until it is closed. The thread ends with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="judge").start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `work`; what interrupts the wait, such as Ctrl-C, cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Coroutine[Any, Any, object]) -> None:
        """Run `last` and end the thread, without waiting for either."""
        asyncio.run_coroutine_threadsafe(last, self._loop).add_done_callback(
            lambda _: self._loop.call_soon_threadsafe(self._loop.stop)
        )
