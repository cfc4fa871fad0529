"""RAIN's model and step in PyTorch, written from the specification alone: the peer of Rain's own figures.

    python -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python benches/peer/rain_torch.py golden tests/golden/resnet50_sgd.safetensors
    venv/bin/python benches/peer/rain_torch.py step --depth 50 --batch 8 --size 256x128 --threads 2

`golden` prints the errors of PyTorch's own single-precision run; `step` and `forward` print seconds a repeat as JSON, with
the most memory that the process has held (its libraries and Python included); `nothing` prints that of an idle process.
"""
import argparse
import json
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride, expansion, deep):
        super().__init__()
        out = width * expansion
        if deep:
            sizes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, out, 1, 1)]
        else:
            sizes = [(inputs, width, 3, stride), (width, out, 3, 1)]
        for i, (a, b, k, s) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, k, s, k // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        self.n = len(sizes)
        self.downsample = None
        if stride != 1 or inputs != out:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = x
        for i in range(1, self.n + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.n:
                y = F.relu(y)
        return F.relu(y + shortcut)


class Extractor(nn.Module):
    def __init__(self, depth, w, stem, last_stride):
        super().__init__()
        deep, blocks = depth >= 50, {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[depth]
        expansion = 4 if deep else 1
        self.conv1, self.bn1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem)
        inputs = stem
        for i, n in enumerate(blocks):
            stride, row = (1, 2, 2, last_stride)[i], []
            for b in range(n):
                row.append(Bottleneck(inputs, w << i, stride if b == 0 else 1, expansion, deep))
                inputs = (w << i) * expansion
            setattr(self, f"layer{i + 1}", nn.Sequential(*row))
        self.out = inputs

    def forward(self, x):
        maps = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            maps.append(x)
        return maps, x.mean((2, 3))


class ConvBn(nn.Module):
    def __init__(self, a, b, k):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(a, b, k, 1, k // 2, bias=False), nn.BatchNorm2d(b)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class DecoderBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x


class Decoder(nn.Module):
    def __init__(self, inputs, w, last_stride):
        super().__init__()
        c = 8 * w
        self.stem = ConvBn(inputs, c, 1)
        self.blocks = nn.ModuleList([DecoderBlock(c), DecoderBlock(c)])
        ups, a = [], c
        for i in range(5 if last_stride == 2 else 4):
            b = max(c >> (i + 1), 4)
            ups.append(ConvBn(a, b, 3))
            a = b
        self.ups, self.out = nn.ModuleList(ups), nn.Conv2d(a, 3, 3, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = b(x)
        for u in self.ups:
            x = u(F.interpolate(x, scale_factor=2))
        return self.out(x)


class Discriminator(nn.Module):
    def __init__(self, c, w):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(c, 4 * w, 3, 1, 1), nn.Conv2d(4 * w, 4 * w, 3, 2, 1), nn.Conv2d(4 * w, 1, 1)

    def forward(self, x):
        return self.conv3(F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.2)), 0.2))


class Rain(nn.Module):
    def __init__(self, depth=50, base_width=64, stem_width=None, last_stride=2, levels=(4, 5), classes=100):
        super().__init__()
        w = base_width
        self.extractor = Extractor(depth, w, stem_width or w, last_stride)
        c = self.extractor.out
        self.decoder = Decoder(c, w, last_stride)
        sizes = {1: stem_width or w, 2: c // 8, 3: c // 4, 4: c // 2, 5: c}
        self.discriminators = nn.ModuleDict({str(j): Discriminator(sizes[j], w) for j in levels})
        self.classifier = nn.Linear(c, classes)
        self.levels = levels

    def step(self, opt, opt_d, x_h, x_l, y, pos, neg, margin, weights):
        b, labelled = len(y), y >= 0
        maps, v = self.extractor(torch.cat([x_h, x_l]))
        out, bce = {}, F.binary_cross_entropy_with_logits
        disc = 0.0
        for j in self.levels:
            z = self.discriminators[str(j)](maps[j - 1].detach())
            disc = disc + bce(z[:b], torch.ones_like(z[:b])) + bce(z[b:], torch.zeros_like(z[b:]))
        opt_d.zero_grad(), disc.backward(), opt_d.step()
        for p in self.discriminators.parameters():
            p.requires_grad_(False)
        adv = sum(bce(z, torch.ones_like(z)) for z in (self.discriminators[str(j)](maps[j - 1][b:]) for j in self.levels))
        image = self.decoder(maps[4])
        rec = (image[:b] - x_h).abs().mean() + (image[b:] - x_h).abs().mean()
        cls = tri = torch.zeros((), dtype=v.dtype)
        if labelled.any():
            logits = self.classifier(v)
            cls = F.cross_entropy(logits[:b], y, ignore_index=-1) + F.cross_entropy(logits[b:], y, ignore_index=-1)

            def distance(a, c):
                return ((a - c).pow(2).sum(1) + 1e-12).sqrt()

            for u in (v[:b], v[b:]):
                a = u[labelled]
                tri = tri + F.relu(margin + distance(a, u[pos[labelled]]) - distance(a, u[neg[labelled]])).mean()
        total = weights["adv"] * adv + weights["rec"] * rec + weights["cls"] * cls + weights["tri"] * tri
        opt.zero_grad(), total.backward()
        for p in self.discriminators.parameters():
            p.requires_grad_(True)
        grads = {n: p.grad.clone() for n, p in self.named_parameters() if p.grad is not None and not n.startswith("disc")}
        opt.step()
        out.update(disc=disc, adv=adv, rec=rec, cls=cls, tri=tri, total=total)
        return {k: float(torch.as_tensor(x).detach()) for k, x in out.items()}, v.detach(), image.detach(), grads


def optimiser(kind, params, lr, momentum=0.9, weight_decay=5e-4):
    if kind == "sgd":
        return torch.optim.SGD(params, lr, momentum=momentum, weight_decay=weight_decay)
    return torch.optim.Adam(params, lr, weight_decay=weight_decay)


def golden(path, dtype):
    from safetensors import safe_open
    with safe_open(path, "pt") as f:
        h, t = json.loads(f.metadata()["rain"]), {k: f.get_tensor(k) for k in f.keys()}
    m = Rain(h["depth"], h["base_width"], h["stem_width"], h["last_stride"], h["levels"], h["classes"]).to(dtype)
    m.load_state_dict({k[5:]: v for k, v in t.items() if k.startswith("init.")}, strict=False)
    main = [p for n, p in m.named_parameters() if not n.startswith("disc")]
    opt, opt_d = (optimiser(h["optimiser"], p, lr, h["momentum"], h["weight_decay"]) for p, lr in
                  ((main, h["lr"]), (list(m.discriminators.parameters()), h["lr_discriminator"])))
    error = {"losses": 0.0}

    def relative(prefix, ours):
        pairs = [(ours[k[len(prefix):]].double(), v.double()) for k, v in t.items() if k.startswith(prefix)]
        return (sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b ** 2).sum() for _, b in pairs)).sqrt().item()

    x_h, x_l, y, pos, neg = t["x_h"].to(dtype), t["x_l"].to(dtype), t["y"], t["pos"], t["neg"]
    for s in range(h["steps"]):
        losses, v, image, grads = m.step(opt, opt_d, x_h, x_l, y, pos, neg, h["margin"], h["weights"])
        for k, e in h["losses"][s].items():
            error["losses"] = max(error["losses"], abs(losses[k] - e) / max(abs(e), 1e-6))
        if s == 0:
            error["train"] = relative("train.", {"v": v, "reconstruction": image})
            error["grad"] = relative("grad.", grads)
    error["final"] = relative("final.", m.state_dict())
    print(json.dumps({"error": error, "bound": {k: 10 * e for k, e in h["f32_error"].items()}}))


def peak_mib():
    """The process's own peak on Linux. `getrusage` would count that of the program that started it."""
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(args):
    torch.set_num_threads(args.threads)
    if args.what == "nothing":
        print(json.dumps({"peak_mib": peak_mib()}))
        return
    torch.manual_seed(args.seed)
    height, width = map(int, args.size.split("x"))
    m = Rain(args.depth, args.base_width, classes=100)
    x_h, x_l = torch.randn(2, args.batch, 3, height, width)
    y = torch.arange(args.batch) // 2
    pos, neg = torch.arange(args.batch) ^ 1, (torch.arange(args.batch) + 2) % args.batch
    main = [p for n, p in m.named_parameters() if not n.startswith("disc")]
    opt, opt_d = optimiser("sgd", main, 1e-3), optimiser("sgd", list(m.discriminators.parameters()), 1e-4)

    def once():
        if args.what == "step":
            m.step(opt, opt_d, x_h, x_l, y, pos, neg, 2.0, dict(adv=1, rec=1, cls=1, tri=1))
        elif args.what == "train":
            opt.zero_grad()
            m.extractor(x_h)[1].square().mean().backward()
            opt.step()
        else:
            with torch.no_grad():
                m.eval().extractor(x_h)

    once()
    wall, cpu = [], []
    for _ in range(args.repeats):
        a, b = time.perf_counter(), time.process_time()
        once()
        wall.append(time.perf_counter() - a), cpu.append(time.process_time() - b)
    print(json.dumps({"wall_s": sorted(wall)[len(wall) // 2], "cpu_s": sorted(cpu)[len(cpu) // 2], "peak_mib": peak_mib()}))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["golden", "step", "train", "forward", "nothing"])
    p.add_argument("file", nargs="?")
    p.add_argument("--double", action="store_true", help="golden: run in double precision")
    p.add_argument("--depth", type=int, default=50)
    p.add_argument("--base-width", type=int, default=64)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--size", default="256x128")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--repeats", type=int, default=5)
    a = p.parse_args()
    golden(a.file, torch.float64 if a.double else torch.float32) if a.what == "golden" else bench(a)
