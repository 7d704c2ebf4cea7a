import keras
import numpy as np

import lrguide

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
batch_size, epochs = 50, 10
steps_per_epoch = -(-len(x) // batch_size)  # rounded up: the last batch may be smaller

cosine = lrguide.cosine(0.1, epochs=epochs - 1, steps_per_epoch=steps_per_epoch)
rate = lrguide.warmup(cosine, epochs=1, steps_per_epoch=steps_per_epoch)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0).history
print("rate at the start of each epoch:", [round(float(rate(20 * n)), 4) for n in range(epochs)])
print(f"loss after the last: {history['loss'][-1]:.1e}")
