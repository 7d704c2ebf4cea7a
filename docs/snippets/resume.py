import keras

keras.utils.set_random_seed(0)
x = keras.random.normal((1000, 8))
y = keras.ops.sum(x, axis=1, keepdims=True)

rate = keras.optimizers.schedules.CosineDecay(0.1, 100)  # 5 epochs of 20
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
model.fit(x, y, batch_size=50, epochs=2, verbose=0)
model.save("model.keras")  # with the optimizer, and so its count of steps

model = keras.models.load_model("model.keras")  # on another day
optimizer = model.optimizer
print(f"step {int(optimizer.iterations)}: {optimizer.learning_rate:.4f}")
model.fit(x, y, batch_size=50, epochs=5, initial_epoch=2, verbose=0)
print(f"step {int(optimizer.iterations)}: {optimizer.learning_rate:.4f}")
