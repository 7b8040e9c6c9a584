#!/bin/sh
# Starts Prometheus against workers on this machine, without Docker: ops/observe.sh HOST:PORT...
# `waybill up` names the addresses of its workers. PROMETHEUS is the program (Debian: package prometheus), PORT where it
# answers (9090). It ends with Ctrl-C, and its data with it.
set -eu
[ $# -gt 0 ] || { echo "usage: $0 HOST:PORT... (the workers' web ports, as waybill up names them)" >&2; exit 2; }
program=${PROMETHEUS:-prometheus}
command -v "$program" >/dev/null || { echo "$program is not there: install it, or set PROMETHEUS to its path" >&2; exit 1; }
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
    echo "global: {scrape_interval: 5s, evaluation_interval: 5s}"
    echo "rule_files: ['$here/prometheus/*-rules.yml']"
    echo "scrape_configs:"
    echo "  - job_name: waybill"
    echo "    static_configs:"
    echo "      - targets:"
    for target in "$@"; do
        address=${target#http://}
        echo "          - '${address%%/*}'"
    done
} > "$folder/prometheus.yml"
echo "Prometheus answers at http://127.0.0.1:${PORT:-9090} (/alerts shows the rules); dashboards for Grafana are in $here/grafana."
"$program" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address="127.0.0.1:${PORT:-9090}" --log.level=warn
