import keras
import lrguide
import numpy as np

keras.utils.set_random_seed(0)
x, noise = np.random.normal(size=(1000, 8)), np.random.normal(size=(1000, 1))
y = x.sum(axis=1, keepdims=True) + 0.1 * noise
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")

result = lrguide.lr_range_test(model, x, y, batch_size=50, verbose=0)
found = result.suggest()["minimum/10"]
print(found)
rate = lrguide.cosine(found.rate, epochs=10, steps_per_epoch=20)
model.compile(keras.optimizers.SGD(rate), "mse")
history = model.fit(x, y, batch_size=50, epochs=10, verbose=0)
print(f"loss of the last epoch: {history.history['loss'][-1]:.4f}")
