"""What a projection is trained with: everything but the data."""

from dataclasses import dataclass
from typing import Literal

NegativeMining = Literal["all", "one", "hardest"]
# Wrong labels of a training: all seen ones with a vector, or those with training photos.
Negatives = Literal["seen", "training"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What training makes small.

    Attributes:
        loss: "rank" is the hinge rank loss (eq. 1 of the paper); "cosine" is 1 - cos to the right
            label, without wrong ones; "rank_and_euclidean" adds the distance to the right label.
        margin: how far the right label must lead, in the unit of a score.
        violators: wrong labels that count for an image: "all" of those within the margin (eq. 1),
            "one" of them drawn uniformly, which is the paper's truncated sum in random order
            (section 3.3), or the "hardest".
        normalize: scale each projected image to unit norm first, so scores are cosines.
    """

    loss: Literal["rank", "cosine", "rank_and_euclidean"] = "rank"
    margin: float = 0.1
    negative_mining: NegativeMining = "one"
    normalize: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """A projection's hyper-parameters.

    Attributes:
        objective: see there.
        hidden: ReLU units between features and words, batch-normalised; 0 for the linear map.
        dropout: share of the features that is left out at each step.
        optimizer: "adagrad" as in the paper, or "adam".
        schedule: of the learning rate: "constant", or "one_cycle" from a 25th of it up to it in
            the first three tenths of all steps, and down to nothing.
        learning_rate: the greatest; 0: to be found by a range test.
        start: of a linear map: at "random", or where the backbone's "softmax" would put it.
        pull: back to that start, of the softmax: the weight of half the squared distance.
        epochs: passes over the data.
        batch_size: features a step, all ranks together.
    """

    objective: Objective
    hidden: int = 0
    dropout: float = 0.0
    optimizer: Literal["adagrad", "adam"] = "adagrad"
    schedule: Literal["constant", "one_cycle"] = "constant"
    learning_rate: float = 0.01
    start: Literal["random", "softmax"] = "random"
    l2_sp: float = 0.0
    epochs: int = 20
    batch_size: int = 256
