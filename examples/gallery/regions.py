"""Regions of the face.

Landmarks, and the boxes of action units that a model of regions is given.
"""

import sys

import cv2
from face import ALIGNED, ONSET, show

import mer

regions = mer.rois(ONSET, ALIGNED.landmarks[0])
drawn, boxed = ONSET.copy(), ONSET.copy()
for x, y in ALIGNED.landmarks[0]:
    cv2.circle(drawn, (round(float(x)), round(float(y))), 1, (0, 255, 0), -1)
for left, top, right, bottom in regions.boxes.round().astype(int).tolist():
    cv2.rectangle(boxed, (left, top), (right - 1, bottom - 1), (255, 200, 0), 1)
show(sys.argv[1], (5.2, 2.8), {"68 landmarks": drawn, f"{len(regions.names)} regions": boxed})
