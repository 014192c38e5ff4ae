#!/bin/sh
# Make a stand-in for docker.io/library/python:3.11-slim where no registry can be reached, from
# Debian's packages: `base.sh NAME`. As root, with debootstrap and buildah. For tests only.
#
# DEBIAN_MIRROR  where from; by default what debootstrap knows
set -eu
name=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
packages=python3,python3-venv,python3-pip-whl,ca-certificates
debootstrap --variant=minbase --include=$packages bookworm "$folder" \
  ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
# What Debian's slim images leave out too.
rm -rf "$folder"/var/lib/apt/lists/* "$folder"/var/cache/apt/* "$folder"/var/log/* \
  "$folder"/usr/share/doc "$folder"/usr/share/man "$folder"/usr/share/info \
  "$folder"/usr/share/locale
ln -sf python3.11 "$folder/usr/bin/python"
container=$(buildah from scratch)
buildah add --quiet "$container" "$folder" / > /dev/null
buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
buildah commit --quiet --rm "$container" "$name"
