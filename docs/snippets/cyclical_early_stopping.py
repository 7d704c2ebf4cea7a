import keras
import numpy as np

import lrguide

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
half_cycle = 2  # epochs up, and as many down

rate = lrguide.triangular(0.001, 0.1, epochs=half_cycle, steps_per_epoch=16)
# Within a cycle the loss may rise with the rate, so a stop must wait for longer than one.
stop = keras.callbacks.EarlyStopping(patience=2 * half_cycle + 1, restore_best_weights=True)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
options = dict(batch_size=50, epochs=200, validation_split=0.2, verbose=0, callbacks=[stop])
history = model.fit(x, y, **options).history
print("epochs trained:", len(history["loss"]), "of 200; best epoch:", stop.best_epoch)
