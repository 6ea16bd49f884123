"""vid2vid trains video-to-video synthesis models on short videos and generates new video from labels.

Python API: `from vid2vid_cli import prepare, train, synthesize, transfer, load_generator`. The names are imported on
first use, so that `import vid2vid_cli` does not import torch.
"""

from importlib import import_module

TYPE_CHECKING = False  # not imported from `typing`, so that `python -m vid2vid_cli` imports nothing before it is safe

if TYPE_CHECKING:
    from vid2vid_cli.api import load_generator, prepare, synthesize, train, transfer, transfer_many

__version__ = "0.1.0"
__all__ = ["__version__", "load_generator", "prepare", "synthesize", "train", "transfer", "transfer_many"]


def __getattr__(name: str) -> object:
    """The functions of `vid2vid_cli.api`, imported on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return vars(import_module("vid2vid_cli.api"))[name]
