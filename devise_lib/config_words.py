"""The configuration of the jobs of words: from a dump to label vectors.

As in devise_lib.config, each class is one table of a configuration file.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from devise_lib.config_types import JobConfig, PositiveInt, Share


class ParseWikipedia(JobConfig):
    """A pages-articles dump to ARTICLES."""

    name = "parse_wikipedia"
    needs = ("make_sample",)
    file_keys = ("dump", "index")
    dump: str
    index: str = ""  # default: the file beside the dump that Wikipedia's naming gives
    tasks: PositiveInt = 8  # byte ranges read in parallel
    namespaces: tuple[int, ...] = (0,)


class PrepareCorpus(JobConfig):
    """ARTICLES to SENTENCES."""

    name = "prepare_corpus"
    needs = ("parse_wikipedia",)
    file_keys = ("label_sets",)
    near_duplicate_threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8  # Jaccard
    num_perm: Annotated[int, Field(ge=16, le=512)] = 64
    shingle: PositiveInt = 5  # words a shingle
    min_words: Annotated[int, Field(ge=0)] = 10  # shorter articles are left out


class TrainWord2vec(JobConfig):
    """SENTENCES to WORD_VECTORS, through a quality gate. The names are gensim's."""

    name = "train_word2vec"
    needs = ("prepare_corpus",)
    file_keys = ("analogies", "similarities")
    vector_size: Annotated[int, Field(ge=2, le=2000)] = 100
    window: PositiveInt = 10
    min_count: PositiveInt = 5
    sg: Literal[0, 1] = 1
    hs: Literal[0, 1] = 0
    negative: Annotated[int, Field(ge=0)] = 10
    sample: Annotated[float, Field(ge=0.0)] = 1e-4
    alpha: Annotated[float, Field(gt=0.0)] = 0.025
    epochs: PositiveInt = 3
    workers: Annotated[int, Field(ge=0)] = 0  # threads; 0: as many as the machine has cores
    analogies: str = ""  # questions-words.txt; "" leaves the test out
    restrict_vocab: PositiveInt = 30_000
    similarities: tuple[str, ...] = ()  # word, word, score, tab-separated
    min_analogies: Share = 0.0  # the gate: below it the job fails and the old vectors stay
    min_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = -1.0  # of the first file, Spearman

    @model_validator(mode="after")
    def _needs_an_objective(self) -> Self:
        if not self.hs and not self.negative:
            raise ValueError("hs is 0 and negative is 0: nothing to train; set one of them")
        if self.min_analogies > 0 and not self.analogies:
            raise ValueError("min_analogies is set, but no file of analogies")
        if self.min_similarity > -1 and not self.similarities:
            raise ValueError("min_similarity is set, but no file of similarities")
        return self


class EmbedLabels(JobConfig):
    """The label sets and WORD_VECTORS to LABELS."""

    name = "embed_labels"
    needs = ("train_word2vec",)
    file_keys = ("label_sets",)
    min_coverage: Share = 0.5  # of the labels of each set; below it the job fails
