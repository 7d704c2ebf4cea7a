import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)
run = dict(steps_per_epoch=40, epochs=3)  # batches, of which 4 make an update


def trained_with(rate):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(rate, gradient_accumulation_steps=4)
    for finding in lrguide.check(rate, optimizer=optimizer, **run):
        print(finding)
    model.compile(optimizer, "mse")
    logger = lrguide.LearningRateLogger()
    model.fit(x, y, batch_size=25, epochs=3, verbose=0, callbacks=[logger])
    return logger.rates


# A schedule's steps are batches, not updates.
print("updates:", len(trained_with(lrguide.cosine(0.1, **run))))
# In updates it is too short. The check says so, and the rates show it.
print("updates at 0:", (trained_with(lrguide.cosine(0.1, 30)) == 0).sum())
