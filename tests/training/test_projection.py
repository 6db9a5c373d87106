from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devise_lib.training.plan import DatasetSpec
from devise_lib.training.projection import COLUMNS, SNAPSHOTS, snapshot_epochs, standardised
from devise_lib.training.ranks.feed import Feed

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:petastorm.arrow_reader_worker")

LABELS = ["ant", "bee", "cat"]
FEATURES = np.random.default_rng(0).normal(4.0, 3.0, (40, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        (0, {0}),
        (1, {0, 1}),
        (3, {0, 1, 2, 3}),
        (9, {0, 1, 3, 5, 7, 9}),
        (30, {0, 1, 8, 16, 23, 30}),
    ],
)
def test_snapshots_are_the_start_the_first_epoch_the_last_and_some_between(epochs, kept):
    assert snapshot_epochs(epochs) == kept


@pytest.mark.parametrize("epochs", range(40))
def test_snapshots_are_few_and_of_epochs_that_there_are(epochs):
    found = snapshot_epochs(epochs)
    assert len(found) == min(SNAPSHOTS, epochs + 1)
    assert found <= set(range(epochs + 1))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> DatasetSpec:
    path = tmp_path_factory.mktemp("features") / "a.parquet"
    columns = {
        "feature": pa.array(FEATURES.tolist(), pa.list_(pa.float32())),
        "label": [LABELS[i % 3] for i in range(40)],
    }
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return DatasetSpec(
        [path.as_uri()],
        40,
        LABELS,
        np.eye(3, dtype=np.float32),
        None,
        FEATURES.mean(0).astype(np.float64),
        FEATURES.std(0).astype(np.float64),
    )


def test_the_network_gets_standardised_features_and_the_row_of_each_label(rows):
    feed = Feed(rows.file_urls, COLUMNS, 0, 1, 1, 8, 64, 0)
    batches = list(islice(standardised(feed, rows)(0), 20))
    inputs = np.concatenate([x for x, _ in batches])
    truth = np.concatenate([y for _, y in batches])
    assert (inputs.dtype, truth.dtype) == (np.float32, np.int32)
    wanted = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    distances = np.linalg.norm(inputs[:, None] - wanted, axis=2)
    assert distances.min(axis=1).max() < 1e-4
    assert (truth == distances.argmin(axis=1) % 3).all()
    assert {len(x) for x, _ in batches} == {8}
