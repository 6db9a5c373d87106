"""The names of what a search, or the configuration of one, chooses from."""

from typing import Literal

GalleryMethod = Literal["mean", "trimmed_mean", "medoid", "centroids"]
OwnerPooling = Literal["top", "mean", "log_sum_exp"]
ExamplePooling = Literal["max", "mean"]
