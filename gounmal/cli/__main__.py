"""`python -m gounmal.cli`."""

from gounmal.cli import main

main()
