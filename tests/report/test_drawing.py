import re
import xml.etree.ElementTree as ET

import numpy as np
from matplotlib.figure import Figure

from devise_lib.report.drawing import style, to_svg

GROUP, USE = (f"{{http://www.w3.org/2000/svg}}{name}" for name in ("g", "use"))


def draw() -> str:
    """40 points on a straight line, and a name that looks like a number with many digits."""
    with style():
        figure = Figure(figsize=(3, 2))
        axes = figure.add_subplot()
        axes.scatter(np.arange(40) * 1.23456, np.arange(40) * 9.87654, c="red", alpha=0.5)
        axes.set_title("x=1.23456")
        return to_svg(figure).decode()


def test_numbers_have_two_digits_after_the_point_and_names_stay_as_they_are():
    svg = draw()
    assert not [tag for tag in re.findall(r"<[^>]*>", svg) if re.search(r"\d\.\d{3}", tag)]
    assert "x=1.23456" in "".join(ET.fromstring(svg).itertext())


def test_points_share_one_style_and_are_where_they_were_drawn():
    """Equal steps of the data are equal steps of the picture."""
    svg = draw()
    [group] = [g for g in ET.fromstring(svg).iter(GROUP) if len(g.findall(USE)) == 40]
    assert group.attrib["style"].startswith("fill: #ff0000; fill-opacity: 0.5")
    assert not any("style" in point.attrib for point in group)
    at = np.array([[float(point.attrib[axis]) for axis in "xy"] for point in group])
    steps = np.diff(at, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps.mean(axis=0), steps.shape), atol=0.02)
    assert steps.mean(axis=0)[0] > 0 > steps.mean(axis=0)[1]
