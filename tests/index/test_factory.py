import faiss
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devise_lib.errors import InputError
from devise_lib.index.factory import ID_BYTES, IndexKey, choose_key, choose_nlist
from tests.embedded import clustered
from tests.index.built import D, trained

TRANSFORMS = st.lists(st.sampled_from(("OPQ4_16", "PCA16", "RR16", "L2norm")), max_size=2)
CODES = st.sampled_from(("Flat", "SQ8", "SQfp16", "SQ4", "PQ8", "PQ8x4", "PQ8x4fs", "PQ8x4fsr"))
REFINES = st.sampled_from(("", "RFlat", "Refine(Flat)", "Refine(SQ8)", "Refine(SQfp16)"))
KEYS = st.builds(
    IndexKey,
    TRANSFORMS.map(tuple),
    st.integers(1, 10**6),
    st.sampled_from((0, 8, 32)),
    CODES,
    REFINES,
)


@given(KEYS)
def test_a_key_is_read_as_it_is_written(key):
    assert IndexKey.parse(str(key)) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("IVF64,Flat", IndexKey((), 64, 0, "Flat", "")),
        (
            "OPQ32_128,IVF65536_HNSW32,PQ32x4fsr,RFlat",
            IndexKey(("OPQ32_128",), 65_536, 32, "PQ32x4fsr", "RFlat"),
        ),
        (
            " PCA64 , L2norm, IVF8 , SQ8 ,Refine(SQfp16)",
            IndexKey(("PCA64", "L2norm"), 8, 0, "SQ8", "Refine(SQfp16)"),
        ),
    ],
)
def test_the_parts_of_a_key(text, key):
    assert IndexKey.parse(text) == key


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "auto", "Flat", "HNSW32", "HNSW32,Flat", "LSH", "PQ8", "IVF64", "IVF64,"),
        *(",IVF64,SQ8", "IVF64,RFlat", "IVF64,SQ8,PQ8", "IVF64,IVF8,Flat", "IVF64,SQ8,RFlat,RFlat"),
        *(
            "IVF,Flat",
            "IVF-4,Flat",
            "IVF0,Flat",
            "IVF64_HNSW,Flat",
            "IMI2x8,Flat",
            "IVF64(PQ8),SQ8",
        ),
        *("ivf64,flat", "IDMap,Flat", "IVF64_NSG32,Flat", "RFlat,IVF64"),
    ],
)
def test_what_is_no_inverted_file_is_refused(text):
    with pytest.raises(InputError, match="want an inverted file, as in"):
        IndexKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("IVF8,LSH", "IVF8,garbage", "garbage,IVF8,SQ8", "IVF8,PQ5", "IVF8,RaBitQfs"),
        *("IVF8,PQ4x4fs_64", "IVF8,SQ", "IVF8,HNSW32", "IVF8,PQ32"),
    ],
)
def test_codes_that_faiss_cannot_make_or_keeps_in_blocks_are_refused(text):
    with pytest.raises(InputError, match=r"index_key is .* want an inverted file"):
        IndexKey.parse(text).make_encoder(D)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("IVF8,Flat", 64),
        ("IVF8,SQfp16", 32),
        ("IVF8,SQ8", 16),
        ("IVF8,PQ4", 4),
        ("IVF8,PQ4x4", 2),
        ("IVF8,PQ8x4fsr", 4),
        ("IVF8_HNSW8,SQ4", 8),
        ("PCA8,IVF8,SQ8", 8),
        ("IVF8,PQ4x4,RFlat", 2 + 64),
        ("IVF8,SQ8,Refine(SQfp16)", 16 + 32),
    ],
)
def test_the_bytes_of_a_vector_are_its_codes_and_its_id(text, length):
    assert IndexKey.parse(text).bytes_per_vector(D) == length + ID_BYTES


def test_the_bytes_of_a_vector_are_those_that_a_file_grows_by():
    index = IndexKey.parse("IVF8,SQ8").make_encoder(D)
    sizes = []
    index.train(clustered(800, D))
    for _ in range(2):
        index.add(clustered(400, D))
        sizes.append(len(faiss.serialize_index(index)))
    assert sizes[1] - sizes[0] == 400 * IndexKey.parse("IVF8,SQ8").bytes_per_vector(D)


@pytest.mark.parametrize(
    ("codes", "is_fast", "residual"),
    [("PQ8x4", False, True), ("PQ8x4fs", True, False), ("PQ8x4fsr", True, True)],
)
def test_a_fast_scan_is_encoded_without_blocks(codes, is_fast, residual):
    key = IndexKey((), 8, 0, codes, "")
    ivf = faiss.downcast_index(key.make_encoder(D))
    assert key.is_fast_scan == is_fast
    assert type(ivf) is faiss.IndexIVFPQ
    assert ivf.by_residual == residual
    assert ivf.metric_type == faiss.METRIC_INNER_PRODUCT


def test_the_refiner_holds_what_comes_last_in_the_key():
    for text, kind in (("RFlat", "IndexFlat"), ("Refine(SQ8)", "IndexScalarQuantizer")):
        refiner = IndexKey.parse(f"PCA8,IVF8,SQ8,{text}").make_refiner(D)
        assert type(refiner).__name__ == kind
        assert refiner.d == D
    assert IndexKey.parse("IVF8,SQ8").make_refiner(D) is None


@pytest.mark.parametrize(
    ("n", "n_train", "nlist"),
    [
        *((1, 1, 1), (38, 38, 1), (78, 78, 2), (400, 10**6, 80), (400, 400, 10)),
        (999_999, 10**9, 3_999),
        (10**6, 10**9, 16_384),
        (10**6, 16_384 * 39 - 1, 16_383),
        (10**7 - 1, 10**9, 16_384),
        (10**7, 10**9, 65_536),
        (10**8, 10**9, 262_144),
        (10**9, 10**9, 262_144),
        (10**9, 39_000, 1_000),
    ],
)
def test_the_number_of_lists(n, n_train, nlist):
    assert choose_nlist(n, n_train) == nlist


@pytest.mark.parametrize(("n", "n_train"), [(0, 1), (1, 0)])
def test_lists_of_nothing_are_an_error(n, n_train):
    with pytest.raises(ValueError, match="want at least one vector to train on"):
        choose_nlist(n, n_train)


@pytest.mark.parametrize(
    ("n", "recall", "budget", "key"),
    [
        (1_000, 0.9, 0, "IVF25,Flat"),
        (1_000, 0.9, 520, "IVF25,Flat"),
        (1_000, 0.9, 519, "IVF25,SQfp16"),
        (1_000, 0.9, 264, "IVF25,SQfp16"),
        (1_000, 0.9, 263.9, "IVF25,SQ8"),
        (1_000, 0.9, 136, "IVF25,SQ8"),
        (1_000, 0.9, 135, "OPQ64_128,IVF25,PQ64"),
        (1_000, 0.9, 39.9, "OPQ24_144,IVF25,PQ24"),
        (1_000, 0.9, 40, "OPQ32_128,IVF25,PQ32"),
        (1_000, 0.9, 11, "OPQ3_129,IVF25,PQ3"),
        (1_000, 0.9, 9, "OPQ1_128,IVF25,PQ1"),
        (99_999, 0.9, 0, "IVF1264,Flat"),
        (100_000, 0.9, 0, "IVF1264,SQfp16"),
        (100_000, 0.995, 0, "IVF1264,Flat"),
        (100_000, 0.995, 300, "IVF1264,SQfp16"),
        (2 * 10**6, 0.9, 0, "IVF16384_HNSW32,SQfp16"),
        (2 * 10**7, 0.9, 64, "OPQ56_168,IVF65536_HNSW32,PQ56"),
    ],
)
def test_the_codes_that_a_budget_allows(n, recall, budget, key):
    assert str(choose_key(n, n, 128, budget, recall)) == key


@given(st.sampled_from((16, 64, 100, 128, 300, 512, 1_024)), st.floats(9, 3_000))
def test_a_chosen_key_fits_the_budget_and_can_be_made(dimension, budget):
    key = choose_key(5_000, 5_000, dimension, budget, 0.9)
    assert key.bytes_per_vector(dimension) <= budget
    assert IndexKey.parse(str(key)) == key


@given(st.sampled_from((64, 128)), st.floats(9, 300), st.floats(9, 300))
def test_a_larger_budget_never_gives_shorter_codes(dimension, one, two):
    assume(one < two)
    less, more = (
        choose_key(5_000, 5_000, dimension, budget, 0.9).bytes_per_vector(dimension)
        for budget in (one, two)
    )
    assert less <= more


@pytest.mark.parametrize("budget", [0.5, 8, 8.99])
def test_a_budget_below_the_shortest_code_is_refused(budget):
    with pytest.raises(InputError, match=r"are too few .* recall 0\.9: want 9 or more"):
        choose_key(1_000, 1_000, 128, budget, 0.9)


@pytest.mark.parametrize("text", ["IVF8,SQ8", "PCA8,IVF8,PQ4x4,RFlat"])
def test_a_trained_index_knows_its_key(text):
    assert str(trained(text).key) == text
