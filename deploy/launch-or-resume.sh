#!/usr/bin/env bash
# Begin a study on the Ray cluster at RAY_ADDRESS, or go on with it: the same command, however often a job is done again.
#
#   launch-or-resume.sh SPACE NAME RESULTS [OPTION OF STUDY LAUNCH AND RESUME]...
set -euo pipefail

if (($# < 3)); then
    echo "usage: $0 SPACE NAME RESULTS [OPTION]..." >&2
    exit 2
fi
space=$1 name=$2 results=$3
shift 3
if [[ -f $results/$name/study.json ]]; then
    exec study resume "$name" --results "$results" --address "$RAY_ADDRESS" "$@"
fi
exec study launch "$space" --name "$name" --results "$results" --address "$RAY_ADDRESS" "$@"
