import lrguide
import matplotlib.pyplot as plt

steps = range(480)  # 10 epochs of 48 steps
schedules = {
    "cosine": lrguide.cosine(0.1, 480),
    "1cycle": lrguide.one_cycle(0.1, 480),
    "three stairs": lrguide.piecewise([0.1, 0.01, 0.001], [240, 360]),
}
for name, schedule in schedules.items():
    plt.plot(steps, lrguide.rates_at(schedule, steps), label=name)
plt.xlabel("step")
plt.ylabel("learning rate during the step")
plt.legend()
plt.savefig("schedules.png")
print("schedules.png shows", ", ".join(schedules))
