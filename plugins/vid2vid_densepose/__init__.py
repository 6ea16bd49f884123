"""The conditioner `densepose`: what it is, without importing anything heavy."""

from vid2vid_cli.conditioning import ConditionerSpec, Requirement

_UPSTREAM = "git+https://github.com/facebookresearch/detectron2.git"
_INSTALL = "pip install --no-build-isolation"
_PAGE = "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"

SPEC = ConditionerSpec(
    name="densepose",
    summary="DensePose of a person: which of 24 parts of the body each pixel shows, and where on that part.",
    output="drawing",
    implementation="vid2vid_densepose.conditioner:DensePose",
    requires=(
        Requirement(
            "detectron2",
            f'{_INSTALL} "{_UPSTREAM}"',
            note=f"Builds against the torch that is installed; {_PAGE}. Not needed for densepose.iuv_dir.",
        ),
        Requirement(
            "densepose",
            f'{_INSTALL} "{_UPSTREAM}#subdirectory=projects/DensePose"',
            note="After detectron2. Not needed for densepose.iuv_dir.",
        ),
    ),
)
