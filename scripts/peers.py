"""Cost and likeness of pictures, ours beside others'. Started by scripts/peers, which says how.

Two seeds of one renderer differ by twice its variance, so half their squared difference is its
error at that number of samples, and no reference is needed. It is taken relative to the squared
reference plus 0.01, and the worst thousandth of the pixels is left out: one firefly would
otherwise decide the row. Cost is that error times CPU seconds: the CPU time to an error e is
cost / e, so half the cost is the same picture in half the time.

Cycles is charged for its render call, Mitsuba for its passes without loading the scene, LuxCore from
its session's start on, and we for everything from reading the file to the last sample: where that is
unequal, it is against us.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SEEDS = (1, 2)
TRIMMED = 0.001
FLOOR = 0.01
# What a renderer's script writes, where it is no EXR.
ENDING = {"luxcore": ".npy"}


def main():
    options = parse()
    peers, node = options.peers.resolve(), options.node.resolve()
    sys.path.insert(0, str(peers / "scripts"))

    renderers = {
        "tessera": lambda *picture: tessera(node, *picture),
        "cycles": lambda *picture: other(peers, "venv-blender", "cycles_render.py", [], *picture),
        "mitsuba-llvm": lambda *picture: other(
            peers, "venv-mitsuba", "mitsuba_render.py", ["--variant", "llvm_ad_rgb"], *picture
        ),
        "luxcore": lambda *picture: other(peers, "venv-lux", "lux_render.py", [], *picture),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.scenes:
            scene = Scene(peers, name)
            compare_costs(scene, renderers, options.spp, pathlib.Path(scratch))
            compare_pictures(scene, node, options.flip_spp, pathlib.Path(scratch))


def parse():
    parser = argparse.ArgumentParser(prog="scripts/peers")
    parser.add_argument("peers", type=pathlib.Path)
    parser.add_argument("node", type=pathlib.Path)
    parser.add_argument("scenes", nargs="*", default=["cornell", "flight_helmet"])
    parser.add_argument("--spp", type=int, default=64)
    parser.add_argument("--flip-spp", type=int, default=1024)
    return parser.parse_args()


class Scene:
    """A scene of the peers' folder, and what its description means for a renderer."""

    def __init__(self, peers, name):
        self.name = name
        self.file = peers / "scenes" / f"{name}.glb"
        self.meaning = json.loads(self.file.with_suffix(".json").read_text())
        self.width, self.height = self.meaning["resolution"]
        self.reference = peers / "refs" / f"{name}.cycles.exr"


def compare_costs(scene, renderers, spp, scratch):
    """Prints a row a renderer. Seeds are the outer loop: a machine that slows down slows all."""
    runs = {name: [] for name in renderers}
    for seed in SEEDS:
        for name, render in renderers.items():
            picture = scratch / f"{scene.name}.{name}.{seed}{ENDING.get(name, '.exr')}"
            runs[name].append((render(scene, spp, seed, picture), picture))

    rows = {}
    for name, pair in runs.items():
        (first, a), (second, b) = pair
        seconds = (first["cpu_s"] + second["cpu_s"]) / 2
        error = own_error(read(a), read(b), read(scene.reference))
        rows[name] = dict(
            scene=scene.name,
            renderer=name,
            spp=spp,
            cpu_s=round(seconds, 3),
            setup_cpu_s=[run["setup_cpu_s"] for run, _ in pair],
            wall_s=[run["wall_s"] for run, _ in pair],
            peak_mb=max(first["peak_mb"], second["peak_mb"]),
            million_samples_per_cpu_s=round(scene.width * scene.height * spp / seconds / 1e6, 3),
            error=float(f"{error:.4g}"),
            cost=float(f"{error * seconds:.4g}"),
        )
    best = min(row["cost"] for name, row in rows.items() if name != "tessera")
    for row in rows.values():
        row["cost_over_best_other"] = round(row["cost"] / best, 3)
        print("peers:", json.dumps(row), flush=True)


def compare_pictures(scene, node, spp, scratch):
    """Prints how far our converged picture is from the reference."""
    from compare import metrics

    picture = scratch / f"{scene.name}.converged.exr"
    tessera(node, scene, spp, SEEDS[0], picture)
    measured = metrics(read(picture), read(scene.reference))
    row = dict(scene=scene.name, spp=spp, against=scene.reference.name)
    row.update((name, round(measured[name], 4)) for name in ("FLIP", "SSIM", "mean_ratio"))
    print("peers:", json.dumps(row), flush=True)


def own_error(a, b, reference):
    squared = ((a.astype(np.float64) - b) ** 2).mean(axis=-1) / 2
    relative = squared / ((reference.astype(np.float64) ** 2).mean(axis=-1) + FLOOR)
    ordered = np.sort(relative, axis=None)
    return ordered[: ordered.size - max(1, int(ordered.size * TRIMMED))].mean()


def read(picture):
    from compare import read as read_linear

    return read_linear(str(picture))


def tessera(node, scene, spp, seed, picture):
    meaning = scene.meaning
    command = [node, "render", scene.file, "--size", f"{scene.width}x{scene.height}"]
    command += ["--spp", spp, "--seed", seed, "--threads", os.cpu_count(), "--json", "-o", picture]
    # A path's segments count the camera's own, bounces do not.
    command += ["--max-bounces", meaning["max_path_segments"] - 1]
    if meaning["environment"]:
        command += ["--environment", scene.file.with_name(meaning["environment"])]
        command += ["--environment-strength", meaning["environment_strength"]]
        command += ["--environment-rotation", meaning["environment_rotation_deg"]]
    command += ["--background", "environment" if meaning["background"] == "env" else "black"]
    if meaning["time_s"] is not None:
        command += ["--time", meaning["time_s"]]
    result = json.loads(run(command).strip().splitlines()[-1])
    return dict(
        cpu_s=result["setup_cpu_s"] + result["render_cpu_s"],
        setup_cpu_s=result["setup_cpu_s"],
        wall_s=result["render_wall_s"],
        peak_mb=result["peak_mb"],
    )


def other(peers, environment, script, arguments, scene, spp, seed, picture):
    command = [peers / environment / "bin/python", peers / "scripts" / script, *arguments]
    command += ["--glb", scene.file, "--out", picture, "--spp", spp, "--seed", seed]
    command += ["--threads", os.cpu_count()]
    lines = [line for line in run(command).splitlines() if line.startswith("RESULT ")]
    if not lines:
        sys.exit(f"peers: {script} printed no RESULT line")
    result = json.loads(lines[-1].removeprefix("RESULT "))
    return dict(
        cpu_s=result["render_cpu_s"],
        setup_cpu_s=result["import_cpu_s"],
        wall_s=result["render_wall_s"],
        peak_mb=result["peak_MB"],
    )


def run(command):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"peers: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


main()
