#!/usr/bin/env python3
"""Checks the dashboards without Grafana: their structure, and each expression at a real Prometheus.

    python3 check_dashboards.py ../../../crates/rlad-cli/src/serve/assets/dashboard-*.json
    python3 check_dashboards.py --database http://127.0.0.1:9090 DASHBOARD.json…

Without `--database` it serves made-up metrics of rlad and made-up scores, starts `prometheus` on loopback to scrape
them, and waits for a minute. It prints a line for each expression with the number of series that came back, and exits
with 1 if one has an error or is empty. It needs Python 3.9 or later, and `prometheus` in the PATH.
"""

import argparse
import http.server
import json
import math
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

MIN_SCHEMA = 39
BEGUN = time.time()


def made_up():
    """Metrics of a service that is well, and scores of two metrics, some above 1."""
    now = time.time()
    age = now - BEGUN
    counters = {
        'rlad_samples_received_total{protocol="v1"}': 100, 'rlad_samples_dropped_total{reason="double"}': 3,
        "rlad_points_scored_total": 90, 'rlad_reader_requests_total{result="answered"}': 1,
        'rlad_writer_samples_total{result="written"}': 180, "rlad_answers_total": 0.1, "rlad_alarms_total": 0.1,
        "rlad_learning_rounds_total": 0.1,
    }
    gauges = {
        'rlad_build_info{version="0.1.0"}': 1, "rlad_series": 12, "rlad_last_score_timestamp_seconds": now - 5,
        "rlad_wal_bytes": 1e6 + 1e4 * age, "rlad_spool_bytes": 0, "rlad_snapshot_duration_seconds": 0.2,
        "rlad_snapshot_timestamp_seconds": now - 100, "rlad_alarms_open": 1, "rlad_questions_open": 4,
        "rlad_learning_duration_seconds": 40, "rlad_learning_last_success": 1, 'rlad_model_info{hash="b7afcd78"}': 1,
        "rlad_suggestions_open": 2, "rlad_config_last_reload_successful": 1,
        "rlad_config_last_reload_success_timestamp_seconds": now - 1000,
    }
    lines = []
    for name, value in [(name, rate * age) for name, rate in counters.items()] + list(gauges.items()):
        kind = "counter" if name in counters else "gauge"
        lines += [f"# TYPE {name.split('{')[0]} {kind}", f"{name} {value}"]
    lines.append("# TYPE rlad_score_lag_seconds histogram")
    for le, share in (("0.1", 0.5), ("1", 0.97), ("10", 1), ("+Inf", 1)):
        lines.append(f'rlad_score_lag_seconds_bucket{{le="{le}"}} {90 * age * share}')
    lines += [f"rlad_score_lag_seconds_sum {30 * age}", f"rlad_score_lag_seconds_count {90 * age}"]
    series = [(f"service:toy_{of}:rate1m", service) for of in ("requests", "errors") for service in "abc"]
    for metric in ("anomaly_score", "rlad_margin"):
        lines.append(f"# TYPE {metric} gauge")
        for number, (of, service) in enumerate(series):
            margin = 3 * math.sin(age / 20 + number)
            value = math.exp(margin) if metric == "anomaly_score" else margin
            lines.append(f'{metric}{{for="{of}",service="{service}",model_alias="rlad"}} {value}')
    for of, service in series:
        lines.append(f'{of}{{service="{service}"}} {age}')
    alert = 'alertname="RladAnomaly",alertstate="firing",detector="rlad",for="service:toy_errors:rate1m"'
    lines.append(f"ALERTS{{{alert}}} 1")
    return "\n".join(lines) + "\n"


class Metrics(http.server.BaseHTTPRequestHandler):
    """Serves the made-up metrics."""

    def do_GET(self):
        """The metrics, whatever the path."""
        body = made_up().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests are not logged."""


def ask(database, path, **parameters):
    """An answer of the database, or its error."""
    request = urllib.request.Request(f"{database}{path}", urllib.parse.urlencode(parameters).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return {"status": "error", "error": error.read().decode(errors="replace")}


def panels_of(dashboard):
    """All panels, those in rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def structure(name, dashboard):
    """What is wrong with the structure of a dashboard."""
    wrong = []
    panels = list(panels_of(dashboard))
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        wrong.append(f"panel ids are not unique: {sorted(ids)}")
    if dashboard.get("schemaVersion", 0) < MIN_SCHEMA:
        wrong.append(f"schemaVersion {dashboard.get('schemaVersion')} is below {MIN_SCHEMA}")
    if dashboard.get("id") is not None:
        wrong.append(f"expected no id of an instance, found {dashboard['id']}")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    if "datasource" not in variables:
        wrong.append("there is no variable `datasource`")
    text = json.dumps(dashboard)
    for used in set(re.findall(r"\$\{?([a-zA-Z]\w*)", text)) - {"1"}:
        if used not in variables:
            wrong.append(f"the variable `{used}` is not defined")
    for uid in set(re.findall(r'"type": "prometheus", "uid": "([^"]*)"', text)):
        if uid != "${datasource}":
            wrong.append(f"a data source is named by its uid `{uid}`")
    boxes = [(panel["title"], panel["gridPos"]) for panel in panels]
    for index, (title, a) in enumerate(boxes):
        if a["x"] + a["w"] > 24:
            wrong.append(f"panel `{title}` is wider than the page")
        for other, b in boxes[index + 1:]:
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            if not (apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]):
                wrong.append(f"panels `{title}` and `{other}` overlap")
    for panel in panels:
        if panel["type"] != "row" and not panel.get("targets"):
            wrong.append(f"panel `{panel['title']}` has no expression")
    return [f"{name}: {problem}" for problem in wrong]


def expressions(dashboard):
    """Where each expression stands, the expression, and whether it is of one time."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"], target.get("instant", False)
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"], False
    for variable in dashboard["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable.get("definition", ""))
        if match:
            yield f"variable {variable['name']}", f"count by ({match[2]}) ({match[1]})", True


def filled(expression, metric):
    """An expression with the values that Grafana puts in."""
    values = {"__rate_interval": "20s", "__range": "5m", "job": ".*", "instance": ".*"}
    values["for"] = metric if '="$for"' in expression else ".*"
    return re.sub(r"\$\{?([a-zA-Z_]\w*)\}?", lambda match: values.get(match[1], match[0]), expression)


def check(database, paths, metric):
    """Checks all dashboards and returns whether all is well."""
    problems = []
    for path in paths:
        dashboard = json.loads(Path(path).read_text(encoding="utf-8"))
        problems += structure(Path(path).name, dashboard)
        for place, expression, is_instant in expressions(dashboard):
            query, now = filled(expression, metric), time.time()
            if is_instant:
                reply = ask(database, "/api/v1/query", query=query, time=now)
            else:
                reply = ask(database, "/api/v1/query_range", query=query, start=now - 300, end=now, step=5)
            result = reply.get("data", {}).get("result", [])
            print(f"{Path(path).stem}: {place}: {len(result)} series")
            if reply["status"] != "success":
                problems.append(f"{Path(path).name}: {place}: {reply.get('error')}: {query}")
            elif not result:
                problems.append(f"{Path(path).name}: {place}: nothing came back: {query}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return not problems


def with_made_up(paths, port):
    """Checks against a Prometheus of its own."""
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    exporter.daemon_threads = True
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    database = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "prometheus.yml")
        target = f"127.0.0.1:{exporter.server_address[1]}"
        scrape = {"job_name": "rlad", "scrape_interval": "2s", "static_configs": [{"targets": [target]}]}
        config.write_text(json.dumps({"scrape_configs": [scrape]}), encoding="utf-8")
        log = Path(folder, "log").open("wb")
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                   f"--web.listen-address=127.0.0.1:{port}"]
        with log, subprocess.Popen(command, stdout=log, stderr=log) as prometheus:
            try:
                time.sleep(60)
                return check(database, paths, "service:toy_errors:rate1m")
            finally:
                prometheus.terminate()


def main():
    """Reads the flags and checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dashboards", nargs="+", metavar="DASHBOARD.json")
    parser.add_argument("--database", metavar="URL", help="a Prometheus that has rlad's metrics and scores already")
    parser.add_argument("--metric", default="service:toy_http_requests:rate1m", help="the metric for `$for`, with it")
    parser.add_argument("--port", type=int, default=19790, help="the port of the Prometheus that is started [19790]")
    args = parser.parse_args()
    if args.database:
        well = check(args.database, args.dashboards, args.metric)
    else:
        well = with_made_up(args.dashboards, args.port)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
