"""Colours for pictures: those of Okabe & Ito (2008), which the colour-blind can tell apart, and a grey."""

BLACK, BLUE, ORANGE, GREEN = "#000000", "#0072b2", "#e69f00", "#009e73"
RED, PINK, SKY, GREY = "#d55e00", "#cc79a7", "#56b4e9", "#7f7f7f"
SERIES = (BLUE, ORANGE, GREEN, RED, PINK, SKY)  # where there is nothing to choose by
