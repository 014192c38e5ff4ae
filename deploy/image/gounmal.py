#!/opt/gounmal/venv/bin/python
"""The command line, in the image."""

from gounmal.cli import main

main()
