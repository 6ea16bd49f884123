"""Layers of few-shot vid2vid's image synthesis network (Wang et al., NeurIPS 2019, arXiv:1910.12713, section 3).

Attention over the positions of K references, alpha_k = softmax_{k,s}(a_k^T a_t), combines their features:

    q(t) = sum_k sum_s alpha_k(s, t) q_k(s)

and SPADE layers (Park et al., CVPR 2019), whose weights theta are generated from q, modulate normalised features p_H by
the features p_S of the conditions:

    p = relu(p_S * theta_S);   (gamma, beta) = p * theta_gamma_beta;   p_H <- (1 + gamma) norm(p_H) + beta

Multi-SPADE repeats the last step for images that are already aligned: the warped references and the warped last frame,
whose weights are learned as usual.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.networks.blocks import Norm, PatchEmbed, conv_block, norm_layer

MIN_WEIGHT = 1e-9
"""A reference of weight zero has this share of the attention."""
RELU_GAIN, MODULATION_GAIN = 2**0.5, 0.3
"""Standard deviation of initial weights times the root of their number of inputs: hidden layers; gamma and beta."""


class ReferenceAttention(nn.Module):
    """Combines the features of references at all their positions, by the similarity of keys and a query."""

    def __init__(self, channels: int, key_channels: int) -> None:
        """`channels`: of the features of the conditions and of the references."""
        super().__init__()
        self.query = nn.Conv2d(channels, key_channels, 1)
        self.key = nn.Conv2d(channels, key_channels, 1)

    def forward(self, features: Tensor, reference_features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(b, c, h, w) of the frame, (b, n, c, h, w), weights (b, n) -> (b, c, h, w) combined, (b, n, h, w) shares.

        The shares of the references, with the sum 1, are their attention summed over all positions. Their prior is
        `weights`: a reference that is faded in gains attention steadily.
        """
        batch, num_references, channels, height, width = reference_features.shape
        cells = height * width
        query = self.query(features).flatten(2)  # (b, d, t)
        keys = self.key(reference_features.flatten(0, 1)).view(batch, num_references, -1, cells)
        keys = keys.transpose(2, 3).reshape(batch, num_references * cells, -1)
        prior = weights.float().clamp(min=MIN_WEIGHT).log()[:, :, None, None]
        scale = keys.shape[-1] ** -0.5
        logits = (scale * (keys @ query)).float().view(batch, num_references, cells, cells) + prior
        attention = torch.softmax(logits.flatten(1, 2), 1)  # (b, n s, t)
        values = reference_features.flatten(3).transpose(1, 2).reshape(batch, channels, num_references * cells)
        combined = (values @ attention.to(values.dtype)).view(batch, channels, height, width)
        shares = attention.view(batch, num_references, cells, cells).sum(2)
        return combined, shares.view(batch, num_references, height, width)


class GeneratedModulation(nn.Module):
    """Modulation by the condition; both convolutions have weights that are generated for each item of the batch."""

    def __init__(self, channels: int, condition_channels: int, code_channels: int) -> None:
        """`channels`: of the modulated features. `code_channels`: of the vector from which weights are generated."""
        super().__init__()
        self.condition_channels, self.hidden_channels = condition_channels, condition_channels // 2
        self.hidden_weights = nn.Linear(code_channels, self.hidden_channels * condition_channels * 9)
        self.modulation_weights = nn.Linear(code_channels, 2 * channels * self.hidden_channels)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Start from weights of the usual variance: the bias is what all references share."""
        hidden_std = RELU_GAIN * (9 * self.condition_channels) ** -0.5
        modulation_std = MODULATION_GAIN * self.hidden_channels**-0.5
        for layer, std in ((self.hidden_weights, hidden_std), (self.modulation_weights, modulation_std)):
            nn.init.normal_(layer.bias, 0.0, std)
            nn.init.normal_(layer.weight, 0.0, std)

    def forward(self, condition: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """(b, condition_channels, h, w), (b, code_channels) -> gamma and beta (b, channels, h, w)."""
        hidden_weights = self.hidden_weights(code).view(-1, self.hidden_channels, self.condition_channels, 3, 3)
        hidden = F.relu(convolve_items(condition, hidden_weights))
        modulation_weights = self.modulation_weights(code).view(len(hidden), -1, self.hidden_channels, 1, 1)
        gamma, beta = convolve_items(hidden, modulation_weights).chunk(2, 1)
        return gamma, beta


class ImageModulation(nn.Module):
    """Modulation by the embedding of an aligned image. An embedding of zeros leaves the features as they are."""

    def __init__(self, channels: int, embedding_channels: int) -> None:
        super().__init__()
        # Without biases, so that zeros have no effect.
        hidden_channels = embedding_channels // 2
        self.hidden = nn.Conv2d(embedding_channels, hidden_channels, 3, 1, 1, bias=False)
        self.modulation = nn.Conv2d(hidden_channels, 2 * channels, 1, bias=False)

    def init_weights(self) -> None:
        """Start from a modulation that is as strong as that by the condition."""
        nn.init.normal_(self.hidden.weight, 0.0, RELU_GAIN * (9 * self.hidden.in_channels) ** -0.5)
        nn.init.normal_(self.modulation.weight, 0.0, MODULATION_GAIN * self.modulation.in_channels**-0.5)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """(b, embedding_channels, h, w) -> gamma and beta (b, channels, h, w)."""
        gamma, beta = self.modulation(F.relu(self.hidden(embedding))).chunk(2, 1)
        return gamma, beta


class MultiSpadeBlock(nn.Module):
    """x + conv(relu(multi_spade(x)))."""

    def __init__(self, channels: int, embedding_channels: int, code_channels: int, num_images: int, norm: Norm) -> None:
        """`embedding_channels`: of the condition and of the `num_images` aligned images that modulate too."""
        super().__init__()
        # SPADE normalises without learned gains: gamma and beta take their place.
        self.norm = norm_layer(channels, "instance_no_affine" if norm == "instance" else norm)
        self.condition = GeneratedModulation(channels, embedding_channels, code_channels)
        self.images = nn.ModuleList(ImageModulation(channels, embedding_channels) for _ in range(num_images))
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor, condition: Tensor, code: Tensor, images: Sequence[Tensor]) -> Tensor:
        """(b, c, h, w), (b, e, h, w), (b, code), one (b, e, h, w) per aligned image -> (b, c, h, w).

        Fewer `images` than `num_images`: the last ones have no effect.
        """
        modulated = modulate(self.norm(x), *self.condition(condition, code))
        for layer, image in zip(self.images, images, strict=False):
            modulated = modulate(modulated, *layer(image))
        return x + self.conv(F.relu(modulated))  # type: ignore[no-any-return]


class ReferenceEncoder(nn.Module):
    """Features of reference images at the coarsest level.

    Group normalisation, whatever the generator has: instance normalisation removes what is constant over an image, and
    the generated weights depend on the mean over the image.
    """

    def __init__(self, base_channels: int, patch_size: int, num_levels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [PatchEmbed(3, base_channels, patch_size), nn.ReLU(inplace=True)]
        for level in range(num_levels):
            layers.append(conv_block(base_channels << level, base_channels << level + 1, 3, "group", stride=2))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(b, n, 3, h, w) -> (b, n, c, h / size, w / size)."""
        features = self.layers(images.flatten(0, 1))
        return features.view(*images.shape[:2], *features.shape[1:])  # type: ignore[no-any-return]


def modulate(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """(1 + gamma) x + beta"""
    return torch.addcmul(x + beta, x, gamma)


def convolve_items(x: Tensor, weights: Tensor) -> Tensor:
    """Convolve each item of the batch with its own weights, (b, i, h, w), (b, o, i, k, k) -> (b, o, h, w)."""
    batch, out_channels, in_channels, size, _ = weights.shape
    if batch == 1:
        return F.conv2d(x, weights[0], padding=size // 2)
    grouped = x.reshape(1, batch * in_channels, *x.shape[2:])
    result = F.conv2d(grouped, weights.flatten(0, 1), padding=size // 2, groups=batch)
    return result.view(batch, out_channels, *x.shape[2:])
