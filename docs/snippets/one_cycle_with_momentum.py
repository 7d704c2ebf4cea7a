import keras
import numpy as np

import lrguide

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
epochs, steps_per_epoch = 5, 20

rate = lrguide.one_cycle(0.1, epochs=epochs, steps_per_epoch=steps_per_epoch)
# Keras reads a momentum once, when it compiles; this optimizer computes it at each step.
optimizer = lrguide.ScheduledSGD(rate, momentum=rate.momentum(0.85, 0.95))

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(optimizer, "mse")
history = model.fit(x, y, batch_size=50, epochs=epochs, verbose=0).history
for step in (0, 29, 99):
    both = float(rate(step)), float(rate.momentum(0.85, 0.95)(step))
    print(f"step {step}: rate {both[0]:.6f}, momentum {both[1]:.2f}")
print("loss after the last epoch:", round(history["loss"][-1], 4))
