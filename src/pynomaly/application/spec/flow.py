"""A whole flow: what an operator writes, validated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pynomaly.application.spec.alert import AlertSpec, levels_of
from pynomaly.application.spec.check import broken_rules
from pynomaly.application.spec.complaint import as_validation_error
from pynomaly.application.spec.dataset import DATASET_RECORDS
from pynomaly.application.spec.detect import PlacedPart, place_parts
from pynomaly.application.spec.duration import SECOND_NS, Duration
from pynomaly.application.spec.entry import EntrySpec
from pynomaly.application.spec.option import from_options
from pynomaly.application.spec.record import RecordSpec
from pynomaly.application.spec.section import Section
from pynomaly.application.spec.sink import OutputSpec
from pynomaly.application.spec.source import DatasetSource, SourceSpec
from pynomaly.application.spec.window import WindowSpec
from pynomaly.domain.decision import AlertPolicyOptions, CombinationOptions, PersistenceOptions
from pynomaly.domain.outcome import Level
