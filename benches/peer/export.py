"""Exports of Rain against ONNX Runtime and torchvision.

For several shapes of network: `rain export` writes ONNX and torchvision's form, `rain embed` the embeddings of rendered
pedestrians. ONNX Runtime must give the same v, and so must the network that the printed recipe builds with strict=True.

    python benches/peer/export.py --rain target/release/rain [--model FILE --images DIR]
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors.numpy import load_file

BOUND = 1e-4


def rain(args, *words):
    done = subprocess.run([args.rain, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"rain {words[0]} failed: {done.stderr}")
    return done.stdout


def pixels(path, height, width):
    image = Image.open(path).convert("RGB")
    assert image.size == (width, height), "the comparison is of networks, not of ways to resize"
    x = np.asarray(image, np.float32) / 255.0
    x = (x - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
    return x.transpose(2, 0, 1)


def resized(source, target, height, width):
    target.mkdir()
    images = [path for path in sorted(source.rglob("*")) if path.suffix in (".png", ".jpg", ".bmp")]
    for path in images[:16]:
        Image.open(path).convert("RGB").resize((width, height)).save(target / f"{path.stem}.png")


def check(args, home, model, images, name):
    info = json.loads(rain(args, "info", "--model", model, "--json"))
    height, width = info["config"]["height"], info["config"]["width"]
    crops = home / f"{name}-crops"
    resized(images, crops, height, width)
    features = home / f"{name}.features"
    rain(args, "embed", "--model", model, "--images", crops, "--out", features, "--device", "cpu")
    ours = load_file(features)["features"]
    x = np.stack([pixels(path, height, width) for path in sorted(crops.iterdir())])

    graph = home / f"{name}.onnx"
    rain(args, "export", "--model", model, "--format", "onnx", "--out", graph)
    onnx.checker.check_model(str(graph), full_check=True)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    theirs = session.run(["v"], {"images": x})[0]

    target = home / f"{name}-torchvision.safetensors"
    exported = json.loads(rain(args, "export", "--model", model, "--format", "torchvision", "--out", target, "--json"))
    scope = {}
    recipe = exported["recipe"].replace(json.dumps(target.name), repr(str(target)))
    exec(recipe, scope)  # what `rain export` prints for its reader
    with torch.no_grad():
        torchs = scope.get("embed", scope["net"])(torch.from_numpy(x)).numpy()

    def error(other):
        return float(np.abs(ours - other).max() / max(1.0, np.abs(ours).max()))

    result = {"model": name, "plain": exported["plain"], "onnx": error(theirs), "torchvision": error(torchs)}
    print(json.dumps(result))
    assert ours.shape == theirs.shape == torchs.shape and ours.std() > 0
    assert result["onnx"] < BOUND and result["torchvision"] < BOUND, result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rain", required=True)
    parser.add_argument("--model")
    parser.add_argument("--images")
    parser.add_argument("--problems")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        if args.model:
            return check(args, home, args.model, pathlib.Path(args.images), "given")
        people = home / "people"
        rain(args, "pedestrians", "--identities", 8, "--cameras", 2, "--images", 2, "--out", people)
        shapes = {
            "resnet18": ["model.depth=18", "model.base_width=64"],
            "resnet50-narrow": ["model.depth=50", "model.base_width=8"],
            "resnet50-caffe": [
                "model.depth=50", "model.base_width=8", "model.stem_width=16", "model.stride_in_1x1=true",
                "model.pool_ceil_mode=true",
            ],
            "resnet50-caffe-last-stride-1": [
                "model.depth=50", "model.base_width=8", "model.stride_in_1x1=true", "model.last_stride=1",
            ],
            "resnet34-last-stride-1": ["model.depth=34", "model.base_width=16", "model.last_stride=1"],
            "resnet18-neck": ["model.depth=18", "model.base_width=16", "model.neck=true"],
            "resnet18-neck-mirror": ["model.depth=18", "model.base_width=16", "model.neck=true", "model.mirror=true"],
            "resnet50-mirror": ["model.depth=50", "model.base_width=8", "model.mirror=true"],
        }
        for name, settings in shapes.items():
            run = home / f"run-{name}"
            fixed = [
                "model.height=64", "model.width=32", "data.identities=2", "data.images=2", "schedule.epochs=2",
                "schedule.validate_every=0", "schedule.samples_every=0", "optim.lr=0.0005",
            ]
            sets = [word for setting in fixed + settings for word in ("--set", setting)]
            rain(args, "train", "--preset", "demo", "--data", people, "--run", run, "--device", "cpu", *sets)
            check(args, home, run / "model.safetensors", people, name)


if __name__ == "__main__":
    main()
