"""`python -m fewshot splits` under its first name."""

import sys

from fewshot.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["splits", *sys.argv[1:]], program="create_splits.sh"))
