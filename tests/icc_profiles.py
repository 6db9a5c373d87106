"""Builds ICC profiles byte by byte, and reckons with numpy what colours are in them."""

import struct

import numpy as np

# From linear RGB to XYZ at D50 (Bruce Lindbloom's tables).
SRGB = np.array(
    [[0.43607, 0.38506, 0.14308], [0.22250, 0.71688, 0.06062], [0.01393, 0.09710, 0.71417]]
)
ADOBE = np.array(
    [[0.60976, 0.20524, 0.14922], [0.31112, 0.62566, 0.06322], [0.01948, 0.06089, 0.74484]]
)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SWAPPED = SRGB[:, [1, 2, 0]]


def linear(levels):
    x = np.asarray(levels, float) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def srgb_levels(light):
    x = np.clip(light, 0, 1)
    return 255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def in_space(pixels, matrix, gamma=2.2) -> np.ndarray:
    """(..., 3) of sRGB as levels of another space."""
    light = linear(pixels) @ SRGB.T @ np.linalg.inv(matrix).T
    return (255 * np.clip(light, 0, 1) ** (1 / gamma)).round().astype(np.uint8)


def fixed(*numbers) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def profile_of(space: bytes, tags: dict[bytes, bytes], connection=b"XYZ ", kind=b"mntr") -> bytes:
    """An ICC profile of version 2."""
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, connection)
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


CURVE = curve(2.2)


def xyz(column) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*column)


def matrix_profile(matrix, light: bytes = CURVE) -> bytes:
    primaries = {b"rXYZ": 0, b"gXYZ": 1, b"bXYZ": 2}
    tags = {b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    tags |= {name: xyz(matrix[:, i]) for name, i in primaries.items()}
    return profile_of(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), light))


def table_profile(space: bytes, lab_of_corners: np.ndarray) -> bytes:
    """A profile by a table alone: CIELab of each corner of the colours' cube, in their order."""
    inputs = {b"RGB ": 3, b"CMYK": 4}[space]
    levels = np.stack(
        [lab_of_corners[:, 0] * 2.55, lab_of_corners[:, 1] + 128, lab_of_corners[:, 2] + 128], 1
    )
    table = b"mft1" + bytes(4) + bytes((inputs, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    straight = bytes(range(256))
    table += straight * inputs + levels.round().astype(np.uint8).tobytes() + straight * 3
    tags = {b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"A2B0": table}
    return profile_of(space, tags, b"Lab ", {3: b"scnr", 4: b"prtr"}[inputs])


# Of grey as light.
GREY_PROFILE = profile_of(b"GRAY", {b"wtpt": xyz((0.9642, 1, 0.8249)), b"kTRC": curve(1.0)})


WHITE, BLACK = (100, 0, 0), (0, 0, 0)
_LABS = np.random.default_rng(5).uniform([20, -40, -40], [90, 40, 40], (16, 3)).round()
LABS_OF_INKS, LABS_OF_LIGHTS = _LABS.copy(), _LABS[:8].copy()
LABS_OF_INKS[[0, 7, 15]] = WHITE, BLACK, BLACK  # paper, all three inks, and black besides
LABS_OF_LIGHTS[[0, 7]] = BLACK, WHITE


def srgb_of_lab(lab) -> np.ndarray:
    light, a, b = lab
    y = (light + 16) / 116
    f = np.array([y + a / 500, y, y - b / 200])
    values = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return srgb_levels(np.linalg.inv(SRGB) @ (values * [0.9642, 1.0, 0.8249]))
