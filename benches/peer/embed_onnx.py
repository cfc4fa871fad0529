"""A folder of images to embeddings with PyTorch's and ONNX Runtime's means: the peer of Rain's own embedding.

    python -m venv venv && venv/bin/pip install torch numpy pillow safetensors onnx onnxruntime onnxscript
    venv/bin/python benches/peer/embed_onnx.py --model M.safetensors --images DIR --threads 2 --out F.npy

`--model` is a model file written by Rain; its extractor is exported to ONNX by PyTorch, with every BatchNorm folded by ONNX
Runtime's own optimiser. The images are decoded and resized (bilinear, antialiased) by Pillow, normalised by NumPy, a pool of
threads ahead of the network, as Rain does it. Prints one JSON line: seconds, images a second, and the cosine of these
embeddings with those of `--against`, a features file written by `rain embed`, row by row.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# (v / 255 - mean) / deviation as one multiplication and one addition.
SCALE, SHIFT = 1 / (255 * DEVIATION), -MEAN / DEVIATION


def read(path, height, width):
    """Upright in files without an EXIF turn only, which is all that is needed here."""
    image = Image.open(path)
    image.draft("RGB", None)
    pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), np.float32)
    return np.ascontiguousarray((pixels * SCALE + SHIFT).transpose(2, 0, 1))


def export(model, folder):
    """The extractor of a Rain model as ONNX, and its input size."""
    import logging
    import warnings

    import torch
    from rain_torch import Extractor
    from safetensors import safe_open

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with safe_open(model, "pt") as file:
        tensors = {k[len("extractor."):]: file.get_tensor(k) for k in file.keys() if k.startswith("extractor.")}
        config = json.loads(file.metadata()["rain"])["config"]
    if config["stride_in_1x1"] or config["pool_ceil_mode"]:
        raise SystemExit("a model with Caffe's switches has no peer here")
    stem = config.get("stem_width") or config["base_width"]
    extractor = Extractor(config["depth"], config["base_width"], stem, config["last_stride"])
    missing, extra = extractor.load_state_dict(tensors, strict=False)
    if extra or any(not name.endswith("num_batches_tracked") for name in missing):
        raise SystemExit(f"the model's tensors do not fit: {missing} {extra}")

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.extractor = extractor

        def forward(self, x):
            return self.extractor(x)[1]

    path = str(Path(folder) / "extractor.onnx")
    image = torch.zeros(2, 3, config["height"], config["width"])
    with torch.no_grad():
        torch.onnx.export(Embedding().eval(), (image,), path, input_names=["x"], output_names=["v"],
                          dynamic_axes={"x": {0: "batch"}, "v": {0: "batch"}}, dynamo=False)
    return path, config["height"], config["width"]


def embed(session, paths, height, width, batch, threads):
    """Decoding runs ahead of the network by a few batches."""
    out = []
    with ThreadPoolExecutor(threads) as pool:
        def submit(i):
            return [pool.submit(read, p, height, width) for p in paths[i:i + batch]]

        waiting = [submit(i) for i in range(0, min(len(paths), 2 * batch), batch)]
        for i in range(0, len(paths), batch):
            if i + 2 * batch < len(paths):
                waiting.append(submit(i + 2 * batch))
            x = np.stack([f.result() for f in waiting.pop(0)])
            out.append(session.run(None, {"x": x})[0])
    return np.concatenate(out)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--images", required=True)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeats", type=int, default=1)
    p.add_argument("--onnx", help="where to keep the exported network; written if it is not there")
    p.add_argument("--against", help="a features file of Rain's, to compare with")
    a = p.parse_args()
    names = {".jpg", ".jpeg", ".png", ".bmp"}
    paths = sorted(q for q in Path(a.images).rglob("*") if q.suffix.lower() in names)
    with tempfile.TemporaryDirectory() as scratch:
        folder = a.onnx or scratch
        os.makedirs(folder, exist_ok=True)
        size = Path(folder) / "size.json"
        if not size.exists():
            # In a process of its own: PyTorch's threads and memory are no part of what is measured.
            pid = os.fork()
            if pid == 0:
                try:
                    _, height, width = export(a.model, folder)
                    size.write_text(json.dumps([height, width]))
                except BaseException as error:
                    print(error, file=sys.stderr)
                    os._exit(1)
                os._exit(0)
            if os.waitpid(pid, 0)[1]:
                raise SystemExit(1)
        height, width = json.loads(size.read_text())
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = a.threads
        session = ort.InferenceSession(str(Path(folder) / "extractor.onnx"), options, ["CPUExecutionProvider"])
    embed(session, paths[:2 * a.batch], height, width, a.batch, a.threads)
    wall, cpu = [], []
    for _ in range(a.repeats):
        b, c = time.perf_counter(), time.process_time()
        v = embed(session, paths, height, width, a.batch, a.threads)
        wall.append(time.perf_counter() - b), cpu.append(time.process_time() - c)
    wall, cpu = sorted(wall)[len(wall) // 2], sorted(cpu)[len(cpu) // 2]
    result = {"images": len(paths), "wall_s": wall, "cpu_s": cpu, "images_per_s": len(paths) / wall}
    if a.against:
        from safetensors import safe_open
        with safe_open(a.against, "np") as file:
            ours, named = file.get_tensor("features"), json.loads(file.metadata()["rain"])["paths"]
        theirs = {str(path.resolve()): row for path, row in zip(paths, v)}
        rows = np.stack([theirs[str(Path(name).resolve())] for name in named])
        cosine = (rows * ours).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(ours, axis=1)
        result.update(compared=len(named), cosine_least=float(cosine.min()), cosine_mean=float(cosine.mean()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
