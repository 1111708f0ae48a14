"""The Ant environment."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled

from .quiet import quiet

try:
    with quiet():  # Bullet greets on standard output, from C
        import pybullet
    import pybullet_data
except ImportError as error:  # pragma: no cover
    raise DependencyNotInstalled(
        'the Ant needs pybullet: pip install "hebbian-gym[ant]" (wheels: Linux x86-64, CPython 3.10 and 3.11)'
    ) from error

from ..checks import check_choice, check_count, checked_action, is_number
from . import state
from .body import LEGS, damaged, to_urdf, undamaged
from .state import SUBSTEPS, TIME_STEP
from .world import World

STRIDES = 2  # calls of Bullet in a time step: damping is corrected at the beginning of each
SOLVER_ITERATIONS = 5
TORQUE_BOUND = 250.0  # N m at |action| 1: Bullet's power 2.5 times 100
START_ANGLE = 0.1  # rad: joints start in U(-0.1, 0.1), whatever their limits
FALLEN_HEIGHT = 0.26  # m: the torso's height at which Bullet calls the ant dead
NO_CONTACT: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
LOWER_SEGMENTS = (1, 3, 5, 7)  # links of the merged ant that end in a foot
JOINTS_AT_LIMIT_COST = -0.1
TAKES = "the ant takes 8 finite numbers, one for each joint"
BULLET_TERMS = ("reward_alive", "reward_progress", "reward_electricity", "reward_joints_at_limit")
PATIENCE_FROM, PATIENCE = 200, 30  # early stop: the paper's code looks from this step on, and waits so many steps


class AntEnv(gym.Env[np.ndarray, np.ndarray], gym.utils.EzPickle):
    """Bullet's Ant, whole or damaged, as Najarro & Risi (2020) use it.

    ## Description

    A quadruped of 9 rigid bodies walks along +x: the mechanics, observation, reward terms and termination of
    ``AntBulletEnv-v0``, with damaged legs. Legs go by their place when walking along +x: ``left_front``,
    ``right_front``, ``left_back``, ``right_back``. (In Bullet's file those are ``front_left_leg``,
    ``right_back_leg``, ``front_right_leg`` and ``left_back_leg``.)

    ## Action Space

    ``Box(-1, 1, (8,), float32)``: the torques of hip and ankle of each leg, as fractions of 250 N m; clipped.
    Legs in Bullet's order: left front, left back, right back, right front.

    ## Observation Space

    ``Box(-5, 5, (28,), float32)``, clipped:

    | Num | Observation | Type (Unit) |
    |---|---|---|
    | 0 | torso's height above that at the reset | position (m) |
    | 1, 2 | sine and cosine of the target's direction | - |
    | 3-5 | 0.3 x the torso's velocity, turned by the yaw | velocity (m/s) |
    | 6, 7 | roll, pitch | angle (rad) |
    | 8-23 | for each joint: angle scaled to -1..1 between its limits, 0.1 x speed | -, velocity (rad/s) |
    | 24-27 | 1 for each foot on the ground, else 0 | - |

    ## Rewards

    ``reward="distance"``: progress alone, the approach to a target 1 km away on the x axis divided by 0.0165 s,
    so metres per second. Its sum over an episode is the paper's distance. ``reward="bullet"``: the sum of Bullet's
    terms: alive (+1, or -1 when fallen), progress, electricity (-2 x the mean of abs(action x joint speed) - 0.1 x
    that of action^2) and joints at their limit (-0.1 each). ``info`` carries each of them: ``reward_alive``,
    ``reward_progress``, ``reward_electricity``, ``reward_joints_at_limit``; also ``x_position`` and ``y_position`` of
    the torso (m) and ``damage``.

    Bullet takes the mean position of 22 parts, one of which is the floor, so progress is 21/22 of the ant's speed.

    ## Starting State

    The torso 0.75 m above the ground, every joint in U(-0.1, 0.1) rad. Then ``warm_up_steps`` with zero action, in
    which the ant drops to the ground; they belong to the reset and cost no steps.

    ## Episode End

    Truncated after 1000 steps (by the registration). With ``warm_up_steps=0``, terminated as in Bullet: when the
    torso's height is 0.26 m or less. The warm-up leaves the ant on its belly, below that height, so after one it is
    free to lie, to rise and to fall. With ``early_stop`` (meant for evolution, not for scores) the episode ends as in
    the paper's code: after 201 steps, terminated when fallen, truncated at the 31st negative reward in a row.

    ## Arguments

    - ``damage``: leg to remaining fraction of its lower segment, in [0, 1]; or ``"random"``: at each reset one leg,
      drawn uniformly, keeps a fraction drawn from U(0, 1).
    - ``reward``: ``"distance"`` or ``"bullet"``.
    - ``warm_up_steps``: 40 by default, 0 for Bullet's own start.
    - ``early_stop``: see above.
    - ``render_mode``: ``"rgb_array"`` (the camera follows) or ``"human"`` (Bullet's window).
    - ``width``, ``height``: of the picture; 320 and 240 pixels.

    ## Version History

    - v0: first version.

    Raises:
        ValueError: for an unknown leg, reward or render mode, a fraction outside [0, 1], an impossible number of steps
            or pixels, or an action that is not 8 finite numbers.
        RuntimeError: for a window on a machine without a display.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's)
        "render_modes": ["rgb_array", "human"],
        "render_fps": 60,
        "metres_per_progress": TIME_STEP,  # progress is a speed
    }

    def __init__(
        self,
        damage: Mapping[str, float] | str | None = None,
        reward: str = "distance",
        warm_up_steps: int = 40,
        early_stop: bool = False,
        render_mode: str | None = None,
        width: int = 320,
        height: int = 240,
    ) -> None:
        gym.utils.EzPickle.__init__(self, damage, reward, warm_up_steps, early_stop, render_mode, width, height)
        check_choice("reward", reward, ("distance", "bullet"))
        check_choice("render_mode", render_mode, (*self.metadata["render_modes"], None))
        check_count(0, warm_up_steps=warm_up_steps)
        check_count(1, width=width, height=height)
        self.action_space = spaces.Box(-1.0, 1.0, (8,), np.float32)
        self.observation_space = spaces.Box(-state.OBSERVATION_BOUND, state.OBSERVATION_BOUND, (28,), np.float32)
        self.render_mode = render_mode
        self.random_damage = damage == "random"
        self.damage = {} if self.random_damage else _checked(damage)
        self._bullet_reward = reward == "bullet"
        self._warm_up_steps = int(warm_up_steps)
        self._early_stop, self._mortal = early_stop, warm_up_steps == 0
        self._size = (int(width), int(height))
        self._world = World(window=render_mode == "human")
        self._client = self._world.client
        try:
            self._load()
        except BaseException:  # whoever keeps the error keeps all this with it
            self.close()
            raise

    def _load(self) -> None:
        """Make the world and the ant with the present damage, and remember the state that every reset restores."""
        client = self._client
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=TIME_STEP / STRIDES, numSubSteps=SUBSTEPS // STRIDES, numSolverIterations=SOLVER_ITERATIONS,
            deterministicOverlappingPairs=1, enableFileCaching=0, physicsClientId=client,  # each cached URDF would stay
        )  # fmt: skip
        pybullet.setGravity(0, 0, -9.8, physicsClientId=client)
        pybullet.setDefaultContactERP(0.9, physicsClientId=client)
        floor = os.path.join(pybullet_data.getDataPath(), "plane_stadium.sdf")
        self._floor = pybullet.loadSDF(floor, physicsClientId=client)[0]
        pybullet.changeDynamics(self._floor, -1, lateralFriction=0.8, restitution=0.5, physicsClientId=client)
        body = damaged(self.damage)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ant.urdf")
            with open(path, "w", encoding="ascii") as file:
                file.write(to_urdf(body, undamaged()))
            self._ant = pybullet.loadURDF(
                path, (0, 0, body.height), flags=pybullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=client
            )
        self._legs, self._stubs = state.leg_table(body), state.stub_table(body)
        self._limits = np.array([joint.limits for leg in body.legs for joint in (leg.hip, leg.ankle)])
        self._joints = list(range(8))
        pybullet.setJointMotorControlArray(  # Bullet's default motors would hold the joints
            self._ant, self._joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * 8, physicsClientId=client
        )
        self._start = pybullet.saveState(physicsClientId=client)

    def _restore(self) -> None:
        client = self._client
        if self.random_damage:
            leg = LEGS[self.np_random.integers(len(LEGS))]
            self.damage = {leg: float(self.np_random.uniform())}
            self._load()
        pybullet.restoreState(self._start, physicsClientId=client)
        for joint, angle in enumerate(self.np_random.uniform(-START_ANGLE, START_ANGLE, 8)):
            pybullet.resetJointState(self._ant, joint, angle, 0.0, physicsClientId=client)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a new episode; all randomness is from ``seed``, or goes on from the last one given."""
        super().reset(seed=seed)
        self._restore()
        self._read_torso()
        self._initial_z = self._position[2]
        before = self._feet = NO_CONTACT
        for step in range(self._warm_up_steps):
            self._advance()
            if step >= self._warm_up_steps - 2:
                before, self._feet = self._feet, self._feet_on_ground()
        observation, self._target_distance, _, _ = self._observe(before, np.zeros(8))
        self._elapsed = self._negative = 0
        if self.render_mode == "human":
            self.render()
        return observation, self._info()

    def _read_torso(self) -> None:
        self._position, self._orientation = pybullet.getBasePositionAndOrientation(self._ant, self._client)
        self._velocity, self._spin = pybullet.getBaseVelocity(self._ant, self._client)

    def _advance(self, torques: list[float] | None = None) -> None:
        """One time step of the world."""
        for _ in range(STRIDES):
            if torques is not None:  # Bullet forgets torques and forces after each call
                pybullet.setJointMotorControlArray(
                    self._ant, self._joints, pybullet.TORQUE_CONTROL, forces=torques, physicsClientId=self._client
                )
            force, torque = state.damping_correction(self._orientation, self._velocity, self._spin, self._stubs)
            pybullet.applyExternalForce(self._ant, -1, force, self._position, pybullet.WORLD_FRAME, self._client)
            pybullet.applyExternalTorque(self._ant, -1, torque, pybullet.WORLD_FRAME, self._client)
            pybullet.stepSimulation(self._client)
            self._read_torso()

    def _observe(self, feet: tuple[float, ...], action: np.ndarray) -> tuple[np.ndarray, float, float, int]:
        """Observation, distance to the target (m), electricity cost, joints at their limit."""
        joints = tuple([joint[:2] for joint in pybullet.getJointStates(self._ant, self._joints, self._client)])
        return state.observe(
            self._position, self._orientation, self._velocity, self._spin, joints,
            self._limits, self._legs, self._initial_z, feet, action,
        )  # fmt: skip

    def _feet_on_ground(self) -> tuple[float, ...]:
        feet = [0.0, 0.0, 0.0, 0.0]
        for contact in pybullet.getContactPoints(self._ant, self._floor, physicsClientId=self._client):
            if contact[3] in LOWER_SEGMENTS:
                feet[contact[3] // 2] = 1.0
        return tuple(feet)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Apply torques for 0.0165 s."""
        action = checked_action(action, (8,), TAKES)
        torques = [TORQUE_BOUND * (1.0 if a > 1.0 else -1.0 if a < -1.0 else a) for a in action.tolist()]
        self._advance(torques)
        # Bullet's ant feels the ground one step late: it observes the contacts of the step before
        observation, distance, electricity, at_limit = self._observe(self._feet, action)
        self._feet = self._feet_on_ground()
        progress = (self._target_distance - distance) / TIME_STEP
        self._target_distance = distance
        fallen = not self._position[2] > FALLEN_HEIGHT  # so that NaN has fallen, too
        info = self._info()
        info["reward_alive"] = -1.0 if fallen else 1.0
        info["reward_progress"] = progress
        info["reward_electricity"] = electricity
        info["reward_joints_at_limit"] = JOINTS_AT_LIMIT_COST * at_limit
        reward = sum(info[term] for term in BULLET_TERMS) if self._bullet_reward else progress
        terminated, truncated = self._ends(fallen, reward)
        self._elapsed += 1
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, info

    def _ends(self, fallen: bool, reward: float) -> tuple[bool, bool]:
        """Whether the episode is terminated, and truncated, by this step."""
        if not math.isfinite(reward):  # the physics has blown up
            return True, False
        if not self._early_stop:
            return fallen and self._mortal, False
        if self._elapsed <= PATIENCE_FROM:
            return False, False
        self._negative = self._negative + 1 if reward < 0.0 else 0
        return fallen, self._negative > PATIENCE

    def _info(self) -> dict[str, Any]:
        return {"x_position": self._position[0], "y_position": self._position[1], "damage": self.damage.copy()}

    def render(self) -> np.ndarray | None:
        """A picture, uint8 of shape (height, width, 3), from a camera that follows; nothing for the window."""
        target = pybullet.getBasePositionAndOrientation(self._ant, self._client)[0]
        if self.render_mode == "human":
            pybullet.resetDebugVisualizerCamera(3.0, 0.0, -30.0, target, self._client)
            time.sleep(1 / self.metadata["render_fps"])
            return None
        if self.render_mode != "rgb_array":
            return None
        width, height = self._size
        view = pybullet.computeViewMatrixFromYawPitchRoll(target, 3.0, 0.0, -30.0, 0.0, 2)
        projection = pybullet.computeProjectionMatrixFOV(60.0, width / height, 0.1, 100.0)
        pixels = pybullet.getCameraImage(
            width, height, view, projection, renderer=pybullet.ER_TINY_RENDERER, physicsClientId=self._client
        )[2]
        return np.array(pixels, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]

    def close(self) -> None:
        """Release Bullet's world; a second call does nothing."""
        self._world.close()
        self._client = self._world.client


def _checked(damage: Mapping[str, float] | str | None) -> dict[str, float]:
    """A copy of ``damage``, or ValueError."""
    if not isinstance(damage, Mapping | None):
        raise ValueError(
            f'damage must map legs to fractions, such as {{"left_front": 0.25}}, or be "random", not {damage!r}'
        )
    for leg, fraction in (damage or {}).items():
        if leg not in LEGS:
            raise ValueError(f"unknown leg {leg!r}: the legs are {', '.join(LEGS)}")
        if not is_number(fraction) or not 0.0 <= fraction <= 1.0:
            raise ValueError(f"{leg} must keep a fraction in [0, 1] of its lower segment, not {fraction!r}")
    return {leg: float(fraction) for leg, fraction in (damage or {}).items()}
