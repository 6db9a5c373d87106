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
    refuse_idle,
)


class ParseWikipedia(JobConfig):
    """Reads a Wikipedia dump (pages-articles) and writes its pages to ARTICLES."""

    name = "parse_wikipedia"
    needs = ("make_sample",)
    file_keys = pattern_keys = ("dump", "index")
    dump: GivenPath
    """The dump: a file or a folder of its parts, by a path or a URI of an object store."""
    index: OptionalPath = ""
    """The index of a multistream dump. "" takes the file beside it that Wikipedia's naming gives.
    The job counts the pages that it reads against the index. A dump needs none."""
    tasks: Annotated[int, Field(ge=0)] = 0
    """The number of byte ranges to cut the dump into. 0 fits it to the dump's size."""
    namespaces: OneOrMore[int] = (0,)
    """The namespaces whose pages are read. 0 is the articles."""
    damaged: Literal["fail", "refuse"] = "fail"
    """What happens where the dump is damaged: "fail" stops the job. "refuse" keeps every whole page
    and lists what is left out in REFUSED_RANGES."""
    disambiguation_templates: Several[str] = ()
    """Further templates that mark a disambiguation page of this wiki. The job knows those of some
    fifty languages already."""


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
    """Turns ARTICLES, or a table of your texts or tags, into SENTENCES."""

    name = "prepare_corpus"
    needs = ("parse_wikipedia",)
    file_keys = ("label_sets", "source")
    pattern_keys = ("source",)
    kind: Literal["articles", "text", "tags"] = "articles"
    """What the job reads: ARTICLES, a table of texts, or a table of the tags of photos."""
    source: OptionalPath = ""
    """The table of texts or tags: a Delta or Parquet folder, or a table of the catalog."""
    id_column: str = "id"
    """The column with the id of a text or photo."""
    text_column: str = "text"
    """The column with the text."""
    tags_column: str = "tags"
    """The column with the tags: an array of strings, or one string cut at `tag_separator`."""
    tag_separator: str = ""
    """What separates the tags of a string. "" means that the column is an array."""
    owner_column: str = ""
    """The column with the owner of a photo. Equal tags on several of an owner's photos count once.
    With "" they count each time."""
    lower: bool = True
    """Whether words are put into lower case. With false the terms of several words are still joined
    in lower case. `embed_labels` then finds a label of one word only where the text has that word
    in lower case."""
    numbers: bool = False
    """Whether words without a letter, such as 1999, are kept."""
    min_sentence_words: PositiveInt = 1
    """Sentences of fewer words are left out. Of tags at least 2 are wanted in any case."""
    min_words: Annotated[int, Field(ge=0)] = 10
    """Articles and texts of fewer words are left out."""
    near_duplicate_threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    """The estimated Jaccard similarity from which a text counts as a near-duplicate."""
    num_perm: Annotated[int, Field(ge=16, le=512)] = 64
    """The number of permutations of a text's MinHash signature. More of them estimate the
    similarity more exactly, and take longer."""
    shingle: PositiveInt = 5
    """The number of words of a shingle, the unit by which texts are compared."""
    join_plurals: bool = True
    """Whether the plural of a label's term is joined as well: snow leopards to snow_leopard. The
    plural follows the rules of English."""
    phrase_passes: Annotated[int, Field(ge=0, le=8)] = 0
    """The number of passes that look for statistical phrases. 0 looks for none."""
    phrase_scoring: Literal["default", "npmi"] = "default"
    """The score of a phrase, by gensim's name for it."""
    phrase_min_count: PositiveInt = 5
    """How often, at the least, the two parts of a phrase stand side by side."""
    phrase_threshold: float = 10.0
    """The score that a phrase must exceed. Scores of "npmi" lie in [-1, 1]."""
    max_phrases: PositiveInt = 200_000
    """The most phrases of a pass; the commonest are kept. 200,000 phrases take 70 MB in every
    worker process."""

    @model_validator(mode="after")
    def _every_key_does_something(self) -> Self:
        given = self.model_fields_set
        refuse_idle(self, "kind", _KEYS_OF_KINDS)
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

    def input_tables(self) -> list[str]:
        """The source where it is the name of a table of the catalog."""
        return [self.source] if self.source and self.source_is_table else []

    @property
    def source_is_table(self) -> bool:
        """Whether the source is a table of the catalog and not a path."""
        return bool(self.catalog) and "/" not in self.source


class TrainWord2vec(JobConfig):
    """Trains WORD_VECTORS on SENTENCES, or reads them from a file; a quality gate checks them.

    The keys of the training have gensim's names.
    """

    name = "train_word2vec"
    needs = ("prepare_corpus",)
    file_keys = ("vectors", "analogies", "similarities", "label_sets")
    vectors: OptionalPath = ""
    """A file of word vectors: word2vec, fastText .vec or GloVe. With a file nothing is trained."""
    vectors_format: Literal["auto", "word2vec", "word2vec_text", "glove"] = "auto"
    """The format of that file. "auto" finds it out."""
    vector_size: Annotated[int, Field(ge=2, le=2000)] = 100
    """The number of dimensions of a word vector."""
    window: PositiveInt = 10
    """The greatest distance, in words, between a word and its context."""
    min_count: PositiveInt = 5
    """Words that occur less often get no vector."""
    max_vocab: Annotated[int, Field(ge=0)] = 0
    """The most words that are kept; the commonest are. 0 keeps all."""
    sg: Literal[0, 1] = 1
    """1 trains skip-gram, 0 continuous bag of words."""
    hs: Literal[0, 1] = 0
    """1 trains with hierarchical softmax. It may go together with `negative`."""
    negative: Annotated[int, Field(ge=0)] = 10
    """The number of noise words per word (negative sampling). 0 turns it off, and wants `hs` 1."""
    sample: Annotated[float, Field(ge=0.0)] = 1e-4
    """The share of all words above which a word is left out at random. 0 leaves none out."""
    alpha: Annotated[float, Field(ge=0.0)] = 0.0
    """The learning rate at the start. 0 means 0.025, and 0.03 for the engine "distributed"."""
    epochs: PositiveInt = 3
    """The number of passes over SENTENCES."""
    workers: Annotated[int, Field(ge=0)] = 0
    """The number of threads of a task. 0 takes as many as the task has cores."""
    engine: Literal["one_machine", "distributed"] = "one_machine"
    """Where the training runs: in one task, or in `partitions` tasks that merge what they learn."""
    partitions: Annotated[int, Field(ge=1, le=16)] = 2
    """The number of tasks of the engine "distributed". Up to 8 have been measured."""
    merge_words: Annotated[int, Field(ge=0)] = 0
    """The number of words that all partitions together read between two merges. 0 means 200,000
    divided by `partitions`."""
    exports: Several[Literal["binary", "text"]] = ("binary",)
    """The word2vec formats of export/word_vectors: "binary" writes .bin and "text" .vec."""
    analogies: OptionalPath = ""
    """A file of analogies like questions-words.txt. "" leaves this test out."""
    restrict_vocab: PositiveInt = 30_000
    """The analogies ask for, and choose among, this many of the commonest words."""
    similarities: Several[GivenPath] = ()
    """Files of word pairs: word, word and the human score, separated by tabs."""
    min_analogies: Share = 0.0
    """The share of analogies that must be right. Below it the job fails, and the old WORD_VECTORS
    stay."""
    min_similarities: Several[Annotated[float, Field(ge=-1.0, le=1.0)]] = ()
    """The least rank correlation with the human scores, one number per file of `similarities`."""
    min_coverage: Share = 0.0
    """The share of the labels of each label set that must have a vector. Below it the job fails."""

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
    """Gives every label of the label sets a vector, and writes LABELS."""

    name = "embed_labels"
    needs = ("train_word2vec",)
    file_keys = ("label_sets",)
    vectors: Literal["words", "attributes"] = "words"
    """What a label's vector is made of: word vectors, or the attributes of its class. For
    "attributes" every label set must be of the kind "awa2"."""
    min_coverage: Share = 0.5
    """The share of the labels of each label set that must have a vector. Below it the job fails."""

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
