#!/usr/bin/env python3
"""A toy exporter: two made-up services whose faults are known.

    python3 toy_exporter.py                                   # http://127.0.0.1:8001/metrics
    python3 toy_exporter.py --fault errors@600+300            # a fault 10 minutes after the start, for 5 minutes
    curl -X POST 'http://127.0.0.1:8001/fault?kind=latency&seconds=300'
    curl http://127.0.0.1:8001/faults                         # what was wrong, and when
    python3 toy_exporter.py --history 14d > history.om        # the same services in the past, for promtool

`/metrics` has requests (with a profile of the day and of the week), errors, latency, a queue and memory. `/faults` and
the output list every fault with its service, its times and the series that it touches. `--history` prints the raw
metrics and what `recording.yml` makes of them as OpenMetrics; `promtool tsdb create-blocks-from openmetrics` takes it.

It needs Python 3.9 or later and nothing else.
"""

import argparse
import http.server
import json
import math
import random
import re
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timezone

# What each kind of fault does, and the recorded series that show it.
KINDS = {
    "errors": ("every fifth request fails", ["service:toy_http_errors:ratio_rate1m"]),
    "latency": ("answers take four times as long", ["service:toy_http_request_duration_seconds:mean1m"]),
    "drop": ("four fifths of the requests stay away", ["service:toy_http_requests:rate1m"]),
    "surge": ("three times as many requests come", ["service:toy_http_requests:rate1m"]),
    "queue": ("the workers of the queue stand still", ["service:toy_queue_length:max"]),
    "memory": ("memory leaks, 1 MiB a second", ["service:toy_memory_bytes:max"]),
}
SERVICES = {"shop": (40.0, 0.080), "search": (90.0, 0.030)}  # requests a second at noon, usual latency in seconds
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
DAY = 86400.0


def rfc3339(seconds):
    """A time in seconds since 1970 as text."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(text):
    """`90`, `90s`, `15m`, `36h` or `14d` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|d)?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 15m, 36h or 14d, got `{text}`")
    return float(match[1]) * {None: 1, "s": 1, "m": 60, "h": 3600, "d": DAY}[match[2]]


def planned_fault(text):
    """`KIND@START+SECONDS`, the start in seconds after that of the program."""
    match = re.fullmatch(r"(\w+)@([^+]+)\+(.+)", text)
    if not match or match[1] not in KINDS:
        raise argparse.ArgumentTypeError(f"expected KIND@START+LENGTH with a kind of {', '.join(KINDS)}, got `{text}`")
    return match[1], duration(match[2]), duration(match[3])


class Faults:
    """The faults so far and those planned, each a kind, a service, a start and an end."""

    def __init__(self):
        self.list = []

    def add(self, kind, service, start, seconds):
        """Plans a fault and returns it."""
        effect, series = KINDS[kind]
        fault = {
            "kind": kind, "service": service, "start": start, "end": start + seconds,
            "from": rfc3339(start), "until": rfc3339(start + seconds), "effect": effect,
            "series": [f'{name}{{service="{service}"}}' for name in series],
        }
        self.list = sorted([*self.list, fault], key=lambda fault: fault["start"])
        return fault

    def add_regular(self, every, lasting, start, end):
        """Plans a fault in the middle of each multiple of `every` seconds since 1970: the same ones in each run."""
        for number in range(int(start // every), int(end // every) + 1):
            at = (number + 0.5) * every
            if start <= at < end:
                service = list(SERVICES)[number // len(KINDS) % len(SERVICES)]
                self.add(list(KINDS)[number % len(KINDS)], service, at, lasting)

    def at(self, service, now):
        """The kinds of the faults of a service at a time."""
        ours = (fault for fault in self.list if fault["service"] == service)
        return {fault["kind"] for fault in ours if fault["start"] <= now < fault["end"]}


class Service:
    """A made-up service: what it has counted, and its state."""

    def __init__(self, name, seed, day):
        self.name, self.day = name, day
        self.rate, self.usual_latency = SERVICES[name]
        self.random = random.Random(f"{seed} {name}")
        self.wander = 0.0  # a slow random part of the load
        self.requests = {"200": 0.0, "404": 0.0, "500": 0.0}
        self.buckets = [0.0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.backlog = 0.0
        self.leaked = 0.0
        self.queue = 0
        self.memory = 0.0
        self.ratio, self.mean_latency, self.n_requests = 0.0, 0.0, 0

    def step(self, now, length, faults):
        """Lives `length` seconds until `now` with faults of these kinds."""
        noise = self.random.gauss
        phase = now / self.day
        profile = 0.55 - 0.4 * math.cos(2 * math.pi * (phase - 0.1)) + 0.08 * math.cos(4 * math.pi * phase)
        weekend = 0.75 if int(phase + 4) % 7 in (0, 6) else 1.0
        self.wander += 0.02 * math.sqrt(length / 60) * noise(0, 1) - self.wander * min(length / 3600, 1)
        load = max(profile * weekend * (1 + self.wander), 0.02)
        load *= (0.2 if "drop" in faults else 1) * (3 if "surge" in faults else 1)
        expected = self.rate * load * length
        n_requests = max(round(noise(expected, math.sqrt(expected))), 0)

        failing = 0.2 if "errors" in faults else 0.004
        n_failed = min(max(round(noise(n_requests * failing, math.sqrt(n_requests * failing))), 0), n_requests)
        n_unknown = round((n_requests - n_failed) * 0.01)
        for code, n in (("500", n_failed), ("404", n_unknown), ("200", n_requests - n_failed - n_unknown)):
            self.requests[code] += n

        spread = 0.03 * math.sqrt(60 / max(length, 0.5))  # of the logarithm: the same over a minute at any length
        latency = self.usual_latency * (1 + 0.8 * min(load, 1.5) ** 2) * math.exp(noise(0, spread) - spread**2 / 2)
        latency *= 4 if "latency" in faults else 1
        width = 0.5  # of the logarithm
        middle = math.log(latency) - width**2 / 2
        below = [n_requests * 0.5 * (1 + math.erf((math.log(le) - middle) / (width * math.sqrt(2)))) for le in BUCKETS]
        for index, n in enumerate([*below, n_requests]):
            self.buckets[index] += n
        self.seconds += n_requests * latency

        self.backlog += n_requests * 0.1 if "queue" in faults else -self.rate * length
        self.backlog = max(self.backlog, 0)
        self.queue = round(self.backlog + 6 * load + abs(noise(0, 2)))
        self.leaked = self.leaked + length if "memory" in faults else 0.0
        self.memory = 2**20 * (300 + 60 * load + noise(0, 1.5) + self.leaked)
        self.ratio = n_failed / max(n_requests, 1)
        self.mean_latency, self.n_requests = latency, n_requests

    def samples(self):
        """Name without suffix, suffix, labels and value of each metric, as `/metrics` has them."""
        labels = f'service="{self.name}"'
        for code, n in self.requests.items():
            yield "toy_http_requests", "_total", f'{labels},code="{code}"', n
        for le, n in zip((*BUCKETS, "+Inf"), self.buckets):
            yield "toy_http_request_duration_seconds", "_bucket", f'{labels},le="{le}"', n
        yield "toy_http_request_duration_seconds", "_sum", labels, self.seconds
        yield "toy_http_request_duration_seconds", "_count", labels, self.buckets[-1]
        yield "toy_queue_length", "", labels, self.queue
        yield "toy_memory_bytes", "", labels, self.memory

    def recorded(self, length):
        """Name, labels and value of what `recording.yml` makes of the last step."""
        labels = f'service="{self.name}"'
        yield "service:toy_http_requests:rate1m", labels, self.n_requests / length
        yield "service:toy_http_errors:ratio_rate1m", labels, self.ratio
        yield "service:toy_http_request_duration_seconds:mean1m", labels, self.mean_latency
        yield "service:toy_queue_length:max", labels, self.queue
        yield "service:toy_memory_bytes:max", labels, self.memory


FAMILIES = {
    "toy_http_requests": ("counter", "Requests that were answered."),
    "toy_http_request_duration_seconds": ("histogram", "How long answers took."),
    "toy_queue_length": ("gauge", "Jobs that wait."),
    "toy_memory_bytes": ("gauge", "Memory in use."),
}


class World:
    """All services and their faults; one thread lives on, others read."""

    def __init__(self, faults, seed, day):
        self.services = [Service(name, seed, day) for name in SERVICES]
        self.faults = faults
        self.lock = threading.Lock()

    def step(self, now, length):
        """Lives `length` seconds until `now`."""
        with self.lock:
            for service in self.services:
                service.step(now, length, self.faults.at(service.name, now))

    def metrics(self):
        """The text of `/metrics`, format 0.0.4."""
        with self.lock:
            samples = [sample for service in self.services for sample in service.samples()]
            active = {(f["kind"], f["service"]) for f in self.faults.list if f["start"] <= time.time() < f["end"]}
        lines = []
        for family, (kind, about) in FAMILIES.items():
            name = f"{family}_total" if kind == "counter" else family
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            lines += [f"{of}{suffix}{{{labels}}} {value!r}" for of, suffix, labels, value in samples if of == family]
        lines += ["# HELP toy_fault_active Whether a fault is going on: the truth, never to be sent to rlad.",
                  "# TYPE toy_fault_active gauge"]
        lines += [f'toy_fault_active{{service="{service}",kind="{kind}"}} {int((kind, service) in active)}'
                  for kind in KINDS for service in SERVICES]
        return "\n".join(lines) + "\n"


def print_history(world, start, end, step):
    """Prints the time from `start` until `end` as OpenMetrics: a family after another, the points of each in order."""
    series = {}
    labels_of_scrape = 'instance="127.0.0.1:8001",job="toy"'
    for number in range(int(start // step), int(end // step)):
        now = number * step
        world.step(now, step)
        for service in world.services:
            for family, suffix, labels, value in service.samples():
                key = f"{family}{suffix}{{{labels_of_scrape},{labels}}}"
                series.setdefault(family, {}).setdefault(key, []).append((now, value))
            for name, labels, value in service.recorded(step):
                series.setdefault(name, {}).setdefault(f"{name}{{{labels}}}", []).append((now, value))
    out = sys.stdout
    for family, of_family in series.items():
        out.write(f"# TYPE {family} {FAMILIES.get(family, ('gauge',))[0]}\n")
        for key, points in of_family.items():
            out.writelines(f"{key} {value!r} {now:.3f}\n" for now, value in points)
    out.write("# EOF\n")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers `/metrics`, `/faults` and `POST /fault`."""

    world = None

    def answer(self, status, text, content_type="application/json"):
        """Sends a whole answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """The metrics, or the list of faults."""
        path = urllib.parse.urlsplit(self.path).path
        if path == "/metrics":
            self.answer(200, self.world.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/faults":
            with self.world.lock:
                text = json.dumps(self.world.faults.list, indent=1)
            self.answer(200, text + "\n")
        else:
            self.answer(404, '{"error": "expected /metrics, /faults, or POST /fault?kind=KIND&seconds=N"}\n')

    def do_POST(self):
        """Begins a fault at once."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        kind, service = query.get("kind"), query.get("service", next(iter(SERVICES)))
        try:
            seconds = duration(query.get("seconds", "300"))
        except argparse.ArgumentTypeError:
            seconds = 0
        if url.path != "/fault" or kind not in KINDS or service not in SERVICES or seconds <= 0:
            usage = "expected POST /fault?kind=KIND&seconds=N&service=NAME"
            self.answer(400, json.dumps({"error": usage, "kinds": list(KINDS), "services": list(SERVICES)}) + "\n")
            return
        with self.world.lock:
            fault = self.world.faults.add(kind, service, time.time(), seconds)
        announce(fault)
        self.answer(200, json.dumps(fault) + "\n")

    def log_message(self, *_):
        """Requests are not logged."""


def announce(fault):
    """Prints a fault."""
    span = f"from {fault['from']} until {fault['until']}"
    print(f"fault: {fault['kind']} of {fault['service']} {span}: {fault['effect']}", flush=True)


def main():
    """Reads the flags and serves, or prints the past."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bind", default="127.0.0.1:8001", help="address and port [127.0.0.1:8001]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the noise [1]")
    parser.add_argument("--day", type=duration, default=DAY, help="how long a day of the profile takes, as in 10m [1d]")
    parser.add_argument("--fault", type=planned_fault, action="append", default=[], metavar="KIND@START+LENGTH",
                        help=f"a fault of the shop, START after the start; kinds: {', '.join(KINDS)}")
    parser.add_argument("--fault-every", type=duration, metavar="TIME", help="a fault in each TIME, the kinds in turn")
    parser.add_argument("--fault-length", type=duration, default=600, metavar="TIME", help="how long those last [10m]")
    parser.add_argument("--history", type=duration, metavar="TIME", help="print the last TIME as OpenMetrics, and end")
    parser.add_argument("--history-faults", metavar="FILE", help="with --history: write its faults as JSON there")
    parser.add_argument("--step", type=duration, default=60, help="with --history: seconds between points [60]")
    args = parser.parse_args()

    start = time.time()
    faults = Faults()
    world = World(faults, args.seed, args.day)
    if args.history:
        if args.fault_every:
            faults.add_regular(args.fault_every, args.fault_length, start - args.history, start)
        print_history(world, start - args.history, start, args.step)
        if args.history_faults:
            with open(args.history_faults, "w", encoding="utf-8") as file:
                json.dump(faults.list, file, indent=1)
        return
    for kind, after, seconds in args.fault:
        faults.add(kind, next(iter(SERVICES)), start + after, seconds)
    if args.fault_every:
        faults.add_regular(args.fault_every, args.fault_length, start, start + 400 * DAY)
    for fault in faults.list[:3]:
        announce(fault)

    world.step(start, 1)
    Handler.world = world
    host, _, port = args.bind.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"metrics at http://{args.bind}/metrics, faults at http://{args.bind}/faults", flush=True)
    last = start
    try:
        while True:
            time.sleep(1)
            now = time.time()
            world.step(now, max(now - last, 0.001))
            last = now
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
