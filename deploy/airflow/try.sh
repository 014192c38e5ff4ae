#!/usr/bin/env bash
# Run the DAG under a real Airflow 3 (in runs/airflow-env, made if need be) against a gounmal that
# this script serves, on the chat of a made-up broadcast. Takes a minute or two once installed.
#
#   PORT=3000 deploy/airflow/try.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
port=${PORT:-3000}
airflow=$root/runs/airflow-env
serve=${GOUNMAL_SERVE_BIN:-$root/.venv/bin}

if [ ! -x "$airflow/bin/airflow" ]; then
  "$serve/uv" venv --quiet --python 3.11 "$airflow"
  "$serve/uv" pip install --quiet --python "$airflow/bin/python" -r "$here/requirements.txt"
fi

work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work/chat/2026-03-01"
"$serve/gounmal" demo --output "$work/chat/2026-03-01" >/dev/null

GOUNMAL_STATE=$work/state GOUNMAL_JOB_PREFIXES=$work \
  "$serve/gounmal" serve --host 127.0.0.1 --port "$port" >"$work/serve.log" 2>&1 &
server=$!
for _ in $(seq 120); do
  curl --silent --fail "http://127.0.0.1:$port/readyz" >/dev/null && break
  kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
  sleep 1
done

export AIRFLOW_HOME=$work/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__UNIT_TEST_MODE=False
export AIRFLOW_CONN_GOUNMAL="{\"conn_type\": \"http\", \"host\": \"127.0.0.1\", \"port\": $port}"
export AIRFLOW_VAR_GOUNMAL_INPUT="$work/chat/%Y-%m-%d/*.csv"
export AIRFLOW_VAR_GOUNMAL_OUTPUT="$work/reports/%Y-%m-%d"
mkdir -p "$AIRFLOW_HOME/dags"
cp "$here/gounmal_nightly.py" "$AIRFLOW_HOME/dags"
for prepare in "db migrate" "dags reserialize"; do
  # shellcheck disable=SC2086  # two words
  "$airflow/bin/airflow" $prepare >"$work/airflow.log" 2>&1 || { cat "$work/airflow.log" >&2; exit 1; }
done
GOUNMAL_URL=http://127.0.0.1:$port PYTHONPATH=$AIRFLOW_HOME/dags "$airflow/bin/python" "$here/try_dag.py" "$work"
