"""The names of what a configuration chooses for the training of a projection."""

from typing import Literal

Loss = Literal["rank", "cosine", "rank_and_euclidean"]
NegativeMining = Literal["all", "one", "hardest"]
# The wrong labels in training: all seen labels with a vector, or those with training photos.
Negatives = Literal["seen", "training"]
Optimizer = Literal["adagrad", "adam"]
Schedule = Literal["constant", "one_cycle"]
Start = Literal["softmax", "random"]
