"""The digits: the shipped subset is MNIST's, and nothing doubtful is ever used."""

import gzip
import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from refusals import sentence, without_a_row

from lrguide import data
from lrguide.guide.settings import BUDGETS
from lrguide.guide.tasks import NAMES

PARTS = ("train", "validation", "test")
# How often each digit occurs in MNIST's test set, as its distributors publish it.
TEST_SET = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])


@pytest.fixture(scope="module")
def subset():
    with np.load(data.SUBSET) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def full():
    if not os.environ.get("LRGUIDE_MNIST"):
        pytest.skip("LRGUIDE_MNIST names no full MNIST to compare with")
    with np.load(os.environ["LRGUIDE_MNIST"]) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def make_subset():
    spec = importlib.util.spec_from_file_location(
        "make_subset", data.SUBSET.with_name("make_subset.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Path of a subset file that a test may spoil; nothing is remembered from other tests."""
    path = tmp_path / "subset.npz"
    monkeypatch.setattr(data, "SUBSET", path)
    return path


def read_subset():
    return data.mnist_subset.__wrapped__()


def read_full():
    return data.mnist_full.__wrapped__()


def digits(labels):
    return np.bincount(labels, minlength=10)


# What is shipped


def test_subset_has_the_promised_shape_type_and_range():
    subset = data.mnist_subset()
    for part, size in zip(PARTS, (12000, 3000, 3000), strict=True):
        x, y = getattr(subset, f"x_{part}"), getattr(subset, f"y_{part}")
        assert (x.shape, x.dtype) == ((size, 28, 28, 1), np.float32)
        assert (y.shape, y.dtype) == ((size, 10), np.float32)
        assert (x.min(), x.max()) == (0, 1)


def test_images_are_the_grey_values_over_255_and_labels_one_hot(subset):
    loaded = data.mnist_subset()
    for part in PARTS:
        pixels = getattr(loaded, f"x_{part}")[..., 0].astype(np.float64) * 255
        np.testing.assert_allclose(pixels, subset[f"x_{part}"], atol=1e-4)
        one_hot = getattr(loaded, f"y_{part}")
        assert set(np.unique(one_hot)) == {0, 1}
        assert (one_hot.sum(axis=1) == 1).all()
        assert (one_hot.argmax(axis=1) == subset[f"y_{part}"]).all()


def test_no_image_occurs_twice(subset):
    images = [image.tobytes() for part in PARTS for image in subset[f"x_{part}"]]
    assert len(set(images)) == len(images)


def test_test_part_keeps_the_shares_of_the_test_set(subset):
    assert np.abs(digits(subset["y_test"]) - 0.3 * TEST_SET).max() < 1


@pytest.mark.parametrize("name", [name for name in BUDGETS if name not in {"FULL", *NAMES}])
def test_each_budget_sees_the_ten_digits_in_their_shares(subset, name):
    budget = BUDGETS[name]
    for part, size in zip(PARTS, (budget.training, budget.validation, budget.test), strict=True):
        labels = subset[f"y_{part}"]
        shares = size * digits(labels) / len(labels)
        assert np.abs(digits(labels[:size]) - shares).max() <= 1


def test_licence_authors_and_source_stand_beside_a_file_under_3_megabytes():
    text = data.SUBSET.with_name("README.md").read_text()
    for needed in ("Yann LeCun", "Corinna", "Burges", "ShareAlike 3.0", "by-sa/3.0"):
        assert needed in text
    assert data.SUBSET.stat().st_size < 3_000_000


# Where it comes from


def test_parts_come_from_their_own_slice_of_the_full_data(subset, full):
    slices = {
        "train": (full["x_train"][:48000], full["y_train"][:48000]),
        "validation": (full["x_train"][48000:], full["y_train"][48000:]),
        "test": (full["x_test"], full["y_test"]),
    }
    for part, (images, labels) in slices.items():
        known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        chosen = zip(subset[f"x_{part}"], subset[f"y_{part}"], strict=True)
        assert all(known[image.tobytes()] == label for image, label in chosen)
        shares = digits(labels) * len(subset[f"y_{part}"]) / len(labels)
        assert np.abs(digits(subset[f"y_{part}"]) - shares).max() < 1


def test_script_makes_the_shipped_arrays_again(make_subset, subset, full, tmp_path):
    made = make_subset.subset(make_subset.read(Path(os.environ["LRGUIDE_MNIST"])))
    make_subset.write(made, tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again:
        assert set(again.files) == set(subset)
        for name, array in subset.items():
            np.testing.assert_array_equal(again[name], array)


def test_full_data_is_split_as_the_article_splits_it(full):
    loaded = read_full()
    np.testing.assert_array_equal(
        np.concatenate([loaded.x_train, loaded.x_validation])[..., 0] * np.float32(255),
        full["x_train"],
    )
    np.testing.assert_array_equal(loaded.y_validation.argmax(axis=1), full["y_train"][48000:])
    assert [len(getattr(loaded, f"x_{part}")) for part in PARTS] == [48000, 12000, 10000]


@pytest.mark.parametrize("gzipped", [False, True])
def test_script_reads_idx_files(make_subset, tmp_path, gzipped):
    random = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": random.integers(0, 256, (60000, 28, 28), np.uint8),
        "train-labels-idx1-ubyte": random.integers(0, 10, 60000, np.uint8),
        "t10k-images-idx3-ubyte": random.integers(0, 256, (10000, 28, 28), np.uint8),
        "t10k-labels-idx1-ubyte": random.integers(0, 10, 10000, np.uint8),
    }
    for name, array in arrays.items():
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        content = header + array.tobytes()
        path = tmp_path / "data" / (name + ".gz" if gzipped else name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content, 0) if gzipped else content)
    read = make_subset.read(tmp_path)
    for seen, expected in zip(read.values(), arrays.values(), strict=True):
        np.testing.assert_array_equal(seen, expected)


# Beginnings


@pytest.mark.parametrize("sizes", [(1, 1, 1), (12000, 3000, 3000), (2000, 1000, 500)])
def test_first_takes_the_beginning_of_each_part(sizes):
    whole = data.mnist_subset()
    begun = whole.first(*sizes)
    for part, size in zip(PARTS, sizes, strict=True):
        for name in (f"x_{part}", f"y_{part}"):
            np.testing.assert_array_equal(getattr(begun, name), getattr(whole, name)[:size])


SIZES = dict(training=1, validation=1, test=1)
FIRST = [
    ({name: size}, error, f"{name} must be {wanted}")
    for name, most in [("training", 12_000), ("validation", 3_000), ("test", 3_000)]
    for size, error, wanted in [
        (
            most + 1,
            ValueError,
            f"at most {most:,}, received {most + 1}: this data has no more images",
        ),
        (np.int64(0), ValueError, "a whole number above 0, received 0"),
        (-1, ValueError, "a whole number above 0, received -1"),
        (1.5, TypeError, "a whole number above 0, received 1.5"),
        (np.float32(2), TypeError, "a whole number above 0, received 2.0"),
        ("9", TypeError, "a whole number above 0, received '9'"),
        (True, TypeError, "a whole number above 0, received True"),
        (np.True_, TypeError, "a whole number above 0, received True"),
        (None, TypeError, "a whole number above 0, received None"),
    ]
]
PARTLY = {f"{axis}_{part}": np.ones(4) for part in PARTS for axis in "xy"}
MADE = [
    *(({name: [1, 2]}, TypeError, f"{name} must be an array, received list") for name in PARTLY),
    *(
        ({name: np.ones(3)}, ValueError, f"x_{name[2:]} and y_{name[2:]} must be equally long, rec")
        for name in PARTLY
    ),
    (dict(x_test=np.float32(1)), TypeError, "x_test must be an array, received float32"),
]


@pytest.mark.parametrize(("changed", "error", "message"), FIRST)
def test_first_refuses_other_numbers_of_images(changed, error, message):
    found = sentence(error, lambda: data.mnist_subset().first(**{**SIZES, **changed}))
    assert found == message


@pytest.mark.parametrize(("changed", "error", "message"), MADE)
def test_digits_without_their_labels_are_refused(changed, error, message):
    assert sentence(error, lambda: data.Digits(**{**PARTLY, **changed})).startswith(message)


def test_each_parameter_has_a_bad_argument_above():
    assert without_a_row(data.Digits, MADE) == without_a_row(data.Digits.first, FIRST) == []
    assert without_a_row(data.mnist_subset, []) == without_a_row(data.mnist_full, []) == []


@pytest.mark.parametrize("size", [np.int64(5), np.uint8(5)])
def test_numpy_s_integers_are_numbers_of_images(size):
    assert len(data.mnist_subset().first(size, 5, size).x_test) == 5


# Spoilt files


def spoilt(arrays, change):
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(arrays)
    return arrays


def brighten_one_pixel(arrays):
    arrays["x_validation"][7, 3, 3] += 1


def swap_two_labels(arrays):
    labels = arrays["y_train"]
    other = np.flatnonzero(labels != labels[0])[0]
    labels[[0, other]] = labels[[other, 0]]


def reverse_images(arrays):
    arrays["x_test"] = arrays["x_test"][::-1]


def cut_an_array(arrays):
    arrays["x_test"] = arrays["x_test"][:-1]


def flatten_images(arrays):
    arrays["x_train"] = arrays["x_train"].reshape(-1, 784)


def widen_the_type(arrays):
    arrays["y_test"] = arrays["y_test"].astype(np.int64)


def drop_an_array(arrays):
    del arrays["y_validation"]


def pickle_an_array(arrays):
    arrays["y_test"] = arrays["y_test"].astype(object)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (brighten_one_pixel, "x_validation in .* is not MNIST's: its SHA-256 must begin with 01c8"),
        (swap_two_labels, "y_train in .* is not MNIST's: .* received "),
        (reverse_images, "x_test in .* is not MNIST's"),
        (cut_an_array, r"x_test .* of shape \(3000, 28, 28\), received uint8 of shape \(2999, "),
        (flatten_images, r"x_train .* received uint8 of shape \(12000, 784\)"),
        (widen_the_type, r"y_test .* must be uint8 .* received int64"),
        (drop_an_array, "must hold the arrays x_train, .* but y_validation is missing"),
        (pickle_an_array, "must be an .npz file of plain arrays, .* allow_pickle=False"),
    ],
)
def test_altered_subset_is_refused(shipped, subset, change, message):
    np.savez(shipped, **spoilt(subset, change))
    with pytest.raises(ValueError, match=message):
        read_subset()


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("<html>404 Not Found</html>")


def single_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3, np.uint8))


def zip_of_text(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train", "not an array")


def unknown_compression(path):
    path.write_bytes(data_bytes().replace(b"\x08\x00\x00\x00\x21\x00", b"\x63\x00\x00\x00\x21\x00"))


def absent(path):
    pass


def data_bytes():
    return (Path(data.__file__).with_name("mnist") / "subset.npz").read_bytes()


@pytest.mark.parametrize(
    "make", [empty, text, single_array, zip_of_text, unknown_compression, absent]
)
def test_what_is_no_file_of_arrays_is_refused(shipped, make):
    make(shipped)
    with pytest.raises(ValueError, match=r"subset\.npz"):
        read_subset()


def test_cut_or_overwritten_anywhere_the_file_is_refused_or_still_the_same(shipped):
    """Bytes that no array depends on, such as dates in the zip directory, may differ."""
    original, expected, random = data_bytes(), data.mnist_subset(), np.random.default_rng(0)
    refused = 0
    for number in range(24):
        place = int(random.integers(len(original)))
        if number < 6:
            changed = original[:place]
        elif number < 12:  # the directory at the end, where the parser lives
            place = len(original) - 1 - int(random.integers(700))
            changed = original[:place] + bytes([original[place] ^ 255]) + original[place + 1 :]
        else:
            changed = original[:place] + random.bytes(64) + original[place + 64 :]
        shipped.write_bytes(changed)
        try:
            seen = read_subset()
        except ValueError as error:
            assert "subset.npz" in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(seen.x_train, expected.x_train)
    assert refused >= 18


def test_named_file_must_exist(monkeypatch, tmp_path):
    monkeypatch.setenv("LRGUIDE_MNIST", str(tmp_path / "nowhere.npz"))
    with pytest.raises(FileNotFoundError, match=r"LRGUIDE_MNIST must name the file .*nowhere.npz"):
        read_full()
    monkeypatch.setenv("LRGUIDE_MNIST", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_full()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.zeros((2, 28, 28), np.uint8)}, r"must be uint8 of shape \(60000, 28, 28\)"),
        ({"images": np.zeros(3)}, "x_train is missing"),
        ({"x_train": np.zeros((60000, 28, 28), np.uint8)}, "x_train in .* is not MNIST's"),
    ],
)
def test_named_file_must_hold_the_full_data(monkeypatch, tmp_path, arrays, message):
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    monkeypatch.setenv("LRGUIDE_MNIST", str(tmp_path / "mnist.npz"))
    with pytest.raises(ValueError, match=message):
        read_full()


def test_subset_is_no_stand_in_for_the_full_data(monkeypatch):
    monkeypatch.setenv("LRGUIDE_MNIST", str(data.SUBSET))
    with pytest.raises(ValueError, match=r"received uint8 of shape \(12000, 28, 28\)"):
        read_full()


DOWNLOAD = """
from pathlib import Path
from lrguide.data import mnist_full
for name in ("nothing", "damaged"):
    try:
        mnist_full()
    except ConnectionError as error:
        print(name, "->", error)
    stored = Path.home() / ".keras" / "datasets" / "mnist.npz"
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(b"half a file")
"""


def test_failed_download_is_one_sentence_whatever_keras_has_stored(tmp_path):
    """A closed port as proxy fails at once, on a machine with a network or without."""
    closed = "http://127.0.0.1:9"
    hidden = ("LRGUIDE_MNIST", "KERAS_HOME", "no_proxy", "NO_PROXY")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {name: closed for name in ("http_proxy", "https_proxy", "HTTPS_PROXY")}
    ended = subprocess.run(
        [sys.executable, "-c", DOWNLOAD], env=environment, capture_output=True, text=True
    )
    lines = [line for line in ended.stdout.splitlines() if "->" in line]
    assert len(lines) == 2, ended.stderr
    for name, line in zip(("nothing", "damaged"), lines, strict=True):
        assert line.startswith(
            f"{name} -> MNIST could not be downloaded; go online, or set LRGUIDE"
        )


# Names for it


def test_fingerprints_follow_the_arrays(subset):
    together = "".join(hashlib.sha256(subset[name].tobytes()).hexdigest() for name in subset)
    assert data.fingerprint(full=False) == hashlib.sha256(together.encode()).hexdigest()[:12]
    assert data.fingerprint(full=True) != data.fingerprint(full=False)
