"""Losses of Fader Networks (Lample et al., NIPS 2017, section 3.2), for attributes in [-1, 1]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attribute_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Cross-entropy of the classifier, (n, k) twice -> scalar; an attribute of 1 has the probability 1, -1 has 0."""
    return F.binary_cross_entropy_with_logits(logits, (attributes + 1) / 2)


def attribute_adversarial_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Cross-entropy against the opposite attributes: the encoder's term, which removes them from the code."""
    return attribute_loss(logits, -attributes)
