"""k-reciprocal re-ranking on dense matrices, written from the paper (Zhong et al., CVPR 2017) in double precision, and
compared with `rain rank --rerank` on random problems.

    venv/bin/python benches/peer/rerank_numpy.py --rain target/release/rain --problems 20

Needs numpy alone; prints the largest difference of CMC, mAP and mINP.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from metrics_numpy import RANKS, write


def rerank(query, gallery, k1=20, k2=6, weight=0.3):
    """Final distances [queries, gallery] of features that are compared by the cosine."""
    features = np.concatenate([query, gallery]).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    n, q = len(features), len(query)
    distance = np.maximum(2 - 2 * features @ features.T, 0)
    distance /= distance.max(axis=1, keepdims=True)
    order = np.argsort(distance, axis=1, kind="stable")

    def near(k):
        """[n, n]: whether j is one of the k + 1 nearest of i, itself among them."""
        mask = np.zeros((n, n), bool)
        np.put_along_axis(mask, order[:, : k + 1], True, axis=1)
        return mask

    # R(i, k): those near i that i is near to; R*: with the half-size sets of its members that overlap it by two thirds.
    whole, half = near(k1), near(int(np.around(k1 / 2)))
    whole, half = whole & whole.T, half & half.T
    vectors = np.zeros((n, n))
    for i in range(n):
        members = whole[i].copy()
        for j in np.flatnonzero(whole[i]):
            if (half[j] & whole[i]).sum() > 2 / 3 * half[j].sum():
                members |= half[j]
        vectors[i, members] = np.exp(-distance[i, members])
        vectors[i] /= vectors[i].sum()
    expanded = np.stack([vectors[order[i, :k2]].mean(axis=0) for i in range(n)])
    jaccard = np.empty((q, n - q))
    for i in range(q):
        least = np.minimum(expanded[i], expanded[q:]).sum(axis=1)
        most = np.maximum(expanded[i], expanded[q:]).sum(axis=1)
        jaccard[i] = 1 - least / most
    return (1 - weight) * jaccard + weight * distance[:q, q:]


def figures(distances, qi, qc, gi, gc):
    first, precisions, penalties = [], [], []
    for row, identity, camera in zip(distances, qi, qc):
        order = np.argsort(row, kind="stable")
        keep = ~((gi[order] == identity) & (gc[order] == camera)) & (gi[order] != -1)
        ranks = np.flatnonzero((gi[order] == identity)[keep]) + 1
        if len(ranks):
            first.append(ranks[0])
            precisions.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
            penalties.append(len(ranks) / ranks[-1])
    first = np.array(first)
    return [float((first <= k).mean()) for k in RANKS] + [float(np.mean(precisions)), float(np.mean(penalties))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rain", required=True)
    parser.add_argument("--problems", type=int, default=20)
    args = parser.parse_args()
    worst, moved = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.problems):
            rng = np.random.default_rng(seed)
            people, cameras = 30, 4
            centres = rng.normal(size=(people, 32))

            def side(rows):
                who = rng.integers(0, people, rows)
                return (centres[who] + rng.normal(scale=1.6, size=(rows, 32))).astype(np.float32), who, rng.integers(0, cameras, rows)

            query, gallery = side(60), side(300)
            gallery[1][rng.random(300) < 0.1] = -1
            files = [str(pathlib.Path(folder) / name) for name in ("q.safetensors", "g.safetensors")]
            write(files[0], query)
            write(files[1], gallery)
            command = [args.rain, "rank", "--query-features", files[0], "--gallery-features", files[1], "--json"]
            results = [json.loads(subprocess.check_output(command + extra)) for extra in ([], ["--rerank"])]
            plain, got = [[r["cmc"][str(k)] for k in RANKS] + [r["map"], r["minp"]] for r in results]
            labels = query[1], query[2], gallery[1], gallery[2]
            expected = figures(rerank(query[0], gallery[0]), *labels)
            worst = max(worst, max(abs(a - b) for a, b in zip(got, expected)))
            moved = max(moved, max(abs(a - b) for a, b in zip(got, plain)))
    print(json.dumps({"problems": args.problems, "largest_difference": worst, "largest_change_by_reranking": moved}))
    sys.exit(0 if worst <= 1e-6 else 1)


if __name__ == "__main__":
    main()
