"""`python -m mdpkit` is `mdpkit`."""

from mdpkit.cli import main

main()
