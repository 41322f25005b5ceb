"""A decision tree of scikit-learn as plain arrays and back: what a forest is made of.

scikit-learn walks a tree without looking: a node that leads out of the tree, or a feature that there is not, would read
memory that is not its own. So every node is looked at before a tree is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mer.core.errors import ModelError

LEAF = -1


def is_tree(value: object) -> bool:
    """Return whether a value is scikit-learn's tree, without importing that."""
    kind = type(value)
    return (kind.__module__, kind.__name__) == ("sklearn.tree._tree", "Tree")


def taken_apart(tree: Any) -> dict[str, Any]:
    """Return the numbers of a tree: whole numbers, and arrays, one for each field of its nodes."""
    _, (features, classes, outputs), state = tree.__reduce__()
    nodes = {f"node.{name}": np.ascontiguousarray(state["nodes"][name]) for name in state["nodes"].dtype.names}
    whole = {"features": int(features), "outputs": int(outputs), "depth": int(state["max_depth"])}
    return {**whole, "classes": np.asarray(classes), "values": np.asarray(state["values"]), **nodes}


def put_together(told: Mapping[str, Any]) -> Any:
    """Return the tree that `taken_apart` was given.

    Raises:
        ModelError: its nodes lead out of it, or not to one another.
        KeyError, TypeError, ValueError: an array is missing, or of another shape or type.
    """
    from sklearn.tree._tree import NODE_DTYPE, Tree

    values = np.ascontiguousarray(told["values"], np.float64)
    nodes = np.zeros(len(values), NODE_DTYPE)
    for name in NODE_DTYPE.names or ():
        nodes[name] = told[f"node.{name}"]
    count, features = len(nodes), int(told["features"])
    left, right, own = nodes["left_child"], nodes["right_child"], np.arange(count)
    leaf = left == LEAF
    # A child stands behind its parent, so that no walk ends where it has been.
    ahead = (own < left) & (left < count) & (own < right) & (right < count)
    known = (nodes["feature"] >= 0) & (nodes["feature"] < features)
    if not count or not (np.where(leaf, right == LEAF, ahead & known)).all():
        raise ModelError("checkpoint", "holds a tree whose nodes lead out of it", remedy="train again")
    classes, outputs = np.asarray(told["classes"], np.intp), int(told["outputs"])
    if classes.shape != (outputs,) or values.shape != (count, outputs, max(classes, default=0)):
        raise ModelError("checkpoint", f"holds a tree with values {values.shape}", remedy="train again")
    tree = Tree(features, classes, outputs)
    tree.__setstate__({"max_depth": int(told["depth"]), "node_count": count, "nodes": nodes, "values": values})
    return tree
