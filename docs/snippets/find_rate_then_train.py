import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")

steps = 10 * len(x) // 50  # ten epochs of batches of 50
found = lrguide.find_rate(model, x, y, steps=steps, batch_size=50, verbose=0)
print(found)
model.compile(keras.optimizers.SGD(found.schedule), "mse")
history = model.fit(x, y, batch_size=50, epochs=10, verbose=0)
print("loss of the last epoch:", history.history["loss"][-1])
