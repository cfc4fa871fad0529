"""openTSNE beside Rain's projection, and a judge of both layouts that shares no code with either.

    python -m venv venv && venv/bin/pip install openTSNE scikit-learn
    venv/bin/python benches/peer/tsne_opentsne.py fit POINTS LAYOUT --threads 2
    venv/bin/python benches/peer/tsne_opentsne.py judge POINTS LAYOUT [LAYOUT ...]

POINTS and LAYOUT are raw little-endian float32, 50 and 2 a row. Both print one line of JSON. `judge` finds neighbours exactly
with scikit-learn, calibrates and symmetrises P in double precision, and sums the normaliser over all pairs.
"""
import argparse
import json
import os
import sys
import time


def fit(options):
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import numpy as np
    from openTSNE import TSNE

    x = np.fromfile(options.points, "<f4").reshape(-1, options.dims)
    wall, cpu = time.perf_counter(), time.process_time()
    layout = TSNE(
        perplexity=options.perplexity,
        early_exaggeration_iter=options.early,
        n_iter=options.iterations,
        negative_gradient_method="fft",
        n_jobs=options.threads,
        random_state=options.seed,
    ).fit(x)
    result = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    np.asarray(layout, "<f4").tofile(options.layouts[0])
    return result | {"kl": float(layout.kl_divergence)}


def affinities(x, perplexity):
    """The symmetric P over exact neighbours, by bisection on all rows at once."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import NearestNeighbors

    n, k = len(x), int(3 * perplexity)
    # One neighbour more, for the point itself; where it is not among them, the last goes.
    d, index = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(x).kneighbors(x)
    other = index != np.arange(n)[:, None]
    other[other.all(1), k] = False
    d, index = d[other].reshape(n, k).astype(float) ** 2, index[other].reshape(n, k)
    d -= d.min(1, keepdims=True)
    low, high = np.full((n, 1), -60.0), np.full((n, 1), 60.0)
    for _ in range(60):
        middle = (low + high) / 2
        w = np.exp(-np.exp(middle) * d)
        p = w / w.sum(1, keepdims=True)
        entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(1, keepdims=True)
        low, high = np.where(entropy > np.log(perplexity), middle, low), np.where(entropy > np.log(perplexity), high, middle)
    p = csr_matrix((p.ravel(), index.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    return ((p + p.T) / (2 * n)).tocoo()


def divergence(p, y):
    import numpy as np

    total = 0.0
    squares = (y * y).sum(1)
    for start in range(0, len(y), 500):
        rows = y[start:start + 500]
        d = squares[start:start + 500, None] + squares - 2 * rows @ y.T
        total += (1 / (1 + np.maximum(d, 0))).sum()
    total -= len(y)
    d = ((y[p.row] - y[p.col]) ** 2).sum(1)
    return float((p.data * (np.log(p.data) + np.log1p(d) + np.log(total))).sum())


def trustworthiness(x, y, k, rows):
    """Over a sample of the rows: how far down the true order those points are that the layout puts nearest."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    n = len(x)
    chosen = np.random.default_rng(0).choice(n, min(rows, n), replace=False)
    near = NearestNeighbors(n_neighbors=k + 1).fit(y).kneighbors(y[chosen], return_distance=False)
    loss = 0
    for i, near in zip(chosen, near):
        d = ((x - x[i]) ** 2).sum(1)
        d[i] = -1
        rank = np.empty(n, int)
        rank[np.argsort(d, kind="stable")] = np.arange(n)
        near = near[near != i][:k]
        loss += np.maximum(rank[near] - k, 0).sum()
    return float(1 - 2 * loss / (len(chosen) * k * (2 * n - 3 * k - 1)))


def judge(options):
    import numpy as np

    x = np.fromfile(options.points, "<f4").reshape(-1, options.dims)
    p = affinities(x, options.perplexity)
    layouts = [np.fromfile(path, "<f4").reshape(-1, 2).astype(float) for path in options.layouts]
    return {
        "kl": [divergence(p, y) for y in layouts],
        "trustworthiness": [trustworthiness(x.astype(float), y, 12, 2000) for y in layouts],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fit", "judge"])
    parser.add_argument("points")
    parser.add_argument("layouts", nargs="+")
    for name, default in [("dims", 50), ("iterations", 500), ("early", 250), ("threads", 2), ("seed", 0)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--perplexity", type=float, default=30)
    chosen = parser.parse_args()
    json.dump({"fit": fit, "judge": judge}[chosen.what](chosen), sys.stdout)
    print()
