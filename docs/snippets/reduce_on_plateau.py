import keras

keras.utils.set_random_seed(0)
x, noise = keras.random.normal((1000, 8)), keras.random.normal((1000, 1))
y = keras.ops.sum(x, axis=1, keepdims=True) + 0.1 * noise

# The optimizer must have a plain rate: a schedule cannot be reduced.
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.1), "mse")
reduce = keras.callbacks.ReduceLROnPlateau(
    monitor="val_loss", factor=0.5, patience=3, min_lr=0.001
)
history = model.fit(
    x[:800],
    y[:800],
    validation_data=(x[800:], y[800:]),
    epochs=20,
    verbose=0,
    callbacks=[reduce],
).history
print("by epoch:", [f"{float(rate):.4f}" for rate in history["learning_rate"]])
