"""Sender of webhooks: repeated with back-off until taken, doubled and reordered by injected faults.

Deliberately absent: what a webhook says and how it is signed, which is each vendor's own; and any promise about order.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp
from msgspec import Struct
from yarl import URL

from app.sandbox.vendors.simulation import RefusalError, World

AT_ONCE: Final = 8
WAITING_MAX: Final = 100_000
"""Webhooks on their way; beyond that the newest are not sent, and counted."""
BACK_OFF_MS: Final = (500, 1000, 2000, 5000, 10_000)
"""Between two attempts; the last one again and again."""
GIVE_UP_MS: Final = 24 * 3_600_000
ANSWER_S: Final = 10.0
"""How long a receiver has to answer."""
_DUPLICATE: Final = frozenset({"duplicate-webhooks"})
_REORDER: Final = frozenset({"reorder-webhooks"})


class WebhookTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """Where webhooks go, and the secret that both sides know."""

    url: str
    secret: str = ""


Seal = Callable[[WebhookTarget, str, bytes, int], Mapping[str, str]]
"""(target, webhook id, body, now in ms) -> all headers of one attempt."""


Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""(address, body, headers) -> the status of the answer, 0 for none. Never raises for what a network does."""


def check_target(target: WebhookTarget) -> WebhookTarget:
    """Return the target. Raises RefusalError when its address is none."""
    try:
        url = URL(target.url)
    except ValueError as exc:
        raise RefusalError(400, f"url: {target.url[:100]!r} is no address", "send http://host/path") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise RefusalError(400, f"url: {target.url[:100]!r} is no address", "send http://host/path")
    return target


@dataclass(slots=True)
class _Webhook:
    webhook_id: str
    body: bytes
    born: int
    attempts: int = 0


class WebhookSender:
    """Sends while `run` runs. `target` None: nobody asked for webhooks, and none are kept for later."""

    def __init__(self, world: World, provider: str, seal: Seal, target: WebhookTarget | None = None) -> None:
        self._world, self._provider, self._seal = world, provider, seal
        self.target = target
        self.give_up_ms = GIVE_UP_MS
        self._due: asyncio.Queue[_Webhook] = asyncio.Queue()
        self.waiting = 0
        self.counts: Counter[str] = Counter()

    def aim(self, target: WebhookTarget, secret: str) -> None:
        """Send webhooks there from now on, nowhere when the address is "". `secret` is for targets without one.

        Raises RefusalError.
        """
        self.target = check_target(WebhookTarget(target.url, target.secret or secret)) if target.url else None

    def send(self, webhook_id: str, body: bytes) -> None:
        """Send a webhook soon; a fault may delay it, or send it a second time later."""
        if self.target is None or self.waiting >= WAITING_MAX:
            self.counts["unsent"] += 1
            return
        late = self._world.faults.pick(self._provider, _REORDER)
        self._put(_Webhook(webhook_id, body, self._world.clock()), 0 if late is None else late.request.delay_ms)
        again = self._world.faults.pick(self._provider, _DUPLICATE)
        if again is not None:
            self._put(_Webhook(webhook_id, body, self._world.clock()), again.request.delay_ms)

    def _put(self, webhook: _Webhook, delay_ms: int) -> None:
        self.waiting += 1
        if delay_ms:
            self._world.schedule.after(delay_ms, lambda: self._due.put_nowait(webhook))
        else:
            self._due.put_nowait(webhook)

    async def run(self) -> None:
        """Send what is due over HTTP, until canceled."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            await self.deliver(partial(_post, session))

    async def deliver(self, post: Post) -> None:
        """Send what is due by `post`, until canceled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work(post))

    async def _work(self, post: Post) -> None:
        while True:
            webhook = await self._due.get()
            if self.target is None:
                self.counts["unsent"] += 1
            elif await self._attempt(post, self.target, webhook):
                self.counts["taken"] += 1
            else:
                self._again(webhook)
            self.waiting -= 1
            self._due.task_done()

    async def _attempt(self, post: Post, target: WebhookTarget, webhook: _Webhook) -> bool:
        """Make one attempt; any 2xx means that the receiver took it."""
        webhook.attempts += 1
        self.counts["attempts"] += 1
        headers = self._seal(target, webhook.webhook_id, webhook.body, self._world.clock())
        status = await post(target.url, webhook.body, headers)
        return 200 <= status < 300

    def _again(self, webhook: _Webhook) -> None:
        if self._world.clock() - webhook.born >= self.give_up_ms:
            self.counts["given up"] += 1
            return
        self._put(webhook, BACK_OFF_MS[min(webhook.attempts, len(BACK_OFF_MS)) - 1])

    async def drain(self) -> None:
        """Wait until every webhook that is due has been attempted, so that simulated time may pass."""
        await self._due.join()

    def state(self) -> dict[str, object]:
        """Return the state for the control plane, without the secret."""
        url = None if self.target is None else self.target.url
        return {"url": url, "waiting": self.waiting, **self.counts}


async def _post(session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0
