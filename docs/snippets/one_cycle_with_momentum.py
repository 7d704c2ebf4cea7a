import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)

rate = lrguide.one_cycle(0.1, epochs=5, steps_per_epoch=20)
momentum = rate.momentum(0.85, 0.95)
# Keras reads a momentum once, when it compiles; this computes it each step.
optimizer = lrguide.ScheduledSGD(rate, momentum)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(optimizer, "mse")
model.fit(x, y, batch_size=50, epochs=5, verbose=0)
for step in (0, 29, 99):
    print(f"step {step}: rate {rate(step):.6f}, momentum {momentum(step):.2f}")
