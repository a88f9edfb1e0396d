"""The embedded Service Quotas over HTTP: a new account's, and requests for more that stay pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.conftest import LocalCloud

GPUS = {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA"}
STANDARD = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}


def test_a_new_account_has_no_gpus_and_asking_for_them_changes_nothing_yet(fresh_cloud: LocalCloud) -> None:
    quotas = fresh_cloud.client("service-quotas")
    gpus = quotas.get_service_quota(**GPUS)["Quota"]
    assert (gpus["Value"], gpus["QuotaName"]) == (0.0, "Running On-Demand G and VT instances")
    assert quotas.get_service_quota(**STANDARD)["Quota"]["Value"] == 5.0
    asked = quotas.request_service_quota_increase(**GPUS, DesiredValue=64)["RequestedQuota"]
    assert (asked["Status"], asked["DesiredValue"]) == ("PENDING", 64.0)
    assert quotas.get_service_quota(**GPUS)["Quota"]["Value"] == 0.0
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        quotas.request_service_quota_increase(**GPUS, DesiredValue=65)
    with pytest.raises(ClientError, match="IllegalArgumentException"):
        quotas.request_service_quota_increase(**STANDARD, DesiredValue=5)
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")
    listed = {one["QuotaCode"]: one["Value"] for one in quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]}
    assert listed["L-DB2E81BA"] == 0.0 and listed["L-34B43A08"] == 5.0
    assert quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]["Value"] == 5.0

    assert fresh_cloud.control("start", "--options", '{"quotas": {"L-DB2E81BA": 48}}').returncode == 0
    fresh_cloud.endpoint = str(fresh_cloud.status()["endpoint"])
    quotas = fresh_cloud.client("service-quotas")
    assert quotas.get_service_quota(**GPUS)["Quota"]["Value"] == 48.0
    assert quotas.get_aws_default_service_quota(**GPUS)["Quota"]["Value"] == 0.0
    (kept,) = quotas.list_requested_service_quota_change_history()["RequestedQuotas"]
    assert kept["Id"] == asked["Id"], "a request outlives a restart"
    history = quotas.list_requested_service_quota_change_history_by_quota
    assert len(history(**GPUS)["RequestedQuotas"]) == 1
    assert history(**STANDARD)["RequestedQuotas"] == []
