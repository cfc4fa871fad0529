"""RAIN trained and judged on VIPeR in PyTorch, written from the specification alone: does another program, given the same
people and the same recipe, end at the same percentages?

    python -m venv venv && venv/bin/pip install torch numpy pillow safetensors
    venv/bin/python benches/peer/train_torch.py --data VIPeR --init resnet50_half_width.safetensors --adv 0 --rec 0
    venv/bin/python benches/peer/train_torch.py --data VIPeR --init resnet50_half_width.safetensors --test RUN/test.txt

`--test` names a file with the numbers of the test people (one a line); without it, half of them are drawn by `--seed`.
Prints rank-1/5/10/20 in percent of all test people at each rate, without and with the mirror image, as JSON, at the epochs of `--judge` and at the end.
"""
import argparse
import json
import pathlib
import re
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance
from safetensors.torch import load_file
from torch import nn

from rain_torch import Rain

MEAN, DEVIATION = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
H, W = 128, 64


def caffe(extractor, last_stride):
    """Stride in the 1x1 convolution, a max-pool without padding that rounds up: how the weights' model was built."""
    for stage in (extractor.layer2, extractor.layer3, extractor.layer4)[:1 + last_stride]:
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)

    def forward(x):
        maps = [F.relu(extractor.bn1(extractor.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 0, ceil_mode=True)
        for i in range(1, 5):
            x = getattr(extractor, f"layer{i}")(x)
            maps.append(x)
        return maps, x.mean((2, 3))

    extractor.forward = forward


def pedestrians(root):
    """{person: [image of camera A, image of camera B]}"""
    people = {}
    for camera, folder in enumerate(("cam_a", "cam_b")):
        for path in sorted(pathlib.Path(root, folder).glob("*.bmp")):
            image = Image.open(path).convert("RGB").resize((W, H), Image.BILINEAR)
            people.setdefault(int(re.match(r"\d+", path.name)[0]), [None, None])[camera] = image
    return people


def degrade(image, rate):
    small = (max(int(W / rate + 0.5), 1), max(int(H / rate + 0.5), 1))
    return image.resize(small, Image.BILINEAR).resize((W, H), Image.BILINEAR)


def tensor(images):
    array = np.stack([np.asarray(i) for i in images]).transpose(0, 3, 1, 2)
    return (torch.from_numpy(array.astype(np.float32)) / 255 - MEAN) / DEVIATION


def augmented(image, rng, pad, jitter):
    if rng.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color) if jitter else ():
        image = enhance(image).enhance(rng.uniform(1 - jitter, 1 + jitter))
    around = Image.new("RGB", (W + 2 * pad, H + 2 * pad))
    around.paste(image, (pad, pad))
    x, y = rng.integers(0, 2 * pad + 1, 2)
    return around.crop((x, y, x + W, y + H))


def batch_hard(v, y, margin):
    d = ((v[:, None] - v[None]).pow(2).sum(2) + 1e-12).sqrt()
    same = y[:, None] == y[None]
    far = d.masked_fill(~same, -1).max(1)[0]
    near = d.masked_fill(same, float("inf")).min(1)[0]
    return F.relu(margin + far - near).mean()


def judge(model, people, test, rates, mirror):
    model.eval()
    with torch.no_grad():
        v = lambda x: model.extractor(x)[1] + (model.extractor(x.flip(3))[1] if mirror else 0)
        embed = lambda images: F.normalize(torch.cat([v(tensor(images[i:i + 64])) for i in range(0, len(images), 64)]))
        gallery = embed([people[p][0] for p in test])
        out = {}
        for rate in rates:
            close = embed([degrade(people[p][1], rate) for p in test]) @ gallery.T
            rank = (close > close.diag()[:, None]).sum(1)
            out[rate] = [round(100 * (rank < k).float().mean().item(), 1) for k in (1, 5, 10, 20)]
    model.train()
    return out


def main(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    people = pedestrians(args.data)
    if args.test:
        test = sorted(int(line) for line in open(args.test))
    else:
        test = sorted(rng.permutation(sorted(people))[:len(people) // 2].tolist())
    train = sorted(set(people) - set(test))

    use_d, use_g = args.adv > 0, args.rec > 0
    model = Rain(50, 32, 64, args.last_stride, args.levels if use_d else [], len(train))
    caffe(model.extractor, args.last_stride)
    missing, _ = model.extractor.load_state_dict(load_file(args.init), strict=False)
    assert not [n for n in missing if "num_batches" not in n], missing
    nn.init.normal_(model.classifier.weight, std=0.01), nn.init.zeros_(model.classifier.bias)
    main = [p for n, p in model.named_parameters() if n.startswith(("extractor", "classifier") + (("decoder",) if use_g else ()))]
    opt = torch.optim.Adam(main, args.lr, weight_decay=args.weight_decay)
    opt_d = torch.optim.Adam(model.discriminators.parameters(), 1e-4, (0.5, 0.999)) if use_d else None
    per_epoch = -(-len(train) // args.people)
    total, warm, bce = args.epochs * per_epoch, 3 * per_epoch, F.binary_cross_entropy_with_logits
    rates, began = (2, 3, 4, 8), time.time()
    for step in range(total):
        if step % per_epoch == 0:
            order = rng.permutation(train)
        for group in opt.param_groups:
            group["lr"] = args.lr * (min((step + 1) / warm, 1) if step < warm else 0.1 if step >= round(args.milestone * total) else 1)
        chosen = np.take(order, range(step % per_epoch * args.people, (step % per_epoch + 1) * args.people), mode="wrap")
        y = torch.tensor([train.index(p) for p in chosen]).repeat_interleave(2)
        sharp = [augmented(people[p][c], rng, 4, args.jitter) for p in chosen for c in (0, 1)]
        x_h, x_l = tensor(sharp), tensor([degrade(i, rng.choice([2, 3, 4])) for i in sharp])
        b = len(y)
        maps, v = model.extractor(torch.cat([x_h, x_l]))
        loss = 0.0
        if use_d:
            disc = 0.0
            for j in model.levels:
                z = model.discriminators[str(j)](maps[j - 1].detach())
                disc = disc + bce(z[:b], torch.ones_like(z[:b])) + bce(z[b:], torch.zeros_like(z[b:]))
            opt_d.zero_grad(), disc.backward(), opt_d.step()
            for p in model.discriminators.parameters():
                p.requires_grad_(False)
            for j in model.levels:
                z = model.discriminators[str(j)](maps[j - 1][b:])
                loss = loss + args.adv * bce(z, torch.ones_like(z))
        if use_g:
            image = model.decoder(maps[4])
            loss = loss + args.rec * ((image[:b] - x_h).abs().mean() + (image[b:] - x_h).abs().mean())
        logits = model.classifier(v)
        for part in (slice(0, b), slice(b, None)):
            loss = loss + F.cross_entropy(logits[part], y, label_smoothing=0.1) + batch_hard(v[part], y, 0.3)
        opt.zero_grad(), loss.backward(), opt.step()
        for p in model.discriminators.parameters():
            p.requires_grad_(True)
        epoch = (step + 1) / per_epoch
        if epoch in args.judge or step + 1 == total:
            plain, mirrored = (judge(model, people, test, rates, mirror) for mirror in (False, True))
            told = {"epoch": epoch, "minutes": round((time.time() - began) / 60, 1), "rates": plain, "with the mirror image": mirrored}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--init", required=True)
    p.add_argument("--test", help="file with the numbers of the test people")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--adv", type=float, default=1.0)
    p.add_argument("--rec", type=float, default=1.0)
    p.add_argument("--levels", type=int, nargs="+", default=[4, 5])
    p.add_argument("--weight-decay", type=float, default=0.0)
    p.add_argument("--lr", type=float, default=3.5e-4)
    p.add_argument("--last-stride", type=int, default=2)
    p.add_argument("--jitter", type=float, default=0.0, help="brightness, contrast and colour vary by this share")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--people", type=int, default=16, help="people of a batch, with both of their images")
    p.add_argument("--milestone", type=float, default=2 / 3)
    p.add_argument("--judge", type=int, nargs="*", default=[], help="epochs at which to judge")
    p.add_argument("--threads", type=int, default=2)
    main(p.parse_args())
