"""The configuration of the jobs of words: from a dump to label vectors."""

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from devise_lib.config.types import (
    Awa2Labels,
    GivenPath,
    JobConfig,
    OneOrMore,
    OptionalPath,
    PositiveInt,
    Several,
    Share,
)


class ParseWikipedia(JobConfig):
    """A pages-articles dump to ARTICLES."""

    name = "parse_wikipedia"
    needs = ("make_sample",)
    file_keys = store_keys = ("dump", "index")
    dump: GivenPath  # a file or a folder of parts: a path, or a URI that Spark's Hadoop opens
    index: OptionalPath = ""  # default: the file beside the dump that Wikipedia's naming gives
    tasks: Annotated[int, Field(ge=0)] = 0  # byte ranges to cut; 0: fitted to the dump's size
    namespaces: OneOrMore[int] = (0,)
    damaged: Literal["fail", "refuse"] = "fail"  # refuse: leave out what is damaged, and list it
    # Templates that mark a disambiguation page in this wiki, beside those that are known.
    disambiguation_templates: Several[str] = ()


_PHRASE_KEYS = ("phrase_scoring", "phrase_min_count", "phrase_threshold", "max_phrases")
_KEYS_OF_KINDS = {  # kinds of input -> keys of prepare_corpus that only these have a use for
    ("text", "tags"): ("source", "id_column"),
    ("text",): ("text_column",),
    ("tags",): ("tags_column", "tag_separator", "owner_column"),
    ("articles", "text"): (
        *("min_words", "near_duplicate_threshold", "num_perm", "shingle", "join_plurals"),
        *("phrase_passes", *_PHRASE_KEYS),
    ),
}


class PrepareCorpus(JobConfig):
    """ARTICLES, or a table of texts or tags, to SENTENCES."""

    name = "prepare_corpus"
    needs = ("parse_wikipedia",)
    file_keys = ("label_sets", "source")
    store_keys = ("source",)
    kind: Literal["articles", "text", "tags"] = "articles"
    # Of text and tags: a Delta or Parquet folder, or a table of the catalog.
    source: OptionalPath = ""
    id_column: str = "id"
    text_column: str = "text"
    tags_column: str = "tags"  # an array of strings, or a string that is cut at tag_separator
    tag_separator: str = ""
    owner_column: str = ""  # equal tags on several photos of one owner count once; "": each time
    # false keeps the case of words. Multi-word terms of labels are found and joined in lower case
    # even so, but embed_labels finds a label of one word only where the text has it in lower case.
    lower: bool = True
    numbers: bool = False  # words without a letter, such as 1999
    min_sentence_words: PositiveInt = 1  # shorter sentences are left out; of tags at least 2
    min_words: Annotated[int, Field(ge=0)] = 10  # shorter articles and texts are left out
    near_duplicate_threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8  # Jaccard
    num_perm: Annotated[int, Field(ge=16, le=512)] = 64
    shingle: PositiveInt = 5  # words a shingle
    join_plurals: bool = True  # snow leopards, too, is snow_leopard; by the rules of English
    phrase_passes: Annotated[int, Field(ge=0, le=8)] = 0  # statistical phrases; 0: none
    phrase_scoring: Literal["default", "npmi"] = "default"  # the names are gensim's
    phrase_min_count: PositiveInt = 5
    phrase_threshold: float = 10.0  # of npmi scores in [-1, 1]
    max_phrases: PositiveInt = 200_000  # a pass, the commonest; 70 MB in every worker process

    @model_validator(mode="after")
    def _every_key_does_something(self) -> Self:
        given = self.model_fields_set
        for kinds, keys in _KEYS_OF_KINDS.items():
            if self.kind not in kinds and (idle := sorted(given.intersection(keys))):
                raise ValueError(
                    f"kind is {self.kind!r}, which has no use for {', '.join(idle)}: leave it out"
                )
        if self.kind != "articles" and not self.source:
            raise ValueError(f"kind is {self.kind!r}: give source, the table to read")
        if "phrase_passes" not in given and (idle := sorted(given.intersection(_PHRASE_KEYS))):
            raise ValueError(f"{', '.join(idle)} does nothing without phrase_passes: give it")
        if self.phrase_scoring == "npmi" and not -1 <= self.phrase_threshold <= 1:
            raise ValueError(
                f"phrase_threshold is {self.phrase_threshold}, but npmi scores lie in [-1, 1]; "
                "0.5 is a start"
            )
        if self.phrase_scoring == "default" and self.phrase_threshold <= 0:
            raise ValueError(f"phrase_threshold is {self.phrase_threshold}, want above 0")
        return self

    def input_files(self) -> dict[str, list[str]]:
        """The files of label sets, and the source where it is a path."""
        files = super().input_files()
        if self.source_is_table:
            files.pop("source")
        return files

    @property
    def source_is_table(self) -> bool:
        """Whether the source is a table of the catalog and not a path."""
        return bool(self.catalog) and "/" not in self.source


class TrainWord2vec(JobConfig):
    """SENTENCES, or a file of vectors, to WORD_VECTORS through a quality gate.

    The names are gensim's.
    """

    name = "train_word2vec"
    needs = ("prepare_corpus",)
    file_keys = ("vectors", "analogies", "similarities", "label_sets")
    vectors: OptionalPath = ""  # word2vec, fastText .vec or GloVe; given: nothing is trained
    vectors_format: Literal["auto", "word2vec", "word2vec_text", "glove"] = "auto"
    vector_size: Annotated[int, Field(ge=2, le=2000)] = 100
    window: PositiveInt = 10
    min_count: PositiveInt = 5
    max_vocab: Annotated[int, Field(ge=0)] = 0  # the commonest words that are kept; 0: all
    sg: Literal[0, 1] = 1
    hs: Literal[0, 1] = 0
    negative: Annotated[int, Field(ge=0)] = 10
    sample: Annotated[float, Field(ge=0.0)] = 1e-4
    alpha: Annotated[float, Field(ge=0.0)] = 0.0  # at the start; 0: 0.025, distributed 0.03
    epochs: PositiveInt = 3
    workers: Annotated[int, Field(ge=0)] = 0  # threads of a task; 0: as many as it has cores
    engine: Literal["one_machine", "distributed"] = "one_machine"
    # distributed: tasks that train at once and merge what they learn; measured up to 8.
    partitions: Annotated[int, Field(ge=1, le=16)] = 2
    # Words that the partitions read, all together, between two merges; 0: 200,000 / partitions.
    merge_words: Annotated[int, Field(ge=0)] = 0
    exports: Several[Literal["binary", "text"]] = ("binary",)  # word2vec's formats
    analogies: OptionalPath = ""  # questions-words.txt; "" leaves the test out
    restrict_vocab: PositiveInt = 30_000
    similarities: Several[GivenPath] = ()  # word, word, score, tab-separated
    min_analogies: Share = 0.0  # the gate: below it the job fails and the old vectors stay
    min_similarities: Several[Annotated[float, Field(ge=-1.0, le=1.0)]] = ()  # of each file
    min_coverage: Share = 0.0  # of the labels of each set that must have a vector

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set
        if "engine" not in given and (idle := sorted(given & {"partitions", "merge_words"})):
            raise ValueError(
                f'{", ".join(idle)} does nothing without engine = "distributed": give it'
            )
        if not self.hs and not self.negative:
            raise ValueError("hs is 0 and negative is 0: nothing to train; set one of them")
        if self.min_analogies > 0 and not self.analogies:
            raise ValueError("min_analogies is set, but no file of analogies")
        if self.min_coverage > 0 and not self.label_sets:
            raise ValueError("min_coverage is set, but no [[label_sets]]")
        if self.min_similarities and len(self.min_similarities) != len(self.similarities):
            raise ValueError(
                f"min_similarities has {len(self.min_similarities)} floors, and similarities "
                f"{len(self.similarities)} files: give a floor for each file, in their order"
            )
        names = [PurePath(path).stem for path in self.similarities]
        if len(set(names)) < len(names):  # the scores go by these names
            raise ValueError(f"two files of similarities have one name: {', '.join(names)}")
        return self


class EmbedLabels(JobConfig):
    """The label sets and WORD_VECTORS to LABELS."""

    name = "embed_labels"
    needs = ("train_word2vec",)
    file_keys = ("label_sets",)
    # attributes: the classes' own, in place of word vectors; every label set must have them.
    vectors: Literal["words", "attributes"] = "words"
    min_coverage: Share = 0.5  # of the labels of each set; below it the job fails

    @model_validator(mode="after")
    def _labels_have_attributes(self) -> Self:
        without = [s.name for s in self.label_sets if not isinstance(s, Awa2Labels)]
        if self.vectors == "attributes" and without:
            raise ValueError(
                f'vectors is "attributes", and the label sets {", ".join(without)} have none: '
                "vectors of words and of attributes lie in different spaces; want label sets of "
                'kind "awa2" alone'
            )
        return self
