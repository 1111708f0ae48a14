"""How near CarRacingPreprocessed-v0 comes to Gymnasium's CarRacing-v3: the pictures, and what a driver makes of them.

    pip install "hebbian-gym[car,plots]" opencv-python-headless
    python benchmarks/car_parity.py --tracks 100 --workers 2 --json car_parity.json

Prints a report in Markdown and draws docs/car-parity.png. World, rewards and ends are equal to the last bit, which
tests/test_car_parity.py sees to; only the picture may differ. So the same scripted driver, who sees nothing but
pixels, drives on both pictures and should score the same.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
from gymnasium.envs.box2d.car_racing import CarRacing
from hebbian_gym.envs.car_racing import CarRacingEnv
from matplotlib.figure import Figure

DRAWING = Path(__file__).parent.parent / "docs" / "car-parity.png"
SIZE = 84
TRACKS, LANDED = 10, 50  # tracks of the picture's comparison; steps until the camera is down
MOMENTS = [*range(1, LANDED, 5), *range(LANDED, LANDED + 400, 10)]  # steps whose pictures are compared
FIRST_SEED = 1000  # of the drives
STEPS = 1000
SHOWN_TRACK, SHOWN = 4, {"first frame": 0, "camera coming down": 25, "on the road": 60}  # step of each; two more below


class Peer(CarRacing):
    """Gymnasium's own; it does not paint while ``blind``, which saves nine tenths of its time."""

    blind = False

    def _render(self, mode: str) -> Any:
        return None if self.blind else super()._render(mode)


def resized(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    """As most users of CarRacing-v3 bring its 96x96 pixels to 84x84."""
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


# The driver

CAR = np.array([62.0, 41.5])  # row and column of its middle
PIXEL = np.array([800, 1000]) / SIZE / 16.2  # height and width of a pixel, units of length
BAR = 73  # its first row


def arc(radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bearings (rad, to the right), rows and columns of the pixels at a distance ahead of the car."""
    bearings = np.linspace(-0.6 * np.pi, 0.6 * np.pi, 61)
    offsets = radius * np.column_stack([-np.cos(bearings), np.sin(bearings)]) / PIXEL
    rows, columns = np.rint(CAR + offsets).astype(int).T
    seen = (rows >= 0) & (rows < BAR) & (columns >= 0) & (columns < SIZE)
    return bearings[seen], rows[seen], columns[seen]


ARCS = [arc(radius) for radius in (7, 12, 18, 25)]


def road_ahead(picture: np.ndarray) -> list[float]:
    """Bearings of the road's middle on each arc, the nearest first, as far as it can be followed."""
    red, green = picture[..., 0].astype(int), picture[..., 1].astype(int)
    is_road = (np.abs(red - green) < 40) & (green > 50) & (green < 170)
    found: list[float] = []
    for bearings, rows, columns in ARCS:
        edges = np.flatnonzero(np.diff([0, *is_road[rows, columns].astype(int), 0]))
        middles = [bearings[i:j].mean() for i, j in zip(edges[::2], edges[1::2], strict=True) if j - i > 1]
        if not middles:
            break
        found.append(float(min(middles, key=lambda bearing: abs(bearing - (found[-1] if found else 0)))))
    return found


def drive(picture: np.ndarray, step: int) -> np.ndarray:
    """Steering, gas and brake from one picture, uint8 of shape (84, 84, 3)."""
    if step < 40:  # the camera comes down
        return np.array([0, 0.05, 0])
    white = picture[BAR:, 11].mean(axis=1).sum() / 253 * 800 / SIZE  # height of the speed's bar, pixels of the window
    speed = max(0.0, (white - 21) / 0.4)
    red = picture[77, :, 0] * (picture[77, :, 1] < 60) / 253  # the gyroscope's bar
    turning = (red[64:].sum() - red[50:63].sum()) * 1000 / SIZE / 20  # rad/s, to the right
    ahead = road_ahead(picture)
    if not ahead:
        return np.array([0, 0.02, 0.1 * (speed > 20)])
    steering = np.clip(ahead[min(2, len(ahead) - 1)] - 0.05 * turning, -1, 1)
    bend = max(map(abs, ahead)) + 0.3 * (len(ARCS) - len(ahead))
    too_fast = speed - 60 / (1 + 3 * bend)
    return np.array([steering, 0.4 * (too_fast < 0) * (1 - abs(steering)), 0.3 * (too_fast > 8)])


# Pictures


def pictures(seed: int, moments: list[int], size: int = SIZE) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Step, our picture and the peer's, resized, at these steps of a drive."""
    driven, ours = (CarRacingEnv(n, "uint8", channels_first=False) for n in (SIZE, size))  # the driver wants 84x84
    peer = Peer()
    peer.blind = 0 not in moments
    seen, mine, theirs = (env.reset(seed=seed)[0] for env in (driven, ours, peer))
    for step in range(max(moments) + 1):
        if step in moments:
            yield step, mine, resized(theirs, size)
        action = drive(seen, step)
        peer.blind = step + 1 not in moments
        seen, mine, theirs = (env.step(action)[0] for env in (driven, ours, peer))


def shift(one: np.ndarray, other: np.ndarray) -> list[float]:
    """By how many pixels the one lies to the right of the other and below it: phase correlation above the bar."""
    rows = int(7 / 8 * len(one)) // 8 * 8  # OpenCV is half a pixel off where it pads to an odd number
    window = cv2.createHanningWindow((one.shape[1], rows), cv2.CV_64F)
    return list(cv2.phaseCorrelate(other[:rows].mean(axis=2), one[:rows].mean(axis=2), window)[0])


def compare_pictures(size: int) -> dict[str, Any]:
    """Mean absolute errors, levels of 255, and shifts, over ``TRACKS`` tracks."""
    bar = int(7 / 8 * size)
    errors, above, landed, shifts = [], [], [], []
    for seed in range(TRACKS):
        for step, mine, theirs in pictures(seed, MOMENTS, size):
            difference = np.abs(mine.astype(float) - theirs)
            errors.append(difference.mean())
            above.append(difference[:bar].mean())
            landed.append(step >= LANDED)
            if step >= LANDED:
                shifts.append(shift(mine.astype(float), theirs.astype(float)))
    parts = {
        "whole picture": np.array(errors),
        "above the bar": np.array(above),
        "whole, camera coming down": np.array(errors)[~np.array(landed)],
        "whole, camera down": np.array(errors)[landed],
    }
    return {
        "size": size,
        "frames": len(errors),
        "mae": {name: {"mean": float(part.mean()), "largest": float(part.max())} for name, part in parts.items()},
        "shift": {
            "median": np.median(shifts, axis=0).tolist(),
            "median of absolute values": np.median(np.abs(shifts), axis=0).tolist(),
        },
    }


def borders(picture: np.ndarray) -> int:
    """How many pixels of red and white border are ahead."""
    ahead = picture[5:50].astype(int)
    return int(((ahead[..., 0] > 180) & (ahead[..., 1] < 120)).sum())


def draw(path: Path) -> None:
    """Five moments of a drive: Gymnasium's picture, ours, and four times their difference."""
    later = {step: mine for step, mine, _ in pictures(SHOWN_TRACK, list(range(80, 450, 2)))}
    curves = sorted(later, key=lambda step: borders(later[step]))
    names = {**SHOWN, "red and white border": curves[-1]}
    names["another curve"] = next(step for step in reversed(curves) if abs(step - curves[-1]) > 60)
    steps = sorted(names.values())
    figure = Figure(figsize=(7.2, 11.8), layout="constrained")
    axes = figure.subplots(len(steps), 3)
    for row, (step, mine, theirs) in zip(axes, pictures(SHOWN_TRACK, steps), strict=True):
        difference = np.clip(128 + 4 * (mine.astype(int) - theirs), 0, 255).astype(np.uint8)
        for axis, picture in zip(row, (theirs, mine, difference), strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        error = np.abs(mine.astype(int) - theirs).mean()
        name = next(name for name in names if names[name] == step)
        row[0].set_ylabel(f"{name}\n(step {step}, mean error {error:.2f})", fontsize=8)
    titles = "CarRacing-v3, 96x96\nresized to 84x84", "CarRacingPreprocessed-v0\n84x84", "difference x 4"
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.savefig(path, dpi=100)


# Scores


def make(kind: str) -> gym.Env:
    """An environment that shows uint8 pixels of shape (84, 84, 3)."""
    if kind == "ours":
        return CarRacingEnv(SIZE, "uint8", channels_first=False)
    return gym.wrappers.TransformObservation(CarRacing(), resized, gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8))


def score(job: tuple[str, int]) -> tuple[str, int, float, bool]:
    """One drive: which environment, the seed, the score and whether the lap was finished."""
    kind, seed = job
    env = make(kind)
    picture, _ = env.reset(seed=seed)
    total, info = 0.0, {}
    for step in range(STEPS):
        picture, reward, terminated, _, info = env.step(drive(picture, step))
        total += reward
        if terminated:
            break
    env.close()
    return kind, seed, total, info.get("lap_finished", False)


def compare_scores(tracks: int, workers: int) -> dict[str, Any]:
    """Scores of the driver on the same tracks in both environments."""
    jobs = [(kind, FIRST_SEED + track) for track in range(tracks) for kind in ("peer", "ours")]
    scores: dict[str, dict[int, float]] = {"ours": {}, "peer": {}}
    laps = {"ours": 0, "peer": 0}
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, (kind, seed, total, finished) in enumerate(pool.imap_unordered(score, jobs), 1):
            scores[kind][seed] = total
            laps[kind] += finished
            print(f"\r{done} of {len(jobs)} drives", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    seeds = sorted(scores["ours"])
    ours, peer = (np.array([scores[kind][seed] for seed in seeds]) for kind in ("ours", "peer"))

    def error(values: np.ndarray) -> float:
        return float(values.std(ddof=1) / math.sqrt(tracks))

    return {
        "tracks": tracks,
        "seeds": [seeds[0], seeds[-1]],
        "mean": {"ours": float(ours.mean()), "peer": float(peer.mean())},
        "standard error": {"ours": error(ours), "peer": error(peer)},
        "median": {"ours": float(np.median(ours)), "peer": float(np.median(peer))},
        "laps finished": laps,
        "difference": float(ours.mean() - peer.mean()),
        "standard error of the difference": {
            "unpaired": math.hypot(error(ours), error(peer)),
            "paired": error(ours - peer),
        },
        "scores": {"ours": ours.tolist(), "peer": peer.tolist()},
    }


# The report


def report(results: dict[str, Any]) -> str:
    """In Markdown."""
    lines = [
        "# Parity of CarRacingPreprocessed-v0 with CarRacing-v3",
        "",
        "Picture: mean absolute error, levels of 255 (in brackets: of the worst frame), over "
        f"{len(MOMENTS)} frames on each of {TRACKS} tracks.",
        "",
        "| | " + " | ".join(results["pictures"][0]["mae"]) + " | median shift x, y (pixels) |",
        "|---|" + "---|" * 5,
    ]
    for each in results["pictures"]:
        against = "CarRacing-v3's own" if each["size"] == 96 else "CarRacing-v3, INTER_AREA"
        cells = [f"{part['mean']:.2f} ({part['largest']:.2f})" for part in each["mae"].values()]
        cells.append("{:+.3f}, {:+.3f}".format(*each["shift"]["median"]))
        lines.append(f"| {each['size']}x{each['size']} against {against} | {' | '.join(cells)} |")
    s = results["scores"]
    first, last = s["seeds"]
    lines += [
        "",
        f"A scripted driver that sees only 84x84x3 pixels, {s['tracks']} tracks (seeds {first} to {last}), "
        f"at most {STEPS} steps:",
        "",
        "| picture | mean score | standard error | median | laps finished |",
        "|---|---|---|---|---|",
    ]
    for kind, name in (("ours", "CarRacingPreprocessed-v0"), ("peer", "CarRacing-v3, INTER_AREA")):
        lines.append(
            f"| {name} | {s['mean'][kind]:.1f} | {s['standard error'][kind]:.1f} | {s['median'][kind]:.1f} "
            f"| {s['laps finished'][kind]} |"
        )
    errors = s["standard error of the difference"]
    parts = [f"{s['difference'] / error:+.2f} standard errors ({error:.1f}) {name}" for name, error in errors.items()]
    lines += ["", f"Difference of the means: {s['difference']:+.1f}, which is {' or '.join(parts)} by track."]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100, help="tracks that the driver drives (2 or more)")
    parser.add_argument("--workers", type=int, default=2, help="processes that drive")
    parser.add_argument("--json", type=Path, help="where to write all results")
    arguments = parser.parse_args()
    draw(DRAWING)
    results = {
        "pictures": [compare_pictures(size) for size in (SIZE, 96)],
        "scores": compare_scores(arguments.tracks, arguments.workers),
    }
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
