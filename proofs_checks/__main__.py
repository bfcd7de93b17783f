"""`python -m proofs_checks [FILE.html]`: check every claim and write the report."""

import sys

from mdpkit.cli import run

sys.exit(run(["verify", "--report", sys.argv[1] if len(sys.argv) > 1 else "claims.html"]))
