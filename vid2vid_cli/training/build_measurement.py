"""The measurement of a training, by its model family."""

from __future__ import annotations

from vid2vid_cli.config.config import Config
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.unpaired_sampler import UnpairedSampler
from vid2vid_cli.engine.events import EventHandler
from vid2vid_cli.engine.families.savp import SavpState
from vid2vid_cli.engine.families.unpaired import UnpairedState
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.training.interrupt import Interrupt
from vid2vid_cli.training.measurement import SampleMeasurement
from vid2vid_cli.training.prediction_measurement import PredictionMeasurement
from vid2vid_cli.training.unpaired_measurement import UnpairedMeasurement
from vid2vid_cli.training_data.training_data import TrainingData

Measurement = SampleMeasurement | UnpairedMeasurement | PredictionMeasurement


def build_measurement(
    training_data: TrainingData,
    config: Config,
    *,
    sampler: ClipSampler,
    runtime: Runtime,
    state: TrainState,
    emit: EventHandler,
    interrupt: Interrupt,
) -> Measurement:
    """Measures the sample frames of a dataset. Raises TooFewFramesError."""
    if isinstance(sampler, UnpairedSampler) and isinstance(state, UnpairedState):
        return UnpairedMeasurement(training_data, sampler, runtime=runtime, state=state)
    if isinstance(state, SavpState):
        return PredictionMeasurement(training_data, sampler, runtime=runtime, state=state)
    return SampleMeasurement(
        training_data, config, sampler=sampler, runtime=runtime, state=state, emit=emit, interrupt=interrupt
    )
