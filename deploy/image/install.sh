#!/bin/sh
# In the build stage: everything after the packages. Its parts are beside it.
set -eu
root=/opt/gounmal
venv=$root/venv
tools=/tmp/tools

# The folders that BentoML expects in its home.
mkdir -p $root/home/bentos $root/home/envs $root/home/tmp /var/lib/gounmal

# gounmal runs from the Bento's source, as in a checkout; its version is in its wheel's metadata.
"$venv/bin/python" -m zipfile -e /tmp/wheel/*.whl /tmp/unpacked
cp -r /tmp/unpacked/*.dist-info "$root/bento/src/"
echo "$root/bento/src" > "$venv/lib/python3.11/site-packages/gounmal.pth"
install -m 0755 $tools/gounmal.py "$venv/bin/gounmal"
install -m 0644 $tools/healthcheck.py $root/healthcheck.py

# Tools of building and of downloading models: nothing imports them here.
"$venv/bin/pip" uninstall --quiet --yes uv huggingface-hub hf-xet setuptools pip
"$venv/bin/python" $tools/trim.py "$venv/lib/python3.11/site-packages"
"$venv/bin/python" $tools/sbom.py > $root/sbom.cdx.json
find $root /var/lib/gounmal -type d -exec chmod 0755 {} +
chmod -R u+rw,go+r-w $root
# Does it work? Better to hear it now than from a container.
BENTOML_HOME=$root/home BENTOML_DO_NOT_TRACK=True GOUNMAL_OPEN=1 "$venv/bin/python" $tools/exercise.py \
  "$venv/bin/gounmal" "$venv/lib/python3.11/site-packages" $root/bento/src
rm -rf $root/home/prometheus_multiproc_dir $root/home/client_id
