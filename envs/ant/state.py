"""From what Bullet reports of the merged ant to the 28 numbers that its ``AntBulletEnv`` observes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .body import Body

PARTS = 22  # the peer's mean is over 21 links and, by an oversight that scales the reward, the floor at the origin
OBSERVATION_BOUND = 5.0
TARGET_X = 1000.0  # m: the far point on the x axis that the ant is to approach
VELOCITY_SCALE = 0.3
JOINT_SPEED_SCALE = 0.1
TIME_STEP = 0.0165  # s, of one env step
SUBSTEPS = 4  # of Bullet, in it
LAG = TIME_STEP / SUBSTEPS  # s: the age of the link positions that Bullet reports
DAMPING = 0.04  # Bullet's default for a multi-body, linear and angular
ELECTRICITY_COST, STALL_TORQUE_COST = -2.0, -0.1
JOINT_AT_LIMIT = 0.99  # of the way from a joint's middle to its limit


def leg_table(body: Body) -> np.ndarray:
    """What :func:`mean_position` needs of each leg, shape (4, 5), float64.

    Columns: the leg's direction (x, y; unit length), the summed distances (m) of the upper segment's centre and, twice,
    the ankle from the hip, the distance (m) of the lower segment's centre from the ankle, and the sign with which the
    ankle's angle lifts it.
    """
    rows = []
    for leg in body.legs:
        length = math.hypot(*leg.upper.end)
        x, y = leg.upper.end[0] / length, leg.upper.end[1] / length
        lift = math.copysign(1.0, leg.ankle.axis[0] * y - leg.ankle.axis[1] * x)
        rows.append([x, y, math.hypot(*leg.upper.centre) + 2 * math.hypot(*leg.ankle.position),
                     math.hypot(*leg.lower.centre), lift])  # fmt: skip
    return np.array(rows)


def stub_table(body: Body) -> np.ndarray:
    """Mass (kg) and centre (x, y; m, in the torso's frame) of each welded stub, shape (4, 3), float64."""
    return np.array([[leg.stub.mass, *leg.stub.centre] for leg in body.legs])


@njit(cache=True)
def damping_correction(orientation, velocity, spin, stubs):  # type: ignore[no-untyped-def]
    """Force (N) and torque (N m; world frame) by which merging the stubs into the torso changes Bullet's damping.

    Bullet damps each link by 0.04 (1 + |v|) v of its own velocity, at the beginning of each substep. The linear part
    of that is the same for welded and for merged links; the quadratic one is not. Applied to the torso twice in a time
    step, force and torque make the merged ant follow the welded one to 1e-3 until it touches the ground.

    Args:
        orientation: of the torso, quaternion (x, y, z, w).
        velocity: of the torso, m/s, 3 numbers.
        spin: angular velocity of the torso, rad/s, 3 numbers.
        stubs: shape (4, 3), from :func:`stub_table`.
    """
    w = math.sqrt(spin[0] ** 2 + spin[1] ** 2 + spin[2] ** 2)
    qx, qy, qz, qw = orientation
    tx = ty = tz = gx = gy = gz = 0.0
    base = math.sqrt(velocity[0] ** 2 + velocity[1] ** 2 + velocity[2] ** 2)
    for stub in range(4):
        mass, x, y = stubs[stub]
        cx, cy, cz = qw * x - qz * y, qz * x + qw * y, qx * y - qy * x
        rx, ry, rz = x + 2.0 * (qy * cz - qz * cy), y + 2.0 * (qz * cx - qx * cz), 2.0 * (qx * cy - qy * cx)
        ux, uy, uz = spin[1] * rz - spin[2] * ry, spin[2] * rx - spin[0] * rz, spin[0] * ry - spin[1] * rx
        vx, vy, vz = velocity[0] + ux, velocity[1] + uy, velocity[2] + uz
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        # the welded stub's quadratic damping acts on its own velocity, the merged one's share on the torso's spin
        fx, fy, fz = w * ux - speed * vx, w * uy - speed * vy, w * uz - speed * vz
        tx += mass * (ry * fz - rz * fy)
        ty += mass * (rz * fx - rx * fz)
        tz += mass * (rx * fy - ry * fx)
        gx += mass * (base * velocity[0] - speed * vx)
        gy += mass * (base * velocity[1] - speed * vy)
        gz += mass * (base * velocity[2] - speed * vz)
    return (DAMPING * gx, DAMPING * gy, DAMPING * gz), (DAMPING * tx, DAMPING * ty, DAMPING * tz)


@njit(cache=True)
def euler(x, y, z, w):  # type: ignore[no-untyped-def]
    """Roll, pitch and yaw (rad) of a quaternion, with Bullet's treatment of the poles."""
    sine = -2.0 * (x * z - w * y)
    if sine <= -0.99999:
        return 0.0, -0.5 * math.pi, 2.0 * math.atan2(x, -y)
    if sine >= 0.99999:
        return 0.0, 0.5 * math.pi, 2.0 * math.atan2(-x, y)
    roll = math.atan2(2.0 * (y * z + w * x), w * w - x * x - y * y + z * z)
    yaw = math.atan2(2.0 * (x * y + w * z), w * w + x * x - y * y - z * z)
    return roll, math.asin(sine), yaw


@njit(cache=True)
def mean_position(position, orientation, joints, legs):  # type: ignore[no-untyped-def]
    """The x and y (m) that the peer takes for the ant's: the mean over the centres of its 21 links and the floor.

    Args:
        position: of the torso, m, 3 numbers.
        orientation: of the torso, quaternion (x, y, z, w).
        joints: hip and ankle of each leg, each (angle in rad, speed in rad/s).
        legs: shape (4, 5), from :func:`leg_table`.
    """
    qx, qy, qz, qw = orientation
    x = y = z = 0.0  # sum of the offsets in the torso's frame; those of the stubs' centres and ends cancel
    for leg in range(4):
        hip, ankle = joints[2 * leg][0], joints[2 * leg + 1][0]
        along = legs[leg, 2] + legs[leg, 3] * math.cos(ankle)
        x += along * (math.cos(hip) * legs[leg, 0] - math.sin(hip) * legs[leg, 1])
        y += along * (math.sin(hip) * legs[leg, 0] + math.cos(hip) * legs[leg, 1])
        z += legs[leg, 3] * math.sin(ankle) * legs[leg, 4]
    cx, cy, cz = qy * z - qz * y + qw * x, qz * x - qx * z + qw * y, qx * y - qy * x + qw * z
    x += 2.0 * (qy * cz - qz * cy)  # v + 2 q x (q x v + w v): into the world's frame
    y += 2.0 * (qz * cx - qx * cz)
    return ((PARTS - 1) * position[0] + x) / PARTS, ((PARTS - 1) * position[1] + y) / PARTS


@njit(cache=True)
def lagging_mean_position(position, orientation, velocity, spin, joints, legs):  # type: ignore[no-untyped-def]
    """What :func:`mean_position` is to the peer, which sees the torso as it is, but its links a substep late."""
    past = np.empty((8, 2))
    for joint in range(8):
        past[joint, 0] = joints[joint][0] - LAG * joints[joint][1]
    x, y = position[0] - LAG * velocity[0], position[1] - LAG * velocity[1]
    mean_x, mean_y = mean_position((x, y, position[2]), turned(orientation, spin, -LAG), past, legs)
    return mean_x + (position[0] - x) / PARTS, mean_y + (position[1] - y) / PARTS


@njit(cache=True)
def turned(orientation, spin, duration):  # type: ignore[no-untyped-def]
    """A quaternion (x, y, z, w) after ``duration`` (s) at the angular velocity ``spin`` (rad/s, 3 numbers)."""
    rate = math.sqrt(spin[0] ** 2 + spin[1] ** 2 + spin[2] ** 2)
    scale = math.sin(0.5 * duration * rate) / rate if rate > 1e-9 else 0.5 * duration
    bx, by, bz, bw = scale * spin[0], scale * spin[1], scale * spin[2], math.cos(0.5 * duration * rate)
    x, y, z, w = orientation
    return (
        bw * x + bx * w + by * z - bz * y,
        bw * y - bx * z + by * w + bz * x,
        bw * z + bx * y - by * x + bz * w,
        bw * w - bx * x - by * y - bz * z,
    )


@njit(cache=True)
def observe(position, orientation, velocity, spin, joints, limits, legs, initial_z, contacts, action):  # type: ignore[no-untyped-def]
    """Bullet's observation of the ant, and what its reward needs.

    Args:
        position: of the torso, m, 3 numbers.
        orientation: of the torso, quaternion (x, y, z, w).
        velocity: of the torso in the world's frame, m/s, 3 numbers.
        spin: angular velocity of the torso, rad/s, 3 numbers.
        joints: hip and ankle of each leg, each (angle in rad, speed in rad/s).
        limits: shape (8, 2), rad.
        legs: shape (4, 5), from :func:`leg_table`.
        initial_z: the torso's height at the reset, m.
        contacts: 4 numbers, 1 for a foot on the ground, else 0.
        action: shape (8,), as it was given, not clipped.

    Returns:
        The observation, float32 of shape (28,); the distance to the target, m; the electricity cost; the number of
        joints at their limit.
    """
    observation = np.empty(28, dtype=np.float32)
    roll, pitch, yaw = euler(orientation[0], orientation[1], orientation[2], orientation[3])
    x, y = lagging_mean_position(position, orientation, velocity, spin, joints, legs)
    angle = math.atan2(-y, TARGET_X - x) - yaw
    cosine, sine = math.cos(yaw), math.sin(yaw)
    observation[0] = position[2] - initial_z
    observation[1] = math.sin(angle)
    observation[2] = math.cos(angle)
    observation[3] = VELOCITY_SCALE * (cosine * velocity[0] + sine * velocity[1])
    observation[4] = VELOCITY_SCALE * (cosine * velocity[1] - sine * velocity[0])
    observation[5] = VELOCITY_SCALE * velocity[2]
    observation[6] = roll
    observation[7] = pitch
    for joint in range(8):
        low, high = limits[joint, 0], limits[joint, 1]
        observation[8 + 2 * joint] = 2.0 * (joints[joint][0] - low) / (high - low) - 1.0
        observation[9 + 2 * joint] = JOINT_SPEED_SCALE * joints[joint][1]
    for foot in range(4):
        observation[24 + foot] = contacts[foot]
    power = current = 0.0
    at_limit = 0
    for joint in range(8):
        power += abs(action[joint] * observation[9 + 2 * joint]) / 8
        current += action[joint] ** 2 / 8
        at_limit += abs(observation[8 + 2 * joint]) > JOINT_AT_LIMIT
    for i in range(28):
        observation[i] = min(max(observation[i], -OBSERVATION_BOUND), OBSERVATION_BOUND)
    return observation, math.hypot(y, TARGET_X - x), ELECTRICITY_COST * power + STALL_TORQUE_COST * current, at_limit
