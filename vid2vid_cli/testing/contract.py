"""The whole contract of a conditioner, as one class to inherit."""

from __future__ import annotations

from vid2vid_cli.testing.annotate_tests import FindingDuties
from vid2vid_cli.testing.flip_tests import MirrorDuties
from vid2vid_cli.testing.input_file_tests import ReadingDuties
from vid2vid_cli.testing.option_tests import OptionDuties
from vid2vid_cli.testing.render_tests import ShowingDuties


class ConditionerContract(OptionDuties, FindingDuties, ReadingDuties, ShowingDuties, MirrorDuties):
    """What every conditioner keeps to. Inherit it and set `name`.

    Override `clip` where a drawn head shows nothing that the conditioner finds; `files` where it reads labels from
    files; `make` or `footage` where that is not enough.
    """
