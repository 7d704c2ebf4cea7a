import keras
import lrguide
import numpy as np


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        x = np.random.default_rng(index).normal(size=(50, 8)).astype("float32")
        return x, x.sum(axis=1, keepdims=True)


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")
result = lrguide.lr_range_test(model, Batches(), steps=100, verbose=0)
print(result.suggest()["minimum/10"])
