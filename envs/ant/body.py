"""The ant's body: geometry read from Bullet's ``ant.xml``, damage applied, welded links merged, written as a URDF.

Bullet loads ``ant.xml`` as 21 links, 12 of which are welded to their parents: four stubs to the torso, and the geometry
of every hip and foot to a massless link that carries the joint. Featherstone's algorithm walks through all of them in
each of its passes. Here they are merged into 9 bodies with the same masses, inertias, joints, limits and friction,
which takes about 0.6 of the time. Parts of the ant pass through each other, as the file says (conaffinity 0).
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

LEGS = ("left_front", "right_front", "left_back", "right_back")
"""Legs by their place when walking along +x. The body names of ``ant.xml`` say otherwise."""

DENSITY = 1000.0  # kg/m^3: Bullet's MJCF importer ignores the file's density
COLLISION_MARGIN = 0.04  # m: Bullet's CONVEX_DISTANCE_MARGIN, part of the box it takes a capsule's inertia from


@dataclass(frozen=True)
class Capsule:
    """A capsule from ``start`` to ``end`` (m, in its body's frame), lying in the body's x-y plane."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.start[0] + self.end[0]) / 2, (self.start[1] + self.end[1]) / 2

    @property
    def length(self) -> float:
        return math.dist(self.start, self.end)

    @property
    def mass(self) -> float:
        """In kg."""
        return DENSITY * math.pi * self.radius**2 * (self.length + 4 / 3 * self.radius)

    @property
    def inertia(self) -> tuple[float, float, float]:
        """Principal moments (kg m^2) as Bullet takes them: those of the box that bounds the shape and its margin."""
        margin = COLLISION_MARGIN if self.length else 0.0  # Bullet takes another shape, without, for no length at all
        x = abs(self.end[0] - self.start[0]) + 2 * (self.radius + margin)
        y = abs(self.end[1] - self.start[1]) + 2 * (self.radius + margin)
        z = 2 * (self.radius + margin)
        return tuple(self.mass / 12 * s for s in (y * y + z * z, x * x + z * z, x * x + y * y))  # type: ignore[return-value]

    def shortened(self, fraction: float) -> Capsule:
        """The same capsule with this fraction of its length, measured from its start."""
        (x0, y0), (x1, y1) = self.start, self.end
        return replace(self, end=(x0 + fraction * (x1 - x0), y0 + fraction * (y1 - y0)))


@dataclass(frozen=True)
class Joint:
    """A hinge at ``position`` (m, in the parent's frame) about ``axis``, between ``limits`` (rad).

    Bullet does not normalise the axis, so its length (1 at a hip, sqrt 2 at an ankle) is part of the mechanics.
    """

    name: str
    position: tuple[float, float]
    axis: tuple[float, float, float]
    limits: tuple[float, float]


@dataclass(frozen=True)
class Leg:
    """One leg: a stub welded to the torso, a hip, an upper segment, an ankle, a lower segment."""

    place: str
    stub: Capsule
    hip: Joint
    upper: Capsule
    ankle: Joint
    lower: Capsule
    colour: str


@dataclass(frozen=True)
class Body:
    """A whole ant: its torso's radius and starting height (m), friction, and legs in the file's order."""

    torso_radius: float
    height: float
    friction: float
    legs: tuple[Leg, ...]


def _numbers(text: str | None) -> tuple[float, ...]:
    return tuple(float(word) for word in (text or "").split())


def _capsule(geom: ET.Element) -> Capsule:
    x0, y0, _, x1, y1, _ = _numbers(geom.get("fromto"))
    return Capsule((x0, y0), (x1, y1), float(geom.get("size", "nan")))


def _joint(body: ET.Element) -> Joint:
    joint = body.find("joint")
    assert joint is not None
    x, y, _ = _numbers(body.get("pos"))
    low, high = _numbers(joint.get("range"))
    ax, ay, az = _numbers(joint.get("axis"))
    return Joint(joint.get("name", ""), (x, y), (ax, ay, az), (math.radians(low), math.radians(high)))


def _place(x: float, y: float) -> str:
    return f"{'left' if y > 0 else 'right'}_{'front' if x > 0 else 'back'}"


@cache
def undamaged() -> Body:
    """The ant of ``pybullet_data/mjcf/ant.xml``."""
    import pybullet_data

    root = ET.parse(Path(pybullet_data.getDataPath()) / "mjcf" / "ant.xml").getroot()
    torso, default = root.find("worldbody/body"), root.find("default/geom")
    assert torso is not None and default is not None
    legs = []
    for leg in torso.findall("body"):
        hip = leg.find("body")
        ankle = hip.find("body") if hip is not None else None
        assert hip is not None and ankle is not None
        geoms = [part.find("geom") for part in (leg, hip, ankle)]
        stub, upper, lower = (_capsule(geom) for geom in geoms if geom is not None)
        colour = geoms[0].get("rgba", default.get("rgba", "")) if geoms[0] is not None else ""
        legs.append(Leg(_place(*upper.end), stub, _joint(hip), upper, _joint(ankle), lower, colour))
    geom = torso.find("geom")
    assert geom is not None
    friction = _numbers(default.get("friction"))[0]
    return Body(float(geom.get("size", "nan")), _numbers(torso.get("pos"))[2], friction, tuple(legs))


def damaged(damage: Mapping[str, float]) -> Body:
    """The ant with the lower segment of some legs cut to a fraction of its length.

    Args:
        damage: leg (one of :data:`LEGS`) to remaining fraction, 1 whole, 0.25 as in the paper, 0 nothing but the knee.
    """
    body = undamaged()
    legs = tuple(replace(leg, lower=leg.lower.shortened(damage.get(leg.place, 1.0))) for leg in body.legs)
    return replace(body, legs=legs)


def to_mjcf(damage: Mapping[str, float]) -> str:
    """Bullet's own ``ant.xml`` with the same damage: what its AntBulletEnv would load. For comparison."""
    import pybullet_data

    tree = ET.parse(Path(pybullet_data.getDataPath()) / "mjcf" / "ant.xml")
    for leg in damaged(damage).legs:
        ankle = tree.find(f".//joint[@name='{leg.ankle.name}']/../geom")
        assert ankle is not None
        (x0, y0), (x1, y1) = leg.lower.start, leg.lower.end
        ankle.set("fromto", f"{x0} {y0} 0.0 {x1} {y1} 0.0")
    return ET.tostring(tree.getroot(), encoding="unicode")


def to_urdf(body: Body, intact: Body | None = None) -> str:
    """The merged ant as a URDF: a torso and, for each leg in turn, an upper and a lower segment.

    A lower segment that is shorter than in ``intact`` is painted red.
    """
    volume = 4 / 3 * math.pi * body.torso_radius**3
    mass = DENSITY * volume
    inertia = [0.4 * mass * body.torso_radius**2] * 3
    for leg in body.legs:  # parallel axes; the products of inertia of four stubs in a cross cancel
        x, y = leg.stub.centre
        for axis, offset in enumerate((y * y, x * x, x * x + y * y)):
            inertia[axis] += leg.stub.inertia[axis] + leg.stub.mass * offset
        mass += leg.stub.mass
    parts = [f'<link name="torso">{_inertial(mass, (0.0, 0.0), inertia, body.friction)}']
    parts += [_shape(f'<sphere radius="{body.torso_radius}"/>', '<origin xyz="0 0 0"/>', "0.8 0.6 0.4 1")]
    parts += [_capsule_shape(leg.stub, leg.colour) for leg in body.legs] + ["</link>"]
    for leg in body.legs:
        short = intact is not None and leg.lower not in {other.lower for other in intact.legs}
        painted = "0.8 0.1 0.1 1" if short else leg.colour
        segments = (
            (leg.upper, leg.hip, "torso", "upper", leg.colour),
            (leg.lower, leg.ankle, f"{leg.place}_upper", "lower", painted),
        )
        for capsule, joint, parent, name, colour in segments:
            inertial = _inertial(capsule.mass, capsule.centre, capsule.inertia, body.friction)
            parts.append(f'<link name="{leg.place}_{name}">{inertial}{_capsule_shape(capsule, colour)}</link>')
            parts.append(_hinge(joint, parent, f"{leg.place}_{name}"))
    return "\n".join(['<robot name="ant">', *parts, "</robot>"])  # Bullet reads lines of at most 8 kB


def _inertial(mass: float, centre: tuple[float, float], moments: Sequence[float], friction: float) -> str:
    ixx, iyy, izz = moments
    return (
        f'<inertial><origin xyz="{centre[0]} {centre[1]} 0"/><mass value="{mass}"/>'
        f'<inertia ixx="{ixx}" iyy="{iyy}" izz="{izz}" ixy="0" ixz="0" iyz="0"/></inertial>'
        f'<contact><lateral_friction value="{friction}"/></contact>'
    )


def _shape(geometry: str, origin: str, colour: str) -> str:
    material = f'<material name="m{colour}"><color rgba="{colour}"/></material>'
    geometry = f"{origin}<geometry>{geometry}</geometry>"
    return f"<collision>{geometry}</collision><visual>{geometry}{material}</visual>"


def _capsule_shape(capsule: Capsule, colour: str) -> str:
    (x0, y0), (x1, y1) = capsule.start, capsule.end
    yaw = math.atan2(y1 - y0, x1 - x0)  # a URDF capsule lies along z: tip it into the plane, then turn it
    origin = f'<origin xyz="{capsule.centre[0]} {capsule.centre[1]} 0" rpy="0 {math.pi / 2} {yaw}"/>'
    return _shape(f'<capsule radius="{capsule.radius}" length="{capsule.length}"/>', origin, colour)


def _hinge(joint: Joint, parent: str, child: str) -> str:
    x, y = joint.position
    axis, (low, high) = " ".join(map(str, joint.axis)), joint.limits
    return (
        f'<joint name="{joint.name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{x} {y} 0"/><axis xyz="{axis}"/>'
        f'<limit lower="{low}" upper="{high}" effort="0" velocity="0"/></joint>'
    )
