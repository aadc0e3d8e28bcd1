"""What a model says of one photo, and the forms in which that is handed on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Neighbour:
    """A training image: its id, its class, and how alike it is."""

    id: str
    class_name: str
    similarity: float


@dataclass(frozen=True)
class Prediction:
    """Of one photo, by the name it was given under.

    classes: the likeliest with their probabilities, falling; answer: the first of them, "unknown"
    where its probability is below the model's threshold, None where the photo could not be read,
    and then error says why.
    """

    photo: str
    answer: str | None
    classes: Sequence[tuple[str, float]] = ()
    neighbours: Sequence[Neighbour] = ()
    error: str = ""

    def row(self, top: int, neighbours: int) -> dict[str, Any]:
        """photo, answer, class_1, score_1, ..., neighbour_1, neighbour_1_class, ..., error."""
        row: dict[str, Any] = {"photo": self.photo, "answer": self.answer}
        for place in range(top):
            name, score = self.classes[place] if self.classes else (None, None)
            row |= {f"class_{place + 1}": name, f"score_{place + 1}": score}
        for place in range(neighbours):
            found = self.neighbours[place] if self.neighbours else None
            row[f"neighbour_{place + 1}"] = found and found.id
            row[f"neighbour_{place + 1}_class"] = found and found.class_name
            row[f"neighbour_{place + 1}_similarity"] = found and found.similarity
        return row | {"error": self.error or None}

    def as_json(self) -> dict[str, Any]:
        """The same for JSON; what there is none of is left out."""
        if self.error:
            return {"photo": self.photo, "answer": None, "error": self.error}
        found: dict[str, Any] = {
            "photo": self.photo,
            "answer": self.answer,
            "classes": [{"class": name, "score": score} for name, score in self.classes],
        }
        if self.neighbours:
            found["neighbours"] = [
                {"id": near.id, "class": near.class_name, "similarity": near.similarity}
                for near in self.neighbours
            ]
        return found


def frame(predictions: Iterable[Prediction], top: int, neighbours: int) -> "pd.DataFrame":
    """A table with the columns of `Prediction.row`, a row a photo."""
    import pandas as pd  # takes a second, and only tables need it

    columns = list(Prediction("", None).row(top, neighbours))
    rows = [prediction.row(top, neighbours) for prediction in predictions]
    table = pd.DataFrame(rows, columns=columns)
    numbers = [name for name in columns if name.startswith("score_") or name.endswith("larity")]
    return table.astype(dict.fromkeys(numbers, float))
