"""The fixtures of `report_world`, whose name no other test folder has."""

from report_world import *  # noqa: F403
