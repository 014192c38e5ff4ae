"""The report in a real browser: phone and desktop, light and dark, paper, and nothing fetched."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from gounmal.report.render import render
from gounmal.report.summary import Summary

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SUMMARY = Path(__file__).parents[1] / "data" / "report" / "summary.json"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-port=0",
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


class Page:
    """One tab, spoken to in the DevTools protocol."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.events = []

    async def call(self, method, **params):
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = await self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def wait_for(self, method):
        while not any(event["method"] == method for event in self.events):
            await self._receive()

    async def value(self, expression):
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def seen(self, *methods):
        return [event["params"] for event in self.events if event["method"] in methods]

    async def _receive(self):
        answer = json.loads(await self._socket.receive_str(timeout=30))
        if "method" in answer:
            self.events.append(answer)
        return answer


@pytest.fixture
def debugging_url(tmp_path):
    """A browser of our own, with a fresh profile."""
    profile = tmp_path / "profile"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = next(line for line in process.stderr if "DevTools listening on" in line)
            port = urlsplit(said.split()[-1]).port
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@asynccontextmanager
async def opened(debugging_url, path, *, width, scheme, media="screen"):
    """The report in a tab of this width and colour scheme."""
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{debugging_url}/json/new?about:blank") as answer:
            target = await answer.json()
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            for domain in ("Page", "Network", "Runtime", "Log"):
                await page.call(f"{domain}.enable")
            await page.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=844,
                deviceScaleFactor=1,
                mobile=width < 500,
            )
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await page.call("Emulation.setEmulatedMedia", media=media, features=features)
            await page.call("Page.navigate", url=path.as_uri())
            await page.wait_for("Page.loadEventFired")
            yield page


@pytest.fixture(params=["ko", "en"])
def report(request, tmp_path):
    path = tmp_path / f"report.{request.param}.html"
    path.write_text(render(Summary.load(SUMMARY), language=request.param), encoding="utf-8")
    return path


WIDER_THAN_PAGE = """
[...document.querySelectorAll("body *")]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + "." + e.getAttribute("class"))
"""
CLIPPED = """
[...document.querySelectorAll("svg text")]
  .filter(e => {
    const [text, chart] = [e, e.closest("svg")].map(x => x.getBoundingClientRect());
    return text.left < chart.left - 1 || text.right > chart.right + 1;
  })
  .map(e => e.textContent)
"""
CONTRASTS = """
(() => {
  const rgb = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const part = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = rgb(c).map(part); return .2126*r + .7152*g + .0722*b; };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== "rgba(0, 0, 0, 0)") return c;
    }
  };
  return [...document.querySelectorAll("main *")]
    .filter(e => e.tagName !== "title")
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => {
      const style = getComputedStyle(e);
      const ink = e instanceof SVGElement ? style.fill : style.color;
      const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
      return [(a + .05) / (b + .05), e.tagName, e.textContent.trim().slice(0, 20)];
    })
    .sort((a, b) => a[0] - b[0])[0];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_it_fits_reads_well_and_fetches_nothing(
    debugging_url, report, tmp_path, width, scheme
):
    async with opened(debugging_url, report, width=width, scheme=scheme) as page:
        assert await page.value("document.documentElement.scrollWidth") <= width
        assert await page.value(WIDER_THAN_PAGE) == []
        assert await page.value(CLIPPED) == []
        contrast, *where = await page.value(CONTRASTS)
        assert contrast >= 4.5, where  # WCAG 2.2, level AA
        paper = await page.value("getComputedStyle(document.body).backgroundColor")
        shown = await page.value(
            "[...document.querySelectorAll('svg')].filter(e => e.clientWidth).length"
        )
        shot = await page.call("Page.captureScreenshot", captureBeyondViewport=True)
        requests = [event["request"]["url"] for event in page.seen("Network.requestWillBeSent")]
        complaints = page.seen(
            "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"
        )
    assert sum(map(int, paper[4:-1].split(","))) < 150 or scheme == "light"
    assert shown == 3
    assert requests == [report.as_uri()]
    assert complaints == []
    image = base64.b64decode(shot["data"])
    folder = Path(os.environ.get("GOUNMAL_SCREENSHOTS") or tmp_path)
    (folder / f"{report.stem}.{width}.{scheme}.png").write_bytes(image)
    assert image.startswith(b"\x89PNG")


async def test_spellings_are_behind_a_reveal(debugging_url, report):
    spelling = Summary.load(SUMMARY).expressions[0].variants[0].text
    async with opened(debugging_url, report, width=390, scheme="light") as page:
        item = (
            f"[...document.querySelectorAll('li')].find(e => e.textContent.includes({spelling!r}))"
        )
        assert await page.value(f"{item}.checkVisibility()") is False
        await page.value(f"{item}.closest('details').querySelector('summary').click()")
        assert await page.value(f"{item}.checkVisibility()") is True


async def test_it_prints_on_white(debugging_url, report):
    async with opened(debugging_url, report, width=794, scheme="dark", media="print") as page:
        paper = await page.value("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        pdf = await page.call("Page.printToPDF")
        lines = "document.querySelectorAll('.peak .lines p')"
        shown = f"[...{lines}].filter(e => e.getBoundingClientRect().height > 0).length"
        assert await page.value(shown) == await page.value(f"{lines}.length") > 8
    assert base64.b64decode(pdf["data"]).startswith(b"%PDF")
