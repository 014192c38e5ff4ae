#!/bin/sh
# Build the image, run its tests: what `make image-test` does. Exit code 75 where neither Docker's
# engine nor, as root, Debian's packages can be had: then nothing is tested but the manifests.
#
# IMAGE   its name       BASE   the base image, by default one made from Debian's packages if no
#                               registry is needed for it, that is: without Docker
# AGAIN=1 builds twice and compares; CONTAINERIZE=1 tries what `bentoml containerize` makes, too
set -eu
cd "$(dirname "$0")/../.."
env=.venv-deploy
# Without these, tests of the manifests would be skipped.
"$env/bin/python" -c 'import compose_spec, cyclonedx.validation.json, kubernetes_validate'
test() { "$env/bin/pytest" --confcutdir=tests/image "$@"; }

if ! docker info > /dev/null 2>&1; then
  missing=
  for program in buildah podman runc debootstrap; do
    command -v $program > /dev/null || missing="$missing $program"
  done
  if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends $missing > /dev/null && missing=
  fi
  if [ "$(id -u)" != 0 ] || [ -n "$missing" ]; then
    echo "image-test: skipped, for want of Docker's engine, or of root and$missing" >&2
    test tests/image/test_manifests.py
    exit 75
  fi
  if [ -z "${BASE:-}" ]; then
    # By its recipe: one that another recipe made is none of ours.
    BASE=localhost/gounmal-base:$(cksum < deploy/image/base.sh | cut -d' ' -f1)
    buildah inspect "$BASE" > /dev/null 2>&1 || deploy/image/base.sh "$BASE"
  fi
  export BASE
  # BentoML names its base itself.
  [ -z "${CONTAINERIZE:-}" ] || deploy/image/python_base.sh "$BASE" localhost/python:3.11-slim
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
deploy/image/build.sh "$IMAGE" "$folder"
if [ -n "${AGAIN:-}" ]; then
  deploy/image/build.sh "$IMAGE-again" "$folder"
  export GOUNMAL_IMAGE_AGAIN="$IMAGE-again"
fi
if [ -n "${CONTAINERIZE:-}" ]; then
  export GOUNMAL_BENTO_IMAGE="$IMAGE-bento"
  deploy/image/containerize.sh "$GOUNMAL_BENTO_IMAGE" "$folder"
fi
GOUNMAL_IMAGE=$IMAGE test tests/image
