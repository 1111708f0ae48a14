"""What ask and tell cost, for every optimiser at the sizes of our networks: ``python benchmarks/optimizer_costs.py``.

CPU time on one core (run it with OMP_NUM_THREADS=1) of a generation, and the peak of what Python allocates meanwhile.
"""

import time
import tracemalloc

import numpy as np

from hebbian_gym.optimizers import make_optimizer

SIZES = {"ant": (61_440, 200), "car": (458_002, 200)}
OPTIMIZERS = {
    "openai-es": {},
    "pgpe": {},
    "snes": {},
    "cma-es, separable": {"covariance": "separable"},
    "genetic": {},
}
TOO_LARGE = {("car", "cma-es, separable"), ("car", "genetic")}  # with 200 candidates: over 3 GB


def measure(name, options, genes, candidates):
    """CPU time (s) of one generation's ask and tell, and their peak memory (MiB)."""
    optimizer = make_optimizer(name, np.zeros(genes, np.float32), population_size=candidates, **options)
    rng, seconds = np.random.default_rng(0), []
    for generation in range(3):
        if generation == 2:
            tracemalloc.start()
        start = time.thread_time()
        optimizer.ask()
        optimizer.tell(rng.normal(size=candidates))
        seconds.append(time.thread_time() - start)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return seconds[1], peak


def main():
    """Print a table in Markdown."""
    titles = " | ".join(f"{task}: {genes:,} genes x {candidates}" for task, (genes, candidates) in SIZES.items())
    print(f"| optimiser | {titles} |\n|---|{'---|' * len(SIZES)}")
    for name, options in OPTIMIZERS.items():
        cells = []
        for task, size in SIZES.items():
            if (task, name) in TOO_LARGE:
                cells.append("over 3 GB, not run")
                continue
            seconds, peak = measure(name.partition(",")[0], options, *size)
            cells.append(f"{seconds:.2f} s, {peak:,.0f} MiB")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
