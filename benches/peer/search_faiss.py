"""Search by FAISS and hnswlib: the peers of `cargo bench --bench search`.

    venv/bin/python benches/peer/search_faiss.py FOLDER ROWS COLUMNS QUERIES THREADS

FOLDER holds `g` [ROWS, COLUMNS] and `q` [QUERIES, COLUMNS] as raw little-endian f32, and `m`, a byte a row: whether a filter
keeps it. Prints "ready", then answers each line of JSON on standard input with one. Needs numpy, faiss-cpu and hnswlib.

    {"op": "flat", "queries": 64, "each": false, "filter": true, "repeats": 5}     FAISS IndexFlatIP on normalised rows
    {"op": "recall", "found": [[3, 1], ...], "filter": true}                       the share that truly is among the ten nearest
    {"op": "build", "m": 16, "ef": 200}                                            hnswlib, inner product
    {"op": "hnsw", "ef": 64, "repeats": 5}                                         all queries by hnswlib
"""
import json
import resource
import sys
import time

import numpy as np

folder, rows, columns, queries, threads = sys.argv[1], *map(int, sys.argv[2:6])


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def load(name, n):
    x = np.fromfile(f"{folder}/{name}", "<f4").reshape(n, columns)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    return x


gallery, query = load("g", rows), load("q", queries)
mask = np.fromfile(f"{folder}/m", np.uint8).astype(bool)
state = {}


def flat(ask):
    import faiss

    faiss.omp_set_num_threads(threads)
    if "flat" not in state:
        state["flat"] = faiss.IndexFlatIP(columns)
        state["flat"].add(gallery)
    params = None
    if ask.get("filter"):
        bits = np.packbits(mask, bitorder="little")
        state["bits"] = bits
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        state["selector"] = selector
        params = faiss.SearchParameters(sel=selector)
    some = query[: ask["queries"]]
    parts = [some[i : i + 1] for i in range(len(some))] if ask.get("each") else [some]
    return lambda: np.concatenate([state["flat"].search(part, 10, params=params)[1] for part in parts])


def similarities():
    """Of all queries to all rows, in double precision: what is summed in 32 bits orders neighbours by its rounding."""
    def unit(x):
        x = x.astype(np.float64)
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)

    if "similarities" not in state:
        raw = [np.memmap(f"{folder}/{name}", "<f4", "r", shape=(n, columns)) for name, n in (("q", queries), ("g", rows))]
        parts = [unit(raw[0]) @ unit(raw[1][i : i + 4096]).T for i in range(0, rows, 4096)]
        state["similarities"] = np.concatenate(parts, axis=1)
    return state["similarities"]


def recall(ask):
    found = ask["found"]
    all = similarities()[: len(found)]
    if ask["filter"]:
        all = np.where(mask, all, -np.inf)
    # Rows as near as the tenth are as good as it; 1e-12 is what double precision may round.
    tenth = np.partition(all, -10, axis=1)[:, -10] - 1e-12
    right = sum(int((all[i, ids] >= tenth[i]).sum()) for i, ids in enumerate(found))
    return {"recall": right / (10 * len(found))}


def build(ask):
    import hnswlib

    index = hnswlib.Index(space="ip", dim=columns)
    index.init_index(max_elements=rows, M=ask["m"], ef_construction=ask["ef"], random_seed=1)
    index.set_num_threads(threads)
    index.add_items(gallery, np.arange(rows))
    state["hnsw"] = index
    return np.zeros((0, 0), int)


def hnsw(ask):
    state["hnsw"].set_ef(ask["ef"])
    return lambda: state["hnsw"].knn_query(query, k=10, num_threads=threads)[0]


print("ready", flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    if ask["op"] == "recall":
        print(json.dumps(recall(ask)), flush=True)
        continue
    if ask["op"] == "build":
        work = lambda: build(ask)
    else:
        work = {"flat": flat, "hnsw": hnsw}[ask["op"]](ask)
        work()  # warm up
    walls, cpus = [], []
    for _ in range(ask.get("repeats", 1)):
        start, start_cpu = time.perf_counter(), cpu()
        ids = work()
        walls.append(time.perf_counter() - start)
        cpus.append(cpu() - start_cpu)
    print(json.dumps({"wall_s": float(np.median(walls)), "cpu_s": float(np.median(cpus)), "ids": ids.tolist()}), flush=True)
