import keras
import lrguide
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")  # its rate does not matter here

before = lrguide.state_digest(model)
result = lrguide.lr_range_test(model, x, y, batch_size=50, verbose=0)
print(result)
print("the model is as it was:", lrguide.state_digest(model) == before)
