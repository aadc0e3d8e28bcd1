"""Semi-hard and batch-hard triplets of a batch, forward and backward.

    python -m benchmarks.mining [--rounds 5]

256 embeddings of 128 numbers, 32 classes of 8: the program's miners `SemiHard` and `BatchHard`,
its checks and its logs, and pytorch-metric-learning's TripletMarginMiner and BatchHardMiner alone,
both under that library's triplet loss, which ours computes in closed form where they are semi-hard.
The same triplets count on both sides.
"""

import argparse

import torch
from pytorch_metric_learning import losses, miners
from torch.nn import functional as F

from benchmarks.hardware import in_turn, report, seconds
from fewshot.objectives.metric_losses import loss_of_labelled
from fewshot.objectives.miners import BatchHard, SemiHard

TIMES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    labels = torch.arange(32).repeat_interleave(8)
    points = torch.randn(256, 128, generator=torch.Generator().manual_seed(0))
    kinds = {
        "semi-hard": (SemiHard(), miners.TripletMarginMiner(type_of_triplets="semihard"), 3.0),
        "batch-hard": (BatchHard(), miners.BatchHardMiner(), 1.0),
    }
    for name, (miner, library, least) in kinds.items():
        loss = losses.TripletMarginLoss(margin=0.2)

        def alone(miner=library, loss=loss) -> None:
            for _ in range(TIMES):
                embedding = F.normalize(points.clone().requires_grad_(), dim=1)
                loss(embedding, labels, miner(embedding, labels)).backward()

        def ours(miner=miner, loss=loss) -> None:
            for _ in range(TIMES):
                embedding = F.normalize(points.clone().requires_grad_(), dim=1)
                loss_of_labelled(loss, miner, embedding, labels)[0].backward()

        sides = [lambda side=side: seconds(side) for side in (ours, alone)]
        rounds = in_turn(sides, given.rounds)
        milliseconds = sorted(1e3 * own / TIMES for own, _ in rounds)
        print(f"{name}: {milliseconds[len(rounds) // 2]:.2f} ms a batch, logs included")
        report(f"{name} against the library alone", [a / o for o, a in rounds], least)


if __name__ == "__main__":
    main()
