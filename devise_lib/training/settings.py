"""The hyper-parameters of a projection's training."""

from dataclasses import dataclass

from devise_lib.training_choices import Loss, NegativeMining, Optimizer, Schedule, Start


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective that training minimises.

    Attributes:
        loss: "rank" is the hinge rank loss (eq. 1 of the DeViSE paper). "cosine" is 1 - cos to the
            right label, without wrong labels. "rank_and_euclidean" adds the distance to the right
            label to the rank loss.
        margin: by how much the right label's score must exceed a wrong one's.
        negative_mining: the wrong labels within the margin that count for an image: "all" of them
            (eq. 1), "one" drawn uniformly, which is the paper's truncated sum in random order
            (section 3.3), or the "hardest".
        normalize: scale each projected image to unit norm first, so that scores are cosines.
    """

    loss: Loss = "rank"
    margin: float = 0.1
    negative_mining: NegativeMining = "one"
    normalize: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The hyper-parameters of a projection. The defaults are those of the paper, for tests.

    A job passes each value from its configuration, whose defaults are others.

    Attributes:
        objective: the loss and its parameters.
        hidden: the number of ReLU units between features and words, with batch normalisation; 0 for
            the linear map.
        dropout: the share of the features that each step leaves out.
        optimizer: "adagrad" as in the paper, or "adam".
        schedule: of the learning rate: "constant", or "one_cycle", which rises from a 25th to the
            full rate in the first three tenths of all steps and then falls to almost nothing.
        learning_rate: the greatest rate; 0 to find it by a range test.
        start: of a linear map: "random" weights, or the map that the backbone's "softmax" implies.
        l2_sp: the strength of the pull back to the start "softmax": the weight of half the squared
            distance.
        epochs: passes over the data.
        batch_size: features per step, of all ranks together.
    """

    objective: Objective
    hidden: int = 0
    dropout: float = 0.0
    optimizer: Optimizer = "adagrad"
    schedule: Schedule = "constant"
    learning_rate: float = 0.01
    start: Start = "random"
    l2_sp: float = 0.0
    epochs: int = 20
    batch_size: int = 256
