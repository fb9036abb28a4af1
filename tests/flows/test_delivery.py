"""What an output does not take is told with its number where somebody sees it: in the error and in the log."""

from __future__ import annotations

import logging
import re

import pytest

from pynomaly.application.tally import Tally
from pynomaly.domain.error import AccessError, DeliveryError
from pynomaly_flows.delivery import Delivery


@pytest.mark.parametrize("error", [DeliveryError("must be delivered", 1_200), AccessError("must be open", 1_200)])
def test_a_failure_names_its_messages_once(
    error: DeliveryError | AccessError, caplog: pytest.LogCaptureFixture
) -> None:
    """The process ends before its metrics are scraped; a broken writer that raises again counts nothing again."""

    def refuse() -> None:
        raise error

    rule = str(error)
    delivery = Delivery("alerts", Tally())
    for _ in range(2):
        with pytest.raises(
            type(error), match=f"^{re.escape(rule)} .1,200 messages of output alerts were not confirmed.$"
        ):
            delivery.confirm(refuse)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [(line.getMessage(), line.__dict__["messages"]) for line in told] == [("delivery_failed", 1_200)]


def test_a_failure_before_any_message_has_no_number() -> None:
    """An output that refuses us at its opening has lost nothing."""

    def refuse() -> None:
        raise AccessError("must be open")

    with pytest.raises(AccessError, match=r"^must be open$"):
        Delivery("alerts", Tally()).queue(refuse, 5)
