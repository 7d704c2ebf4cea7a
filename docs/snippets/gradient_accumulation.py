import keras
import numpy as np

import lrguide

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
batches, epochs, every = 40, 3, 4  # 40 batches an epoch; 4 of them make one update

# A schedule's steps are batches, not updates, so this is epochs * batches long.
rate = lrguide.cosine(0.1, epochs=epochs, steps_per_epoch=batches)
optimizer = keras.optimizers.SGD(rate, gradient_accumulation_steps=every)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(optimizer, "mse")
logger = lrguide.LearningRateLogger()
model.fit(x, y, batch_size=25, epochs=epochs, verbose=0, callbacks=[logger])
print(len(logger.rates), "updates in", epochs * batches, "batches")

in_updates = lrguide.cosine(0.1, epochs * batches // every)  # looks right, ends far too early
other = keras.optimizers.SGD(in_updates, gradient_accumulation_steps=every)
print(*lrguide.check(in_updates, steps_per_epoch=batches, epochs=epochs, optimizer=other))
