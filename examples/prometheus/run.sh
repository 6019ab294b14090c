#!/bin/sh
# Starts the toy exporter, Prometheus, Alertmanager and `rlad serve` on loopback, in a temporary folder. Ctrl-C ends it.
#
#   ./run.sh                              # Prometheus
#   ./run.sh --victoria-metrics           # vmagent, VictoriaMetrics and vmalert in its place
#   HISTORY=2d ./run.sh                   # less of a past than two weeks: starts sooner
#   FAULT_EVERY=30m ./run.sh              # a fault in each half hour; else one in 36 hours, and those you ask for
#   KEEP=1 ./run.sh                       # leaves the folder in place
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kind=prometheus
case "${1:-}" in
    '') ;;
    --victoria-metrics) kind=victoria-metrics ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# Programs ------------------------------------------------------------------------------------------------------------
missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing\n  $1: $2"; }
need python3 'apt-get install python3'
need curl 'apt-get install curl'
need prometheus-alertmanager 'apt-get install --no-install-recommends prometheus-alertmanager'
if [ "$kind" = prometheus ]; then
    need promtool 'apt-get install --no-install-recommends prometheus'
    need prometheus 'apt-get install --no-install-recommends prometheus'
else
    for program in victoria-metrics vmagent vmalert; do
        need "$program" 'apt-get install --no-install-recommends victoria-metrics'
    done
fi
RLAD=${RLAD:-rlad}
case $RLAD in /*) ;; */*) RLAD=$PWD/$RLAD ;; esac
need "$RLAD" 'cargo install rlad-cli --locked, or RLAD=path/to/rlad ./run.sh'
if [ -n "$missing" ]; then
    printf "programs that are not there:$missing\n" >&2
    exit 1
fi

# Folder and end ------------------------------------------------------------------------------------------------------
dir=$(mktemp -d "${TMPDIR:-/tmp}/rlad-example.XXXXXX")
pids=
finish() {
    trap - EXIT INT TERM
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
    if [ -n "${KEEP:-}" ]; then echo "left in place: $dir"; else rm -rf "$dir"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # NAME COMMAND…: in the background, its output to NAME.log
    name=$1
    shift
    "$@" >"$dir/$name.log" 2>&1 &
    pid=$!
    pids="$pid $pids"
}
ready() { # NAME URL: waits until it answers
    tries=0
    until curl -fsS -o /dev/null "$2" 2>/dev/null; do
        tries=$((tries + 1))
        if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -ge 240 ]; then
            echo "$1 did not start; the end of its log:" >&2
            tail -n 15 "$dir/$1.log" >&2
            exit 1
        fi
        sleep 0.5
    done
}

mkdir "$dir/victoria-metrics" "$dir/rules"
cp "$here"/*.yml "$here"/*.toml "$dir"
cp "$here"/victoria-metrics/* "$dir/victoria-metrics"
cd "$dir"
"$RLAD" serve --write-assets rules >/dev/null

# The past ------------------------------------------------------------------------------------------------------------
HISTORY=${HISTORY:-14d}
FAULT_EVERY=${FAULT_EVERY:-36h}
echo "making $HISTORY of history"
python3 "$here/toy_exporter.py" --history "$HISTORY" --fault-every 36h --history-faults history-faults.json >history.om
if [ "$kind" = prometheus ]; then
    promtool tsdb create-blocks-from --max-block-duration=24h openmetrics history.om tsdb >history.log
else
    # VictoriaMetrics reads the text format with times in milliseconds and without the mark of the end.
    sed -e '/^#/d' -e 's/\.\([0-9][0-9][0-9]\)$/\1/' history.om >history.txt
fi
rm history.om

# Everything ----------------------------------------------------------------------------------------------------------
start exporter python3 "$here/toy_exporter.py" --fault-every "$FAULT_EVERY"
ready exporter http://127.0.0.1:8001/metrics
start alertmanager prometheus-alertmanager --config.file=alertmanager.yml --storage.path=alertmanager \
    --web.listen-address=127.0.0.1:9093 --cluster.listen-address=
ready alertmanager http://127.0.0.1:9093/-/ready
if [ "$kind" = prometheus ]; then
    database=http://127.0.0.1:9090
    config=serve.toml
    start prometheus prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb \
        --storage.tsdb.retention.time=1y --web.listen-address=127.0.0.1:9090 \
        --web.enable-remote-write-receiver --web.enable-lifecycle
    ready prometheus "$database/-/ready"
else
    database=http://127.0.0.1:8428
    config=victoria-metrics/serve.toml
    start victoria-metrics victoria-metrics -storageDataPath=vm -httpListenAddr=127.0.0.1:8428 -retentionPeriod=1y
    ready victoria-metrics "$database/health"
    curl -fsS -T history.txt "$database/api/v1/import/prometheus"
    curl -fsS -o /dev/null "$database/internal/force_flush"
    rm history.txt
    # The relabelling is of the first address, rlad's.
    start vmagent vmagent -promscrape.config=victoria-metrics/scrape.yml -httpListenAddr=127.0.0.1:8429 \
        -remoteWrite.tmpDataPath=vmagent -remoteWrite.flushInterval=1s \
        -remoteWrite.url=http://127.0.0.1:8490/api/v1/write \
        -remoteWrite.urlRelabelConfig=victoria-metrics/rlad-relabel.yml \
        -remoteWrite.url="$database/api/v1/write"
    ready vmagent http://127.0.0.1:8429/health
    # What vmalert records goes through vmagent, so that rlad gets it, too. The link of an alert holds its expression:
    # by that rlad knows which series it is about.
    start vmalert vmalert -rule=recording.yml -rule=pages.yml -rule='rules/*.yml' -httpListenAddr=127.0.0.1:8880 \
        -datasource.url="$database" -remoteWrite.url=http://127.0.0.1:8429 -notifier.url=http://127.0.0.1:9093 \
        -evaluationInterval=15s -external.url="$database" -external.alert.source='vmui/?g0.expr={{$expr|queryEscape}}'
    ready vmalert http://127.0.0.1:8880/health
fi
start rlad "$RLAD" serve --config "$config"
ready rlad http://127.0.0.1:8490/-/ready

cat <<END

labelling page   http://127.0.0.1:8490/        (rlad.log has the address with its secret, where it needs one)
database         $database
Alertmanager     http://127.0.0.1:9093/
toy exporter     http://127.0.0.1:8001/faults  (faults of the past: $dir/history-faults.json)
logs and state   $dir

make a fault:    curl -X POST 'http://127.0.0.1:8001/fault?kind=errors&seconds=600'
                 kinds: errors, latency, drop, surge, queue, memory; &service=shop or search
see its score:   curl -s '$database/api/v1/query' --data-urlencode 'query=anomaly_score > 1'

rlad reads the past now and makes its first detector; how far it is:
                 curl -s http://127.0.0.1:8490/api/v1/status

Ctrl-C ends all.
END
while :; do
    for pid in $pids; do kill -0 "$pid" 2>/dev/null || break 2; done
    sleep 1
done
echo "a program has ended; the logs are in $dir" >&2
KEEP=1
exit 1
