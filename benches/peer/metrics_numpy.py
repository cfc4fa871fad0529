"""CMC, mAP and mINP computed apart from Rain, and compared with `rain rank` on random problems.

    venv/bin/python benches/peer/metrics_numpy.py --rain target/release/rain --problems 1000

The definitions are the text-book ones, in double precision: sort the gallery by distance (ties by gallery index), leave out
junk (identity -1) and, where the rule says so, the query's own person in its own camera, then walk down the list. Problems have
many ties, queries without a match, junk, images of unknown camera and people with one image. Features are small integers and
the distance is Euclidean, so that both sides see the very same ties. Needs numpy alone; prints the largest difference.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

RANKS = (1, 5, 10, 20)


def figures(query, gallery, leave_out):
    """`query` and `gallery` are (features, identity, camera)."""
    cmc, precisions, penalties, unmatched = np.zeros(len(RANKS)), [], [], 0
    for feature, identity, camera in zip(*query):
        squared = ((gallery[0].astype(np.float64) - feature.astype(np.float64)) ** 2).sum(axis=1)
        ranked = []
        for place in sorted(range(len(squared)), key=lambda j: (squared[j], j)):
            if gallery[1][place] == -1:
                continue
            own = gallery[1][place] == identity and gallery[2][place] == camera and camera != -1
            if not (leave_out and own):
                ranked.append(gallery[1][place] == identity)
        found = [rank for rank, hit in enumerate(ranked, 1) if hit]
        if identity == -1 or not found:
            unmatched += 1
            continue
        cmc += [found[0] <= k for k in RANKS]
        precisions.append(sum(n / rank for n, rank in enumerate(found, 1)) / len(found))
        penalties.append(len(found) / found[-1])
    n = len(precisions)
    if n == 0:
        return None
    return {
        "cmc": dict(zip(map(str, RANKS), cmc / n)),
        "map": sum(precisions) / n,
        "minp": sum(penalties) / n,
        "queries": n,
        "unmatched": unmatched,
    }


def problem(seed):
    """A random problem: (query, gallery, leave_out)."""
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 5))
    people, cameras = int(rng.integers(1, 12)), int(rng.integers(1, 5))
    levels = int(rng.integers(2, 9))  # few values make many ties

    def side(rows):
        features = rng.integers(0, levels, (rows, columns)).astype(np.float32)
        return features, rng.integers(-1, people, rows), rng.integers(-1, cameras, rows)

    query, gallery = side(int(rng.integers(1, 20))), side(int(rng.integers(1, 90)))
    alone = rng.random(len(gallery[1])) < 0.2  # people with a single image, whom no query shows
    gallery[1][alone] = 1000 + np.arange(alone.sum())
    return query, gallery, bool(rng.integers(0, 2))


def write(path, side):
    """A features file as `rain embed` writes it: safetensors by hand, so that numpy is all this needs."""
    features, identity, camera = side
    tensors = [
        ("features", "F32", features.astype("<f4")),
        ("identity", "I64", identity.astype("<i8")),
        ("camera", "I64", camera.astype("<i8")),
    ]
    header, data = {}, b""
    for name, dtype, array in tensors:
        raw = array.tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(len(text).to_bytes(8, "little") + text + data)


def compare(rain, folder, seed):
    """The largest difference of any figure of one problem, or what went wrong."""
    query, gallery, leave_out = problem(seed)
    expected = figures(query, gallery, leave_out)
    files = [f"{folder}/{seed}-{side}.safetensors" for side in ("q", "g")]
    write(files[0], query)
    write(files[1], gallery)
    command = [rain, "rank", "--query-features", files[0], "--gallery-features", files[1], "--measure", "euclidean", "--json"]
    done = subprocess.run(command + ([] if leave_out else ["--keep-same-camera"]), capture_output=True, text=True)
    for file in files:
        pathlib.Path(file).unlink()
    if expected is None:
        refused = done.returncode == 1 and "None of the" in done.stderr
        return (0.0 if refused else np.inf), False
    if done.returncode != 0:
        return np.inf, True
    got = json.loads(done.stdout)
    same = got["queries"] == expected["queries"] and got["unmatched"] == expected["unmatched"]
    pairs = [(got["cmc"][k], expected["cmc"][k]) for k in expected["cmc"]]
    pairs += [(got[k], expected[k]) for k in ("map", "minp")]
    return (max(abs(a - b) for a, b in pairs) if same else np.inf), True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rain", required=True)
    parser.add_argument("--problems", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda seed: compare(args.rain, folder, seed), range(args.problems)))
    worst = max(difference for difference, _ in results)
    scored = sum(scored for _, scored in results)
    print(json.dumps({"problems": len(results), "with_figures": scored, "largest_difference": worst}))
    sys.exit(0 if worst <= 1e-6 else 1)


if __name__ == "__main__":
    main()
