"""How many photos there were, and what became of them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from fewshot.models.prediction.prediction import UNKNOWN, Prediction
from fewshot.wording import counted


class Counted:
    """Predictions passed on, and counted: all, those read, those answered "unknown".

    threshold: below which the answer is that.
    """

    def __init__(self, found: Iterable[Prediction], threshold: float | None = None) -> None:
        self._found, self._threshold = found, threshold
        self.all = self.read = self.unknown = 0

    def __iter__(self) -> Iterator[Prediction]:
        for prediction in self._found:
            self.all += 1
            self.read += not prediction.error
            self.unknown += prediction.answer == UNKNOWN
            yield prediction

    def summary(self, left_out: Counter[str]) -> str:
        """In words: `8 photos, 1 unknown, 2 could not be read; in folders left out: 1 hidden`."""
        text = counted(self.all, "photo")
        if self.unknown:
            text += f", {self.unknown:,} unknown"
            if self._threshold is not None:
                text += (
                    f" (no class has a probability of {self._threshold:.3f}, the model's threshold)"
                )
        if self.all > self.read:
            text += f", {self.all - self.read:,} could not be read"
        if left_out:
            reasons = [f"{count} {why}" for why, count in sorted(left_out.items())]
            text += f"; in folders left out: {', '.join(reasons)}"
        return text if self.read else f"error: nothing to predict: {text}"
