"""How far a model's features give away the resolution, and what that costs.

Of the people for testing, sharp and reduced: how well a linear classifier tells one from the other by the features alone (it is
fitted on half of the people and judged on the others, both ways round; 50 % is chance), how far a photo moves when it is reduced,
and rank-1 with sharp and with reduced queries. numpy alone.

    rain embed --model M --images VIPeR --out sharp.safetensors
    rain embed --model M --images VIPeR --rate 3 --out reduced.safetensors
    rain eval --model M --data VIPeR --protocol mlr-viper --draws 1 --save-plan plan.json
    python benches/peer/resolution_probe.py plan.json sharp.safetensors reduced.safetensors
"""

import json
import struct
import sys

import numpy as np


def read(path):
    """Unit features, identity and camera of a features file, in the order of identity and camera."""
    raw = open(path, "rb").read()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:start])

    def tensor(name, kind):
        a, b = header[name]["data_offsets"]
        return np.frombuffer(raw[start + a : start + b], kind).reshape(header[name]["shape"])

    x, identity, camera = tensor("features", "<f4").astype(float), tensor("identity", "<i8"), tensor("camera", "<i8")
    order = np.lexsort((identity, camera))
    return (x / np.linalg.norm(x, axis=1, keepdims=True))[order], identity[order], camera[order]


def told_apart(sharp, reduced, fit):
    """Share of the images outside `fit` whose resolution a ridge classifier fitted on `fit` tells rightly."""
    x = np.concatenate([sharp[fit], reduced[fit]])
    y = np.repeat([1.0, -1.0], fit.sum())
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    x = (x - mean) / deviation
    w = np.linalg.solve(x.T @ x + len(x) * np.eye(x.shape[1]), x.T @ y)
    right = [((part[~fit] - mean) / deviation @ w * side > 0).mean() for part, side in [(sharp, 1), (reduced, -1)]]
    return float(np.mean(right))


def rank1(query, gallery):
    return float(((query @ gallery.T).argmax(1) == np.arange(len(query))).mean())


def main(plan, sharp, reduced):
    tested = [int(q["image"].split("/")[1].split("_")[0]) for q in json.load(open(plan))["splits"][0]["queries"]]
    (h, who, camera), (l, again, _) = read(sharp), read(reduced)
    assert (who == again).all(), "the two files must be of the same images"
    keep = np.isin(who, tested)
    h, l, who, camera = h[keep], l[keep], who[keep], camera[keep]
    a, b = (camera == c for c in np.unique(camera))
    assert (who[a] == who[b]).all(), "one image a person and camera"

    people = np.random.default_rng(0).permutation(np.unique(who))
    half = np.isin(who, people[: len(people) // 2])
    between = 1 - h[b] @ h[a].T
    others = between[~np.eye(len(between), dtype=bool)].mean()
    moved = (1 - (h * l).sum(1)).mean()
    print(
        f"resolution told {100 * (told_apart(h, l, half) + told_apart(h, l, ~half)) / 2:.1f} %, "
        f"a photo moves by {100 * moved / others:.1f} % of the distance between people, "
        f"rank-1 sharp {100 * rank1(h[b], h[a]):.1f} %, reduced {100 * rank1(l[b], h[a]):.1f} %"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
