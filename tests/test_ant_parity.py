"""The ant of this project against the peer it descends from: AntBulletEnv of ``pybullet_envs_gymnasium``.

Bullet simulates the peer's ant as 21 links, 12 of them welded to their parents; ours as 9. The mechanics must be the
same. Trajectories are, until the ground or a numerical hair's breadth at a joint's stop makes them chaotic; from then
on only their distribution can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pybullet
import pytest
from hebbian_gym.envs.ant import AntEnv, state
from hebbian_gym.envs.ant.body import LEGS, damaged, to_mjcf
from hypothesis import given
from hypothesis import strategies as st
from pybullet_envs_gymnasium.gym_locomotion_envs import AntBulletEnv
from scipy.stats import ks_2samp

Damage = dict[str, float]

BODIES: list[Damage] = [{}, *({leg: 0.25} for leg in LEGS)]
OTHER_DAMAGES: list[Damage] = [
    {"left_front": 0.0},
    {"right_back": 0.5},
    {"left_front": 0.0, "right_front": 0.25, "left_back": 0.5, "right_back": 0.75},
]
SEEDS = range(24)
GAIT = np.sin(0.25 * np.arange(200)[:, None] + 0.8 * np.arange(8)).astype(np.float32)  # [200 steps, 8 joints]
GAIT_SEEDS = range(300)


def name(damage: Damage) -> str:
    return "+".join(f"{leg} {fraction}" for leg, fraction in damage.items()) or "undamaged"


def joints_of(ant: int, client: int) -> list[int]:
    """The links that hang on a joint that moves: hip and ankle of each leg, in the file's order."""
    links = range(pybullet.getNumJoints(ant, client))
    return [link for link in links if pybullet.getJointInfo(ant, link, client)[2] == pybullet.JOINT_REVOLUTE]


@dataclass(frozen=True)
class World:
    """An ant in its Bullet world, ours or the peer's."""

    env: Any
    ant: int
    floor: int
    client: int

    @cached_property
    def joints(self) -> list[int]:
        return joints_of(self.ant, self.client)

    @property
    def links(self) -> range:
        return range(-1, pybullet.getNumJoints(self.ant, self.client))

    def pose(self, height: float, angles: np.ndarray) -> None:
        """At rest, level, with these joint angles."""
        pybullet.resetBasePositionAndOrientation(self.ant, (0, 0, height), (0, 0, 0, 1), self.client)
        for joint, angle in zip(self.joints, angles, strict=True):
            pybullet.resetJointState(self.ant, joint, angle, 0.0, physicsClientId=self.client)

    def joint_states(self) -> np.ndarray:
        """Angle and speed of each joint, shape (8, 2)."""
        return np.array([state[:2] for state in pybullet.getJointStates(self.ant, self.joints, self.client)])

    def on_ground(self) -> bool:
        return bool(pybullet.getContactPoints(self.ant, self.floor, physicsClientId=self.client))

    def touches_itself(self) -> bool:
        return bool(pybullet.getContactPoints(self.ant, self.ant, physicsClientId=self.client))


@dataclass(frozen=True)
class Pair:
    """Our ant and the peer's, with the same body."""

    ours: World
    peer: World

    def __iter__(self) -> Iterator[World]:
        return iter((self.ours, self.peer))

    def reset(self, seed: int) -> list[np.ndarray]:
        return [world.env.reset(seed=seed)[0] for world in self]

    def step(self, action: np.ndarray) -> list[tuple[Any, ...]]:
        return [world.env.step(action) for world in self]


def make_pair(damage: Damage, folder: Path) -> Pair:
    ours = AntEnv(damage=damage, reward="bullet", warm_up_steps=0)
    xml = folder / "ant.xml"
    xml.write_text(to_mjcf(damage), encoding="ascii")
    peer = AntBulletEnv()
    peer.robot.model_xml = str(xml)
    peer.reset(seed=0)  # the peer's first episode is not like its later ones
    floor = peer.parts["floor"]
    return Pair(
        World(ours, ours._ant, ours._floor, ours._client),
        World(peer, peer.robot_body.bodies[peer.robot_body.bodyIndex], floor.bodies[floor.bodyIndex], peer._p._client),
    )


@pytest.fixture
def new_pair(tmp_path: Path) -> Iterator[Callable[[Damage], Pair]]:
    """Makes pairs that the test may spoil."""
    pairs = []

    def make(damage: Damage) -> Pair:
        pairs.append(make_pair(damage, tmp_path))
        return pairs[-1]

    yield make
    for pair in pairs:
        for world in pair:
            world.env.close()


@pytest.fixture(scope="module", params=BODIES, ids=name)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Each of the five bodies in turn, shared by the tests: they must leave it as it was but for its state."""
    pair = make_pair(request.param, tmp_path_factory.mktemp("mjcf"))
    yield pair
    for world in pair:
        world.env.close()


def random_actions(seed: int, bound: float = 1.0, steps: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-bound, bound, (steps, 8)).astype(np.float32)


# The same mechanics


def rigid_bodies(world: World) -> tuple[np.ndarray, ...]:
    """What moves as one, welded links merged by the parallel axis theorem, at rest with all joints at 0.

    Returns:
        Masses, shape (n,); centres of mass, (n, 3); inertia about them in the world's frame, (n, 3, 3); friction,
        restitution, rolling and spinning friction, contact damping and stiffness of each, (n, 6).
    """
    world.pose(0.75, np.zeros(8))
    heads, groups = {-1: -1}, {-1: [-1]}
    for link in world.links[1:]:
        info = pybullet.getJointInfo(world.ant, link, world.client)
        heads[link] = heads[info[16]] if info[2] == pybullet.JOINT_FIXED else link
        groups.setdefault(heads[link], []).append(link)
    merged = []
    for links in groups.values():
        masses, centres, inertias, surfaces = [], [], [], []
        for link in links:
            dynamics = pybullet.getDynamicsInfo(world.ant, link, world.client)
            if link < 0:
                centre, turn = pybullet.getBasePositionAndOrientation(world.ant, world.client)
            else:
                centre, turn = pybullet.getLinkState(world.ant, link, 0, True, world.client)[:2]
            rotation = np.reshape(pybullet.getMatrixFromQuaternion(turn), (3, 3))
            masses.append(dynamics[0])
            centres.append(centre)
            inertias.append(rotation @ np.diag(dynamics[2]) @ rotation.T)
            if dynamics[0] > 0:  # a link without mass is a mere frame, without a shape
                surfaces.append((dynamics[1], *dynamics[5:10]))
        mass = np.sum(masses)
        centre = np.average(centres, axis=0, weights=masses)
        offsets = np.array(centres) - centre
        inertia = sum(
            i + m * (d @ d * np.eye(3) - np.outer(d, d)) for i, m, d in zip(inertias, masses, offsets, strict=True)
        )
        assert len(set(surfaces)) == 1
        merged.append((mass, centre, inertia, surfaces[0]))
    return tuple(np.array(column) for column in zip(*merged, strict=True))


@pytest.mark.parametrize("damage", BODIES + OTHER_DAMAGES, ids=name)
def test_masses_inertias_and_surfaces_are_the_peers(new_pair: Callable[[Damage], Pair], damage: Damage) -> None:
    ours, peers = (rigid_bodies(world) for world in new_pair(damage))
    for mine, theirs in zip(ours, peers, strict=True):
        assert mine.shape == theirs.shape
        assert len(mine) == 9
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


def hinges(world: World) -> np.ndarray:
    """Limits, axis, place at rest in the world's frame, damping and friction of each joint, shape (8, 10)."""
    world.pose(0.75, np.zeros(8))
    rows = []
    for joint in world.joints:
        info = pybullet.getJointInfo(world.ant, joint, world.client)
        place = pybullet.getLinkState(world.ant, joint, 0, True, world.client)[4]
        rows.append((*info[8:10], *info[13], *place, *info[6:8]))
    return np.array(rows)


@pytest.mark.parametrize("damage", BODIES + OTHER_DAMAGES, ids=name)
def test_joints_are_the_peers(new_pair: Callable[[Damage], Pair], damage: Damage) -> None:
    ours, peers = (hinges(world) for world in new_pair(damage))
    assert ours.shape == (8, 10)
    np.testing.assert_allclose(ours, peers, atol=1e-6)


@pytest.mark.parametrize("leg", LEGS)
def test_the_damaged_leg_is_where_its_name_says(new_pair: Callable[[Damage], Pair], leg: str) -> None:
    for world in new_pair({leg: 0.25}):
        masses, centres, *_ = rigid_bodies(world)
        x, y, _ = centres[masses.argmin()]
        assert ("front" if x > 0 else "back") in leg
        assert ("left" if y > 0 else "right") in leg


@pytest.mark.parametrize(
    ("leg", "geom", "foot"),
    [
        ("left_front", "left_ankle_geom", "0.1 0.1 0.0"),  # never seen in the paper's evolution
        ("right_front", "fourth_ankle_geom", "0.1 -0.1 0.0"),  # seen
        ("left_back", "right_ankle_geom", "-0.1 0.1 0.0"),
        ("right_back", "third_ankle_geom", "-0.1 -0.1 0.0"),
    ],
)
def test_the_papers_damage_is_one_shorter_ankle(leg: str, geom: str, foot: str) -> None:
    whole, short = (
        {part.get("name"): [float(word) for word in part.get("fromto", "0").split()] for part in root.iter("geom")}
        for root in (ElementTree.fromstring(to_mjcf(damage)) for damage in ({}, {leg: 0.25}))
    )
    assert short[geom] == pytest.approx([0, 0, 0, *map(float, foot.split())])
    assert {part for part in whole if whole[part] != short[part]} == {geom}


@pytest.mark.parametrize("damage", [{}, *OTHER_DAMAGES], ids=name)
def test_the_shape_is_the_peers(new_pair: Callable[[Damage], Pair], damage: Damage) -> None:
    """Rays from above meet both ants at the same heights, in random poses."""
    grid = np.linspace(-1.2, 1.2, 49)
    above, below = ([(x, y, z) for x in grid for y in grid] for z in (3.0, 0.2))
    pair = new_pair(damage)
    for link in pair.peer.links:  # ant.xml's conaffinity hides the peer from rays
        pybullet.setCollisionFilterGroupMask(pair.peer.ant, link, 1, -1, pair.peer.client)
    for seed in range(3):
        heights = []
        for world in pair:
            world.pose(1.5, np.random.default_rng(seed).uniform(-0.7, 0.7, 8))
            pybullet.performCollisionDetection(world.client)
            hits = pybullet.rayTestBatch(above, below, physicsClientId=world.client)
            heights.append([hit[3][2] if hit[0] == world.ant else 0.0 for hit in hits])
        ours, peers = np.array(heights)
        assert np.count_nonzero(ours) > 200
        assert np.mean((ours > 0) != (peers > 0)) < 0.001
        hit = (ours > 0) & (peers > 0)
        assert np.quantile(np.abs(ours - peers)[hit], 0.95) < 0.002  # m; the rest graze


def test_the_world_is_the_peers(pair: Pair) -> None:
    """Gravity, solver, floor, and the length of Bullet's substeps, however many of them it takes in a call."""
    parameters = [pybullet.getPhysicsEngineParameters(world.client) for world in pair]
    for chosen in parameters:
        chosen["substep"] = chosen.pop("fixedTimeStep") / chosen.pop("numSubSteps")
    assert parameters[0] == pytest.approx(parameters[1])
    floors = [pybullet.getDynamicsInfo(world.floor, -1, world.client) for world in pair]
    assert floors[0] == floors[1]


def test_damping_in_flight_is_the_peers(pair: Pair) -> None:
    """Tumbling high up without torques, both lose the same speed, and without damping it would be another."""
    speeds = []
    pair.reset(0)
    for world in pair:
        world.pose(50.0, np.array([0.0, 1.1, 0.0, -1.1, 0.0, -1.1, 0.0, 1.1]))  # far from the stops
        pybullet.resetBaseVelocity(world.ant, (4, -3, 2), (0.5, -1, 1.5), world.client)
        for _ in range(30):
            world.env.step(np.zeros(8, np.float32))
        velocity, spin = pybullet.getBaseVelocity(world.ant, world.client)
        speeds.append(np.array([*velocity, *spin, *world.joint_states()[:, 1]]))
    np.testing.assert_allclose(*speeds, atol=1e-3)
    assert np.hypot(*speeds[0][:2]) < 4.7  # m/s; 5 without


# The same trajectories, until chaos


@dataclass(frozen=True)
class Flights:
    """How far two ants differ from the throw to the ground, over all seeds.

    Attributes:
        observation: largest difference in each episode.
        terms: differences of the reward's terms in each step, shape (steps, 4).
        near_limit: for each step, whether the peer has a joint so near its limit that the cost may differ.
        touchdown: the feet that each ant feels on the ground first, none if it was a knee; shape (episodes, 2, 4).
        steps: length of each episode.
    """

    observation: np.ndarray
    terms: np.ndarray
    near_limit: np.ndarray
    touchdown: np.ndarray
    steps: np.ndarray


def fly(pair: Pair, bound: float) -> Flights:
    """Random actions in U(-bound, bound) until the first of two ants touches the ground, and one step more."""
    observation, terms, near_limit, touchdown, steps = [], [], [], [], []
    for seed in SEEDS:
        first, second = pair.reset(seed)
        worst = np.abs(first - second).max()
        length = 0
        for action in random_actions(seed, bound):
            (mine, *_, info), (peers, *_) = pair.step(action)
            if any(world.on_ground() for world in pair):
                break
            length += 1
            assert not mine[24:].any()
            assert not peers[24:].any()
            worst = max(worst, np.abs(mine - peers).max())
            ours = [info[f"reward_{term}"] for term in ("alive", "progress", "electricity", "joints_at_limit")]
            terms.append(np.abs(np.subtract(ours, pair.peer.env.rewards[:4])))
            near_limit.append(np.any(np.abs(np.abs(peers[8:24:2]) - 0.99) < 1e-3))
        observation.append(worst)
        steps.append(length)
        (mine, *_), (peers, *_) = pair.step(action)  # the ground is felt one step late
        touchdown.append((mine[24:], peers[24:]))
    return Flights(*map(np.array, (observation, terms, near_limit, touchdown, steps)))


@pytest.fixture(scope="module")
def flights(pair: Pair) -> Flights:
    return fly(pair, bound=1.0)


def test_flights_are_long_enough_to_tell(flights: Flights) -> None:
    assert flights.steps.min() >= 10


def test_observations_are_the_peers_until_the_ground(flights: Flights) -> None:
    assert flights.observation.max() < 1e-3
    assert np.median(flights.observation) < 2e-4


def test_progress_is_the_peers_until_the_ground(flights: Flights) -> None:
    assert flights.terms[:, 1].max() < 2e-3  # m/s


def test_other_reward_terms_are_the_peers_until_the_ground(flights: Flights) -> None:
    alive, _, electricity, at_limit = flights.terms.T
    assert alive.max() == 0
    assert electricity.max() < 2e-3
    assert at_limit[~flights.near_limit].max() == pytest.approx(0, abs=1e-12)


def test_the_same_feet_feel_the_ground_first(flights: Flights) -> None:
    ours, peers = flights.touchdown.swapaxes(0, 1)
    assert np.mean(peers.any(axis=1)) > 0.8
    assert np.mean((ours == peers).all(axis=1)) > 0.9  # a foot may graze


@pytest.mark.parametrize("damage", BODIES + OTHER_DAMAGES, ids=name)
def test_but_for_damping_the_flight_is_the_peers(
    new_pair: Callable[[Damage], Pair], monkeypatch: pytest.MonkeyPatch, damage: Damage
) -> None:
    """Without Bullet's damping, which is no sum over merged links, not even a joint's stop tells the two apart.

    Actions go beyond their bounds here, so this sees clipping too.
    """
    monkeypatch.setattr(state, "stub_table", lambda body: np.zeros((4, 3)))  # no damping to correct
    pair = new_pair(damage)
    for world in pair:
        for link in world.links:
            pybullet.changeDynamics(world.ant, link, linearDamping=0, angularDamping=0, physicsClientId=world.client)
    assert fly(pair, bound=1.5).observation.max() < 1e-5


def test_a_given_state_is_observed_as_by_the_peer(pair: Pair) -> None:
    """Put into the state the peer is in, on the ground and anywhere, ours observes what the peer does."""
    ours, peer = pair
    ours.env.reset(seed=0)
    for seed in range(2):
        peer.env.reset(seed=seed)
        for action in random_actions(seed, bound=1.2, steps=150):
            felt = tuple(peer.env.robot.feet_contact)
            expected = peer.env.step(action)[0]
            base = pybullet.getBasePositionAndOrientation(peer.ant, peer.client)
            pybullet.resetBasePositionAndOrientation(ours.ant, *base, ours.client)
            pybullet.resetBaseVelocity(ours.ant, *pybullet.getBaseVelocity(peer.ant, peer.client), ours.client)
            for joint, (angle, speed) in zip(ours.joints, peer.joint_states(), strict=True):
                pybullet.resetJointState(ours.ant, joint, angle, speed, physicsClientId=ours.client)
            ours.env._read_torso()
            observation, distance, electricity, at_limit = ours.env._observe(felt, action.astype(float))
            np.testing.assert_allclose(observation, expected, atol=1e-5)
            _, _, electricity_there, at_limit_there, _ = peer.env.rewards
            assert electricity == pytest.approx(electricity_there, abs=1e-6)
            assert -0.1 * at_limit == pytest.approx(at_limit_there)
            assert distance == pytest.approx(peer.env.robot.walk_target_dist, abs=1e-6)


# The same distribution of what comes of a gait


@pytest.mark.parametrize("pair", [{}, {"left_front": 0.25}], ids=name, indirect=True)
def test_a_gaits_return_is_distributed_as_the_peers(pair: Pair) -> None:
    """Means within two standard errors of their difference, and Kolmogorov-Smirnov p > 0.01, over 300 seeds."""
    returns = []
    for world in pair:
        for seed in GAIT_SEEDS:
            world.env.reset(seed=seed)
            returns.append(sum(world.env.step(action)[1] for action in GAIT))
    ours, peers = np.reshape(returns, (2, -1))
    error = np.sqrt((ours.var(ddof=1) + peers.var(ddof=1)) / len(GAIT_SEEDS))
    assert abs(ours.mean() - peers.mean()) / error < 2.0
    assert ks_2samp(ours, peers).pvalue > 0.01


# Why the merged ant needs no collision with itself


def test_the_peer_never_touches_itself(pair: Pair) -> None:
    peer = pair.peer
    for seed in range(3):
        peer.env.reset(seed=seed)
        for action in np.sign(random_actions(seed, steps=150)):
            peer.env.step(action)
            assert not peer.touches_itself()


def test_the_peers_legs_pass_through_each_other(new_pair: Callable[[Damage], Pair]) -> None:
    """Even crossed far beyond the stops, because of ``conaffinity="0"`` in ant.xml; without it they would touch."""
    peer = new_pair({}).peer
    touching = []
    for mask in (0, -1):
        if mask:
            for link in peer.links:
                pybullet.setCollisionFilterGroupMask(peer.ant, link, 1, mask, peer.client)
        peer.pose(1.5, np.array([1.2, 0, -1.2, 0, 0, 0, 0, 0]))
        pybullet.performCollisionDetection(peer.client)
        touching.append(peer.touches_itself())
    assert touching == [False, True]


# The same arithmetic

unit = st.floats(-1, 1)
quaternions = (
    st.tuples(unit, unit, unit, unit)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: np.array(q) / np.linalg.norm(q))
)


@given(quaternions)
def test_euler_angles_are_bullets(quaternion: np.ndarray) -> None:
    np.testing.assert_allclose(
        state.euler(*quaternion), pybullet.getEulerFromQuaternion(quaternion.tolist()), atol=1e-9, rtol=0
    )


@given(st.floats(-3.1, 3.1), st.sampled_from([-1.0, 1.0]), st.floats(-2e-2, 2e-2), st.floats(-3.1, 3.1))
def test_euler_angles_are_bullets_at_the_poles(roll: float, pole: float, off: float, yaw: float) -> None:
    quaternion = pybullet.getQuaternionFromEuler((roll, pole * np.pi / 2 + off, yaw))
    np.testing.assert_allclose(state.euler(*quaternion), pybullet.getEulerFromQuaternion(quaternion), atol=1e-9, rtol=0)


@pytest.mark.parametrize("damage", BODIES + OTHER_DAMAGES, ids=name)
def test_the_mean_position_is_that_of_the_peers_parts(new_pair: Callable[[Damage], Pair], damage: Damage) -> None:
    """In random poses, in the mean over all the parts that the peer lists, the floor at the origin among them."""
    peer, legs = new_pair(damage).peer, state.leg_table(damaged(damage))
    rng = np.random.default_rng(0)
    for _ in range(20):
        position, turn = rng.uniform(-3, 3, 3), rng.normal(size=4)
        peer.pose(1.0, rng.uniform(-2, 2, 8))
        pybullet.resetBasePositionAndOrientation(peer.ant, position, turn / np.linalg.norm(turn), peer.client)
        links = [pybullet.getLinkState(peer.ant, link, 0, True, peer.client)[0] for link in peer.links[1:]]
        base = pybullet.getBasePositionAndOrientation(peer.ant, peer.client)
        parts = [*links, base[0], (0, 0, 0)]
        assert len(parts) == len(peer.env.parts)
        joints = tuple(map(tuple, peer.joint_states()))
        np.testing.assert_allclose(state.mean_position(*base, joints, legs), np.mean(parts, axis=0)[:2], atol=1e-6)
