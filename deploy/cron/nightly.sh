#!/bin/sh
# Judge one day's chat: yesterday's, or that of the day named. Again does no harm.
#
#   GOUNMAL_CHAT=/data/chat GOUNMAL_REPORTS=/data/reports nightly.sh [2026-03-01]
set -eu
day=${1:-$(TZ=${TZ:-Asia/Seoul} date -d yesterday +%F)}
before=$GOUNMAL_REPORTS/$(date -d "$day -1 day" +%F)
set -- # with what to compare, where there is anything
[ ! -f "$before/summary.json" ] || set -- --previous "$before"

for attempt in 1 2 3; do
  status=0
  nice gounmal scan "$GOUNMAL_CHAT/$day" --output "$GOUNMAL_REPORTS/$day" --title "$day" "$@" || status=$?
  case $status in
    0 | 2 | 3) exit "$status" ;; # done, hopeless, or done but for parts that cannot be read
  esac
  echo "gounmal: attempt $attempt for $day ended with $status" >&2
  [ "$attempt" = 3 ] || sleep "${GOUNMAL_PAUSE:-300}"
done
exit "$status"
