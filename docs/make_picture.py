"""The picture of the labelling page in the README: docs/src/images/labelling.webp.

A question, a painted range, and the scores before and after a round, as the real page shows them: the program labels the data
that ship with it, and a headless Chromium is driven over the WebDriver protocol. It needs `chromium`, `chromedriver` and Pillow
(`pip install Pillow`).

    cargo build -p rlad-cli && python3 docs/make_picture.py target/debug/rlad
"""

import base64
import csv
import io
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "crates/rlad-cli/data/kpi"
PICTURE = ROOT / "docs/src/images/labelling.webp"
WIDTH, HEIGHT = 1160, 780
# The questions that are asked before there is a detector.
N_WARM_UP = 10
SETTINGS = """
questions = 40
[query]
per_round = 10
[warm_up]
n_highest = 4
n_lowest = 2
n_middle = 2
[agent]
n_members = 2
steps_per_round = 100
final_steps = 100
[experts]
reask_fraction = 0.0
"""
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--lang=en", f"--window-size={WIDTH},{HEIGHT}"]
RIGHT, LEFT = "\ue014", "\ue012"


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.loads(reply.read())["value"]


class Browser:
    """A headless Chromium with a frame for each picture that was taken."""

    def __init__(self, profile):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in self.driver.stdout if "successfully on port " in line)
        port = re.search(r"on port (\d+)", line)[1]
        base = f"http://127.0.0.1:{port}/session"
        options = {"args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.session = f"{base}/{call('POST', base, wanted)['sessionId']}"
        self.frames = []
        screen = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", screen)

    def close(self):
        call("DELETE", self.session)
        self.driver.kill()
        self.driver.wait()

    def command(self, name, parameters):
        return call("POST", f"{self.session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def open(self, url):
        call("POST", f"{self.session}/url", {"url": url})

    def run(self, script):
        return call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def wait(self, expression, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(f"return {expression}")
            if value:
                return value
            time.sleep(0.05)
        sys.exit(f"error: `{expression}` does not come true on the page")

    def press(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def picture(self, milliseconds):
        time.sleep(0.3)
        data = self.command("Page.captureScreenshot", {"format": "png"})["data"]
        self.frames.append((Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), milliseconds))


def truths():
    """The labels of each series, in the order of the session."""
    of_file = lambda path: [row[-1] == "1" for row in list(csv.reader(path.open()))[1:]]
    return [of_file(path) for path in sorted(DATA.glob("*.csv"))]


def question(browser, before):
    """The question on the screen, once it is another one than the one before; nothing when the session is done."""
    found = browser.wait(f"""(() => {{
        const of = (id) => document.getElementById(id), box = of("question").dataset;
        if (of("phase").dataset.phase === "done") return {{ done: true }};
        if (box.id === "" || box.id === "{before}" || box.drawn !== "true" || !of("stamp").hidden) return null;
        return {{ id: box.id, series: Number(box.series), point: Number(box.point), first: Number(of("window").dataset.first), last: Number(of("window").dataset.last) }};
    }})()""")
    # Keys count from 120 ms after a question is on the screen.
    time.sleep(0.2)
    return None if "done" in found else found


def main(program):
    labels = truths()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text(SETTINGS)
        server = subprocess.Popen(
            [program, "label", f"{folder}/kpi", DATA, "--config", settings, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        browser = Browser(f"{folder}/profile")
        try:
            browser.open(f"{json.loads(server.stdout.readline())['url']}?who=ada")
            before, n_told, has_painted = "", 0, False
            while found := question(browser, before):
                before = found["id"]
                label = labels[found["series"]]
                point = found["point"]
                is_told = not has_painted and label[point] or int(before) >= N_WARM_UP and label[point] and n_told < 1
                if is_told:
                    browser.picture(1800)
                if label[point]:
                    first, last = point, point
                    while first > found["first"] and label[first - 1]:
                        first -= 1
                    while last < found["last"] and label[last + 1]:
                        last += 1
                    browser.press("r", *[RIGHT] * (last - point), "r", "r", *[LEFT] * (point - first), "r")
                    if is_told:
                        browser.picture(1400)
                    has_painted = True
                browser.press("a" if label[point] else "n")
                if is_told:
                    n_told += int(before) >= N_WARM_UP
                    browser.wait("document.querySelector('#toast strong')")
                    browser.picture(2600)
                if n_told == 1:
                    break
        finally:
            browser.close()
            server.terminate()
            server.wait()
    frames, durations = zip(*browser.frames)
    frames[0].save(PICTURE, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6)
    print(f"{PICTURE.relative_to(ROOT)}: {len(frames)} frames, {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
