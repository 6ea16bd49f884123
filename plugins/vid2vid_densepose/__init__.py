"""Spec of the conditioner `densepose`; imports no heavy library."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement

_REPOSITORY_URL = "git+https://github.com/facebookresearch/detectron2.git"
_INSTALL_COMMAND = "pip install --no-build-isolation"
_DOCUMENTATION_URL = "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"

SPEC = ConditionerSpec(
    name="densepose",
    summary="DensePose of a person: one of 24 body parts and a position on it for each pixel.",
    output="image",
    implementation="vid2vid_densepose.conditioner:DensePose",
    requires=(
        Requirement(
            "detectron2",
            f'{_INSTALL_COMMAND} "{_REPOSITORY_URL}"',
            note=f"Is built against the installed torch; {_DOCUMENTATION_URL}. Not needed with densepose.input_dir.",
        ),
        Requirement(
            "densepose",
            f'{_INSTALL_COMMAND} "{_REPOSITORY_URL}#subdirectory=projects/DensePose"',
            note="Install it after detectron2. Not needed with densepose.input_dir.",
        ),
    ),
)
