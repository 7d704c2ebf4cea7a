import lrguide

# 2 epochs of warmup, 5 at 0.1, a cosine down to 0 in 3; 20 batches in each.
fall = lrguide.cosine(0.1, epochs=3, steps_per_epoch=20)
flat_then_fall = lrguide.join([0.1, fall], epochs=[5], steps_per_epoch=20)
rate = lrguide.warmup(flat_then_fall, epochs=2, steps_per_epoch=20)

for epoch, first in enumerate(lrguide.rates_at(rate, range(0, 200, 20))):
    print(f"epoch {epoch} begins with a rate of {first:.4f}")
print("problems:", lrguide.check(rate, steps_per_epoch=20, epochs=10))
