"""What a run leaves behind while it trains: states, the checkpoint, and pictures of held-out frames."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import torch

from vid2vid_cli.config.config import Config, OptimizerConfig
from vid2vid_cli.core.errors import DiskFullError, DivergedError
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.clip_sampler import ClipSampler, usable_runs
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.engine.checkpoint import drop_old, mark_best, pointed, save_checkpoint, save_state
from vid2vid_cli.engine.events import Tell, Wrote
from vid2vid_cli.engine.inference import generate, held_out_quality, to_picture
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.style_bank import StyleBank, StyleChoice, Styler
from vid2vid_cli.engine.styles import give_styles
from vid2vid_cli.media.images import save_png
from vid2vid_cli.networks.style_encoder import style_encoder
from vid2vid_cli.rendering.label_channels import planes_of
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.samples import sample_sheet
from vid2vid_cli.training.style_collection import collect_styles
from vid2vid_cli.training_data.training_data import Subject

PREDICTED = 10
"""Label maps that a sample's quality is measured on, where they are predicted."""
LOOKED_AT = 24
"""Held-out frames that are generated for a sample; enough to see motion, and soon done."""


class Keeper:
    """Called after each step; saves and samples when it is time. Nothing it does changes the training."""

    def __init__(
        self,
        run: RunFolder,
        config: Config,
        subject: Subject,
        sampler: ClipSampler,
        machine: Machine,
        state: TrainState,
        kept: Mapping[str, Any],
        tell: Tell,
        interrupt: Interrupt,
    ) -> None:
        self.run, self.config, self.subject, self.machine = run, config, subject, machine
        self.state, self.tell, self.interrupt = state, tell, interrupt
        self.best: float | None = kept.get("best")
        self.saved_at = state.step
        self.saved_when = float(kept["seconds"])
        self.sampler = sampler
        self.planes = planes_of(subject.conditioners) if config.generator.draws == "labels" else None
        self.span, self.seen = _sample_span(subject, sampler)
        self.clip: ClipBatch = sampler.span(self.span)
        self._generated: tuple[int, list[FrameOutput]] | None = None
        self._bank: tuple[int, StyleBank] | None = None
        run.samples.mkdir(parents=True, exist_ok=True)

    def after_step(self, seconds: float) -> bool:
        """Save and sample if it is time; False when training shall end. Raises DivergedError."""
        output, step = self.config.output, self.state.step
        if step % output.sample_every == 0:
            self._sample()
        late = seconds - self.saved_when >= output.save_minutes * 60
        if step % output.save_every == 0 or late:
            self._save(seconds)
        return not self.interrupt.asked

    def finish(self, seconds: float) -> dict[str, float]:
        """The last state, the last sample, and the quality on held-out frames. Raises DivergedError."""
        if self.state.step % self.config.output.sample_every or self.state.step == 0:
            self._sample()
        self._save(seconds)
        what = "PSNR on {} frames (dB)" if self.planes is None else "mean IoU on {} frames (%)"
        return {what.format(self.seen): self.quality}

    def diverged(self, error: DivergedError) -> DivergedError:
        """The same error, with what is left and what to do."""
        last = pointed(self.run.checkpoints, "last")
        if last is None:
            kept, then = "no checkpoint had been written yet", "Train again"
        else:
            kept, then = f"{self.run.result} of step {self.saved_at} is kept", "Use that, or train again"
        rate = min(self.config.optimizer.rate / 4, OptimizerConfig().rate)
        return DivergedError(
            f"{error.message}, so training stopped; {kept}.",
            f"{then} with a lower learning rate: --set optimizer.rate={rate:g}",
        )

    def full(self, error: DiskFullError) -> DiskFullError:
        """The same error, with how to go on."""
        if pointed(self.run.checkpoints, "last") is None:
            return error
        words = shlex.join(["vid2vid", "train", "--resume", str(self.run.path)])
        return DiskFullError(error.message, f"Free some space, then continue: {words}")

    def _save(self, seconds: float) -> None:
        # A step may break the weights without breaking its own losses: what was good must not be replaced by that.
        if not self.state.is_finite():
            raise DivergedError(f"weights became NaN or infinite at step {self.state.step}")
        self.quality = self._measure()
        better = self.best is None or self.quality > self.best
        self.best = self.quality if better else self.best
        extra = {"seconds": seconds, "best": self.best, "quality": self.quality}
        place = save_state(self.run.checkpoints, self.state, extra)
        if better:
            mark_best(self.run.checkpoints, place)
        training = {
            "steps": self.state.step,
            "seconds": round(seconds, 1),
            "dataset": self.subject.dataset.manifest.name,
            f"{'psnr' if self.planes is None else 'iou'}_{self.seen.replace('-', '_')}": round(self.quality, 2),
        }
        if licence := self.run.record().licence:
            training["licence"] = licence
        info = self.subject.info(self.run.name, self.config, training, self._styles())
        save_checkpoint(self.run.result, self.state.average, info)
        drop_old(self.run.checkpoints, self.config.output.keep)
        self.saved_at, self.saved_when = self.state.step, seconds
        self.tell(Wrote(str(place), "checkpoint", extra))

    def _measure(self) -> float:
        """How good the sample is: PSNR in dB; of label maps the mean IoU of the next ones in %, more being better."""
        if self.planes is None:
            return held_out_quality(self._look(), self.clip)
        given, wanted = self.config.given, self.clip.frames[0].float()
        found = torch.cat([output.image.cpu().float() for output in self._look()])
        ahead = slice(given, given + PREDICTED)
        return float(self.planes.overlap(found[ahead], wanted[ahead]).mean())

    def _look(self) -> list[FrameOutput]:
        """The sample frames as the average weights draw them, generated once a step for sample and state alike."""
        if self._generated is None or self._generated[0] != self.state.step:
            self._generated = self.state.step, self._draw()
        return self._generated[1]

    def _draw(self) -> list[FrameOutput]:
        if self.planes is None:
            styles = self._styles()
            # As in synthesis where nothing is chosen: what the encoder sees in these frames would tell the answer.
            conditions = give_styles(self.clip, None if styles is None else Styler(styles, StyleChoice()))
            begin = self.clip.frames[:, :1] if self.config.given else None
            return generate(self.state.average, conditions, self.machine, begin)
        known = self.clip.frames[:, : self.config.given].float()
        outputs = generate(self.state.average, self.clip.conditions[:, self.config.given :], self.machine, known)
        return [*(FrameOutput(frame, frame) for frame in known.unbind(1)), *outputs]

    def _styles(self) -> StyleBank | None:
        """What the average encoder sees in the training frames, collected once a step; None for a model without."""
        encoder = style_encoder(self.state.average)
        if encoder is not None and (self._bank is None or self._bank[0] != self.state.step):
            bank = collect_styles(self.subject, self.sampler, self.config.style, encoder, self.machine)
            self._bank = self.state.step, bank
        return None if self._bank is None else self._bank[1]

    def _sample(self) -> None:
        path = self.run.samples / f"step_{self.state.step:07d}.png"
        paint = to_picture if self.planes is None else self.planes.picture
        save_png(path, sample_sheet(self.subject, self.span, self.clip, self._look(), paint))
        self.tell(Wrote(str(path), "sample"))


def _sample_span(subject: Subject, sampler: ClipSampler) -> tuple[Span, str]:
    """The first held-out frames, and what to call them; training frames where nothing was held out."""
    names = [conditioner.spec.name for conditioner in subject.conditioners]
    held_out = usable_runs(subject.dataset, names, "holdout")
    span = max(held_out or sampler.runs, key=lambda run: run.frames)
    last = min(span.last, span.first + LOOKED_AT)
    return Span(span.clip, span.first, last), "held-out" if held_out else "training"
