#!/bin/sh
# Build the slim image: `build.sh NAME[:TAG] FOLDER`. With Docker where its engine answers, else buildah.
#
# BASE         the base image, in place of the Containerfile's
# PIP_CONFIG_FILE, PIP_CERT or SSL_CERT_FILE    of this machine, lent to the build, not kept
# PYTHON       of the serving environment
set -eu
name=$1 folder=$2
here=$(dirname "$0")
facts=$("${PYTHON:-.venv/bin/python}" "$here/context.py" "$folder")
eval "$facts"
cp "$here/Containerfile" "$folder/context/"

conf=${PIP_CONFIG_FILE:-/dev/null} ca=${PIP_CERT:-${SSL_CERT_FILE:-/dev/null}}
for secret in "pip.conf=$conf" "ca.pem=$ca"; do
  cat "${secret#*=}" > "$folder/${secret%%=*}"
done
set -- --file "$folder/context/Containerfile" --tag "$name" \
  --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" --build-arg "MODEL=$MODEL" \
  --secret "id=pip.conf,src=$folder/pip.conf" --secret "id=ca.pem,src=$folder/ca.pem"
[ -z "${BASE:-}" ] || set -- "$@" --build-arg "BASE=$BASE"

if docker info > /dev/null 2>&1; then
  SOURCE_DATE_EPOCH=$EPOCH docker buildx build --build-arg "SOURCE_DATE_EPOCH=$EPOCH" \
    --output "type=docker,rewrite-timestamp=true" "$@" "$folder/context"
else
  # Docker's format, for HEALTHCHECK; one time for every file, for reproducibility. No cache: with
  # fixed times, buildah 1.28 takes a COPY of what an earlier build had for that of this one.
  buildah build --format docker --layers --no-cache --timestamp "$EPOCH" --isolation "${BUILDAH_ISOLATION:-chroot}" \
    --network host "$@" "$folder/context"
fi
rm -f "$folder/pip.conf" "$folder/ca.pem"
