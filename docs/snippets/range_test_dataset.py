import keras
import lrguide
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
data = (
    tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1000, seed=0).batch(50)
)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")
# 100 steps of 20 batches a pass: the dataset is read five times for each seed.
result = lrguide.lr_range_test(model, data, steps=100, verbose=0)
print(result.suggest()["minimum/10"])
