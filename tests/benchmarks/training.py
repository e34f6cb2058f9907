"""What does training cost end to end, against a plain fine-tuning script?

Plain, in the style of public scripts: a DataLoader whose workers (one a core, 16 at most) read each clip anew
in each epoch, roll it, compute three librosa mel spectrograms, resize them with PIL and stack them; then a
contiguous float32 step with AdamW, on a GPU with TF32 allowed. Ours: `tlprobe.train.loop.Trainer` on images
that were computed once (that time is shown apart). Both train on the same clips of 5 s at 44.1 kHz, which
are made here; the first batches, which pay for workers, kernels and graphs, are left out on both sides.
Target on a GPU: 4 times as many clips a second as plain.

    python tests/benchmarks/training.py --device cuda --networks densenet201 resnet50 efficientnet_lite0
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

N_CLASSES, SR, CLIP_S, WIDTH = 50, 44_100, 5, 250
WARM_UP = 4  # batches


def make_clips(root, n):
    """Write a folder data set of noisy tones."""
    import soundfile

    rng = np.random.default_rng(0)
    t = np.arange(SR * CLIP_S) / SR
    for i in range(n):
        folder = root / f"class{i % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * rng.uniform(100, 10_000) * t) * rng.uniform(0.05, 0.5)
        soundfile.write(folder / f"{i:04d}.wav", (tone + rng.normal(0, 0.02, len(t))).astype(np.float32), SR)


class Clips:
    """Clips as a plain script reads them."""

    def __init__(self, paths, labels):
        self.paths, self.labels = paths, labels

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        import librosa
        import torch
        from PIL import Image

        waveform, _ = librosa.load(self.paths[index], sr=SR)
        waveform = np.roll(waveform, int(torch.randint(len(waveform), ())))
        channels = []
        for window_ms, hop_ms in ((25, 10), (50, 25), (100, 50)):
            power = librosa.feature.melspectrogram(
                y=waveform,
                sr=SR,
                n_fft=4410,
                win_length=round(SR * window_ms / 1000),
                hop_length=round(SR * hop_ms / 1000),
                n_mels=128,
            )
            image = Image.fromarray(np.log(power + 1e-6).astype(np.float32))
            channels.append(np.asarray(image.resize((WIDTH, 128), Image.Resampling.BILINEAR)))
        return torch.from_numpy((np.stack(channels) + 8) / 3), self.labels[index]


def plain(network, dataset, *, batch, device, n_steps):
    """Return clips a second of the plain loop."""
    import timm
    import torch
    import torchvision
    from torch.nn import functional

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(0)
    if network == "efficientnet_lite0":
        model = timm.create_model("tf_efficientnet_lite0", num_classes=N_CLASSES)
    else:
        model = torchvision.models.get_model(network, weights=None, num_classes=N_CLASSES)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    clips = Clips([str(path) for path in dataset.paths], dataset.labels)
    workers = min(16, os.cpu_count() or 1)
    loader = torch.utils.data.DataLoader(
        clips,
        batch_size=batch,
        sampler=torch.utils.data.RandomSampler(clips, replacement=True, num_samples=(n_steps + WARM_UP) * batch),
        num_workers=workers,
        pin_memory=device == "cuda",
        multiprocessing_context="spawn",
    )
    start, done = 0.0, 0
    for number, (images, labels) in enumerate(loader):
        if number == WARM_UP:
            start, done = time.perf_counter(), 0
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        loss.item()
        done += len(labels)
    return done / (time.perf_counter() - start)


def ours(network, material, *, batch, device, n_epochs):
    """Return clips a second of our loop, over whole epochs without their scoring."""
    import torch

    from tlprobe.backbones.registry import build
    from tlprobe.data.loader import channel_statistics
    from tlprobe.train.device import precision_of
    from tlprobe.train.loop import Trainer
    from tlprobe.train.recipe import load_recipe
    from tlprobe.train.setting import Setting, Split

    where = torch.device(device)
    images, n = material.images.array, len(material.dataset.clips)
    split = Split(
        views=[images],
        labels=material.dataset.labels,
        train_index=np.arange(n),
        held_out_index=np.arange(2),
        standardise=channel_statistics(images, np.arange(n)),
        names=[clip.path for clip in material.dataset.clips],
    )
    trainer = Trainer(
        build(network, n_classes=N_CLASSES, seed=0),
        split=split,
        recipe=load_recipe("quick", changes={"batch_size": batch, "schedule": "constant"}),
        seed=0,
        setting=Setting(device=where, precision=precision_of("auto", device=where)),
    )
    best = 0.0
    for _ in range(n_epochs + 1):  # the first is the warm-up
        start = time.perf_counter()
        trainer.train_epoch(trainer.begin_epoch())
        trainer.check_losses()
        best = max(best, n / (time.perf_counter() - start))
        trainer.step = 0
    return best


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["efficientnet_lite0"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--clips", type=int, default=0, help="default: 640 on a GPU, 192 on a CPU")
    arguments = parser.parse_args()
    from tlprobe.train.material import FitOptions, load_material

    device, batch = arguments.device, arguments.batch
    n = arguments.clips or {"cuda": 640, "cpu": 192}[device]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLPROBE_CACHE"] = str(Path(folder) / "cache")
        make_clips(Path(folder) / "clips", n)
        start = time.perf_counter()
        material = load_material(FitOptions(data=Path(folder) / "clips"), progress=False)
        print(f"images of {n} clips, once: {time.perf_counter() - start:.1f} s on {os.cpu_count()} cores")
        print(f"{'network':>20} {'batch':>5} {'plain clips/s':>14} {'ours clips/s':>13} {'ratio':>6}")
        for network in arguments.networks:
            found = ours(network, material, batch=batch, device=device, n_epochs={"cuda": 5, "cpu": 1}[device])
            before = plain(
                network, material.dataset, batch=batch, device=device, n_steps={"cuda": 16, "cpu": 4}[device]
            )
            print(f"{network:>20} {batch:>5} {before:>14.1f} {found:>13.1f} {found / before:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
