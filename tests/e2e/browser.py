"""A real browser on the sandbox's page, and a bot small enough to be seen through."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from bot.sandbox.server import RunningSandbox

T = TypeVar("T")
WAIT = 8.0
TOKEN = "4242:a-token-of-a-tiny-bot"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
]
FIND = """
    const [selector, text] = arguments;
    return [...document.querySelectorAll(selector)].find((one) => one.innerText.includes(text));
"""
PARSE = """
    const [text, done] = arguments;
    import("/page/format.js").then(({ richText }) => {
        const box = document.createElement("div");
        box.append(richText(text));
        document.body.append(box);
        const active = box.querySelectorAll("script, img, svg, style, [onclick], [href]").length;
        done([active, box.textContent]);
        box.remove();
    });
"""
RESET = """
    const headers = { "Content-Type": "application/json" };
    return fetch("/sandbox/reset", { method: "POST", headers, body: "{}" }).then(() => true);
"""
SIDEWAYS = "return [...document.querySelectorAll('.log')].some((log) => log.scrollWidth > log.clientWidth)"
CARD = "<b>Approval needed</b> · <code>#A7F3Q2</code>\n<b>Refund €40.00</b>"
KEYS = [
    [
        {"text": "✅ Approve", "callback_data": "approve:1", "style": "success"},
        {"text": "⛔ Deny", "callback_data": "deny:1", "style": "danger"},
    ],
    [{"text": "Docs", "url": "https://example.org/"}],
]


class Loop:
    """An event loop in a thread of its own, so that the browser can be driven from this one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class TinyBot:
    """As little of a bot as there can be: calls methods, and fetches updates one by one."""

    def __init__(self, loop: Loop, url: str) -> None:
        self._loop = loop
        self._base = f"{url}/bot{TOKEN}"
        self._offset = 0

    def call(self, method: str, **params: Any) -> Any:
        return self._loop.run(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self._base}/{method}", json=params) as answer,
        ):
            body = await answer.json()
        assert body["ok"], body
        return body["result"]

    def update(self, kind: str) -> dict[str, Any]:
        """Return the next update of a kind, waiting for it."""
        while True:
            found = self.call("getUpdates", offset=self._offset, timeout=int(WAIT), limit=1)
            assert found, f"no {kind} arrived"
            self._offset = found[0]["update_id"] + 1
            if kind in found[0]:
                body: dict[str, Any] = found[0][kind]
                return body

    def card(self, chat: int, text: str = CARD, **more: Any) -> int:
        markup = {"inline_keyboard": KEYS}
        sent = self.call(
            "sendMessage", chat_id=chat, text=text, parse_mode="HTML", reply_markup=markup, **more
        )
        number: int = sent["message_id"]
        return number


class Page:
    """The page as a person works it: everything waits until it is there."""

    def __init__(self, driver: webdriver.Chrome, sandbox: RunningSandbox) -> None:
        self.driver = driver
        self.sandbox = sandbox
        self.ids = {person.key: person.id for person in sandbox.world.people.values()}

    def open(self, width: int = 1280, height: int = 800, *, motion: str = "reduce") -> None:
        """Load the page, without its animations unless `motion` is "no-preference"."""
        media = {"features": [{"name": "prefers-reduced-motion", "value": motion}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(self.sandbox.url)
        self.find("#connection[data-live=true]")

    def until(self, true: Callable[[], T], what: str = "") -> T:
        wait = WebDriverWait(self.driver, WAIT, poll_frequency=0.05)
        return wait.until(lambda _: true(), what)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str, text: str = "") -> WebElement:
        """Return the first element that matches and contains the text."""
        found = self.until(
            lambda: self.driver.execute_script(FIND, selector, text) or None, f"{selector} {text}"
        )
        assert isinstance(found, WebElement)
        return found

    def gone(self, selector: str) -> None:
        self.until(lambda: not self.all(selector), f"{selector} is still there")

    def phone(self, person: str, selector: str, text: str = "") -> WebElement:
        return self.find(f"section[data-person={person}] {selector}", text)

    def write(self, person: str, *keys: str) -> None:
        self.phone(person, "textarea[name=text]").send_keys(*keys)

    def script(self, source: str) -> Any:
        return self.driver.execute_script(source)

    def errors(self) -> list[str]:
        """Return what the browser complained about since the last call."""
        return [f"{one['level']}: {one['message']}" for one in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


def missing() -> str:
    names = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(names)} not found: install Debian's chromium and chromium-driver" if names else ""
