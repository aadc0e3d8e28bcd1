"""`python -m fewshot audit` under its first name."""

import sys

from fewshot.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["audit", *sys.argv[1:]]))
