#!/bin/sh
# Make what `bentoml containerize` builds on, python:3.11-slim, where no registry can be reached:
# `python_base.sh BASE NAME`, from what base.sh makes. As root, with buildah. For tests only: whom
# this machine trusts, and its pip.conf, stay in it.
#
# PIP_CONFIG_FILE, UV_CONFIG_FILE, PIP_CERT or SSL_CERT_FILE    of this machine
set -eu
base=$1 name=$2
container=$(buildah from "$base")
trap 'buildah rm "$container" > /dev/null' EXIT
inside() { buildah run --isolation "${BUILDAH_ISOLATION:-chroot}" --network host "$container" -- "$@"; }
lend() { [ ! -s "$1" ] || buildah copy --quiet "$container" "$1" "$2" > /dev/null; }

# Docker's has a pip, and one that may install.
inside sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends python3-pip' > /dev/null
inside sh -c 'rm -rf /usr/lib/python3*/EXTERNALLY-MANAGED /var/lib/apt/lists/* /var/cache/apt/*'
lend "${PIP_CERT:-${SSL_CERT_FILE:-/dev/null}}" /etc/ssl/certs/ca-certificates.crt
inside sh -c 'mkdir -p /etc/uv && echo "native-tls = true" > /etc/uv/uv.toml'
inside pip config --global set global.cert /etc/ssl/certs/ca-certificates.crt > /dev/null
lend "${PIP_CONFIG_FILE:-/dev/null}" /etc/pip.conf
lend "${UV_CONFIG_FILE:-/dev/null}" /etc/uv/uv.toml
buildah commit --quiet "$container" "$name"
