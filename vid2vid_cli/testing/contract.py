"""The complete conditioner contract, as one class to inherit."""

from __future__ import annotations

from vid2vid_cli.testing.annotate_tests import AnnotateTests
from vid2vid_cli.testing.flip_tests import FlipTests
from vid2vid_cli.testing.input_file_tests import InputFileTests
from vid2vid_cli.testing.option_tests import OptionTests
from vid2vid_cli.testing.render_tests import RenderTests


class ConditionerContract(OptionTests, AnnotateTests, InputFileTests, RenderTests, FlipTests):
    """Tests that every conditioner passes. Inherit the class and set `name`.

    Override `clip` if the conditioner detects nothing on the synthetic head, `write_input_files` if it reads labels
    from files, and `make_conditioner` or `video_context` if that is not enough.
    """
