import keras
import lrguide
import numpy as np

keras.utils.set_random_seed(0)
x, noise = np.random.normal(size=(1000, 8)), np.random.normal(size=(1000, 1))
y = x.sum(axis=1, keepdims=True) + 0.1 * noise
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(), "mse")

steps = 10 * len(x) // 50  # ten epochs of batches of 50
found = lrguide.find_rate(model, x, y, steps=steps, batch_size=50, verbose=0)
print(found)
model.compile(keras.optimizers.SGD(found.schedule), "mse")
history = model.fit(x, y, batch_size=50, epochs=10, verbose=0)
print(f"loss of the last epoch: {history.history['loss'][-1]:.4f}")
