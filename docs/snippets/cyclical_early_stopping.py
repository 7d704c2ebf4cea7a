import keras
import lrguide
import numpy as np

keras.utils.set_random_seed(0)
x, noise = np.random.normal(size=(1000, 8)), np.random.normal(size=(1000, 1))
y = x.sum(axis=1, keepdims=True) + 0.1 * noise
data = dict(x=x, y=y, batch_size=50, validation_split=0.2)  # 16 batches
half = 2  # epochs up, and as many down

rate = lrguide.triangular(0.001, 0.1, epochs=half, steps_per_epoch=16)
# Within a cycle the loss may rise with the rate: wait for longer than one.
stop = keras.callbacks.EarlyStopping(
    patience=2 * half + 1, restore_best_weights=True
)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
history = model.fit(**data, epochs=200, verbose=0, callbacks=[stop])
print("epochs trained:", len(history.epoch), "of 200")
print("best epoch:", stop.best_epoch)
