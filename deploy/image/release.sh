#!/bin/sh
# Everything of a release, into dist/: wheel, Bento, image, bill of materials, checksums. What
# `make release` does, after `make check test image-test`. From a clean checkout only.
set -eu
cd "$(dirname "$0")/../.."
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  echo "release: there are changes that no commit has" >&2
  exit 2
fi
version=$("${PYTHON:-.venv/bin/python}" -c 'import gounmal; print(gounmal.__version__)')
grep -q "^## \[$version\]" CHANGELOG.md || { echo "release: no $version in CHANGELOG.md" >&2; exit 2; }
image=${IMAGE%:*}:$version
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
deploy/image/build.sh "$image" "$folder"

rm -rf dist && mkdir dist
cp "$folder"/context/wheel/*.whl "$folder"/*.bento dist/
if docker info > /dev/null 2>&1; then
  docker save "$image" | gzip -n > "dist/gounmal-$version.image.tar.gz"
  docker run --rm --entrypoint cat "$image" /opt/gounmal/sbom.cdx.json > dist/sbom.cdx.json
else
  buildah push -q "$image" "docker-archive:$folder/image.tar:$image"
  gzip -n < "$folder/image.tar" > "dist/gounmal-$version.image.tar.gz"
  container=$(buildah from "$image")
  cp "$(buildah mount "$container")/opt/gounmal/sbom.cdx.json" dist/
  buildah umount "$container" > /dev/null && buildah rm "$container" > /dev/null
fi
mv dist/sbom.cdx.json "dist/gounmal-$version.sbom.cdx.json"
(cd dist && sha256sum gounmal* > SHA256SUMS)
ls -l dist
