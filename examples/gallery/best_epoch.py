"""What choosing the epoch on the test person is worth.

No model: random answers over 24 people with six clips of three classes. The rule of many public codes keeps, for each
person, the epoch that happened to answer best. Its UF1 grows with the number of epochs alone, far above what random
answers deserve. Epochs of a real training resemble each other, so that it grows more slowly there: [the
evidence](explanation/lower-scores.md).
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from mer.metrics.chance import oracle_reference

truth = np.random.default_rng(0).integers(0, 3, 144)
people = np.repeat(np.arange(24), 6)
epochs = (1, 2, 5, 10, 20, 50, 100, 200)
scores = [oracle_reference(truth, people, 3, count, repeats=5)["pooled_uf1"] for count in epochs]

figure, axis = plt.subplots(figsize=(5.2, 3), layout="constrained")
axis.semilogx(epochs, scores, "o-", color="#c0392b", label="best epoch of each test person")
axis.axhline(scores[0], linestyle="--", color="#555", label="last epoch")
axis.set(xlabel="epochs to choose from", ylabel="pooled UF1 of random answers", ylim=(0, 1))
axis.legend()
figure.savefig(sys.argv[1], dpi=110)
plt.close(figure)
print(" ".join(f"{count}: {score:.2f}" for count, score in zip(epochs, scores, strict=True)))
