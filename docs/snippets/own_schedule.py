import keras
from keras import ops


@keras.saving.register_keras_serializable(package="my_project")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup_steps):
        self.peak, self.warmup_steps = float(peak), int(warmup_steps)

    def __call__(self, step):  # it is compiled, so no Python `if` on the step
        part = ops.cast(step, "float32") / self.warmup_steps
        return self.peak * ops.minimum(part, 1 / ops.sqrt(ops.maximum(part, 1.0)))

    def get_config(self):  # what __init__ needs; without it a model cannot be saved
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}


rate = InverseSquareRoot(0.1, 10)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(rate), "mse")
model.fit(keras.random.normal((80, 8)), keras.random.normal((80, 1)), batch_size=2, verbose=0)
model.save("model.keras")
loaded = keras.models.load_model("model.keras")
print("rate of steps 5, 10 and 40:", [round(float(rate(step)), 4) for step in (5, 10, 40)])
print("loaded, at step 40:", round(float(loaded.optimizer.learning_rate), 4))
