"""The little shop of the tests, for scripts: its bindings on standard output."""

import sys
from pathlib import Path

from tests.conftest import make_shop

TRAINED = [
    "SmallResNet.widths = (8,)",
    "ShuffledBatches.batch_size = 8",
    "Hardware.precision = '32-true'",
    "Hardware.accelerator = 'cpu'",
    "Trainer.checkpoint_steps = 2",
    "main.num_epochs = 15",
    "main.validation_fraction = 0.25",
]

if __name__ == "__main__":
    print("\n".join([*make_shop(Path(sys.argv[1])).bindings(), *TRAINED]))
