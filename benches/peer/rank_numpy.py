"""Evaluation as it is usually written in numpy: the peer of `cargo bench --bench rank`.

    venv/bin/python benches/peer/rank_numpy.py FEATURES.npz

FEATURES.npz holds query and gallery features [n, d] and their identities and cameras. One line on standard input is one
repeat: it prints wall and CPU seconds and the figures as JSON. Needs numpy alone.
"""
import json
import resource
import sys
import time

import numpy as np


def evaluate(q, g, qi, qc, gi, gc):
    """Cosine distance by one matrix product, argsort, then a loop over the queries, by Market-1501's rule."""
    q = q / np.linalg.norm(q, axis=1, keepdims=True)
    g = g / np.linalg.norm(g, axis=1, keepdims=True)
    distances = 1 - q @ g.T
    order = np.argsort(distances, axis=1)
    matches = gi[order] == qi[:, None]
    first, precisions, penalties = [], [], []
    for i in range(len(q)):
        row = order[i]
        keep = ~((gi[row] == qi[i]) & (gc[row] == qc[i])) & (gi[row] != -1)
        hits = matches[i][keep]
        if not hits.any():
            continue
        ranks = np.flatnonzero(hits) + 1
        first.append(ranks[0])
        precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
        penalties.append(len(ranks) / ranks[-1])
    first = np.array(first)
    cmc = [float((first <= k).mean()) for k in (1, 5, 10, 20)]
    return {"cmc": cmc, "map": float(np.mean(precisions)), "minp": float(np.mean(penalties)), "queries": len(first)}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    data = np.load(sys.argv[1])
    sides = [data[name] for name in ("q", "g", "qi", "qc", "gi", "gc")]
    print("ready", flush=True)
    for _ in sys.stdin:
        start, start_cpu = time.perf_counter(), cpu()
        figures = evaluate(*sides)
        wall, spent = time.perf_counter() - start, cpu() - start_cpu
        print(json.dumps({"wall_s": wall, "cpu_s": spent, "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
