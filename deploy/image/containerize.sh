#!/bin/sh
# `bentoml build && bentoml containerize`, then Containerfile.bento: `containerize.sh NAME[:TAG] FOLDER`.
# With Docker where its engine answers, else buildah.
#
# PYTHON       of the serving environment
set -eu
name=$1 folder=$2
here=$(dirname "$0")
python=${PYTHON:-.venv/bin/python}
bin=$(dirname "$python")
facts=$("$python" "$here/context.py" "$folder")
eval "$facts"

export BENTOML_HOME="$folder/home" BENTOML_DO_NOT_TRACK=True
"$bin/gounmal" models import models/gounmal-ko > /dev/null
"$bin/bentoml" build --version "$VERSION"
set -- --file "$here/Containerfile.bento" --tag "$name" --build-arg "BENTO=$name" \
  --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" --build-arg "MODEL=$MODEL"
if docker info > /dev/null 2>&1; then
  "$bin/bentoml" containerize "gounmal:$VERSION" --image-tag "$name"
  docker build "$@" "$folder/context"
else
  export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"
  "$bin/bentoml" containerize "gounmal:$VERSION" --image-tag "$name" \
    --backend buildah --opt "isolation=$BUILDAH_ISOLATION" --opt network=host
  buildah build --format docker --isolation "$BUILDAH_ISOLATION" --network host "$@" "$folder/context"
fi
