import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
batch_size, epochs = 50, 10
batches = -(-len(x) // batch_size)  # rounded up: the last may be smaller

cosine = lrguide.cosine(0.1, epochs=epochs - 1, steps_per_epoch=batches)
rate = lrguide.warmup(cosine, epochs=1, steps_per_epoch=batches)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
for epoch in range(epochs):
    print(f"epoch {epoch} begins with a rate of {rate(epoch * batches):.4f}")
