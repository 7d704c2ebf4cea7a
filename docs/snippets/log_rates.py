import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(lrguide.cosine(0.1, 60)), "mse")
log = lrguide.LearningRateLogger()
history = model.fit(x, y, batch_size=50, epochs=3, verbose=0, callbacks=[log])

print("at the end of each epoch:", history.history["learning_rate"])
print("of the first five updates:", log.rates[:5])
print("what differs from the schedule:", log.findings)
