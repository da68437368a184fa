"""Modules as people write them, with what published networks lack."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def double(channels: int, filters: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Joins with values from long before."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1, self.enc2, self.bottom = double(3, 4), double(4, 8), double(8, 16)
        self.up2, self.dec2 = nn.ConvTranspose2d(16, 8, 2, 2), double(16, 8)
        self.up1, self.dec1 = nn.ConvTranspose2d(8, 4, 2, 2), double(8, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.enc1(x)
        two = self.enc2(functional.max_pool2d(one, 2))
        y = self.bottom(functional.max_pool2d(two, kernel_size=2))
        y = self.dec2(torch.cat([self.up2(y), two], 1))
        return self.head(self.dec1(torch.cat((one, self.up1(y)), dim=1)))


class Crossed(nn.Module):
    """Ways that are neither in series nor parallel."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.c, self.d = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.fc = nn.Linear(6 * 16 * 16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.a(x))
        b = self.b(a)
        c = self.c(a).add(b)
        d = self.d(b).mul_(c)
        e = torch.cat([torch.maximum(d, a), c + d], 1)[:, 3:9]
        return self.fc(torch.flatten(e, start_dim=1))


class Settings(nn.Module):
    """Each layer with settings that are not its defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2))
        self.norm, self.lrn = nn.GroupNorm(4, 8), nn.LocalResponseNorm(5)
        self.same = nn.Conv2d(8, 8, 4, padding="same")
        self.mirror = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.wide = nn.Conv2d(8, 16, 3, groups=8, padding=2, dilation=2)
        self.grow = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.bins = nn.AdaptiveMaxPool2d((3, 2))
        self.acts = nn.Sequential(
            *(nn.LeakyReLU(0.2), nn.ELU(), nn.GELU(), nn.GELU("tanh"), nn.Hardswish()),
            *(nn.Tanh(), nn.SiLU(), nn.Hardsigmoid(), nn.Hardtanh(0, 6), nn.Identity()),
        )
        self.last_norm, self.fc = nn.LayerNorm(48), nn.Linear(48, 7, bias=False)
        self.softmax = nn.Softmax(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.acts(self.lrn(self.norm(self.stem(x))))
        x = self.grow(self.wide(self.mirror(self.same(x))))
        x = functional.pad(self.pool(self.up(x)), (1, 0, 2, 0))
        x = functional.interpolate(x, scale_factor=2)[:, :, 1:-2, 3:]
        return self.softmax(self.fc(self.last_norm(self.bins(x).flatten(1))))


class Shuffles(nn.Module):
    """Views, in ways that all mean one channel shuffle, a flattening or a part of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped, self.fc = nn.Conv2d(12, 12, 1, groups=3), nn.Linear(12 * 4 * 4, 4)
        self.stem = nn.Conv2d(3, 12, 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.grouped(self.stem(x))
        x = x.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2)
        images, _, height, width = x.size()
        x = x.reshape(images, 2, 6, height, width).permute(0, 2, 1, 3, 4)
        x = x.reshape(images, 12, height, width).contiguous()
        left, right = torch.split(x, 6, dim=1)
        x = torch.cat([right.sigmoid() * left, left], 1)
        return self.fc(x.permute(0, 2, 3, 1).reshape(x.shape[0], -1))


class ChannelsLast(nn.Module):
    """A mixer of channels that keeps them last, with a scale of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.LayerNorm(3)
        self.wide, self.narrow = nn.Linear(3, 9), nn.Linear(9, 3)
        self.gamma = nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.narrow(functional.gelu(self.wide(y))) + y
        return x + self.gamma * y.permute(0, 3, 1, 2)


class Dense(nn.Module):
    """No image at all."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(10, 20), nn.ReLU(), nn.BatchNorm1d(20), nn.Dropout(0.3), nn.Linear(20, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Unsupported(nn.Module):
    """What netdsl has no operator for, in several places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.parts = nn.ModuleDict({"mish": nn.Mish(), "shuffle": nn.PixelShuffle(2)})
        self.shift = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.parts["mish"](self.a(x))
        z = torch.cumsum(y, 1)
        y = self.c(self.c(y) * 2 + self.shift)
        return self.parts["shuffle"](y - z)


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.c(x), x


class Branching(nn.Module):
    """A forward that looks at its values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.sum() > 0 else x
