"""States of EC2's resources that last: moto changes at once, so deletions are put off and states shown meanwhile.

Sources: https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html (a deleted gateway is listed for about
an hour), https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html (what makes one fail),
https://github.com/eformat/sno-for-100/issues/9 (its address is let go of only a while after it is deleted),
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html (states; a terminated instance is listed
for about an hour), https://docs.aws.amazon.com/vpc/latest/privatelink/concepts.html (states of endpoints),
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcEndpoints.html (answers 200 and lists failures).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict import ec2_interfaces as interfaces
from awsrun.local.strict.ec2_visible import filters, named
from awsrun.local.strict.ec2_xml import answer, listed, put
from awsrun.local.strict.ledger import Key, Ledger
from awsrun.local.strict.rules import backend

# Seconds, at most.
PENDING = {"vpc": 2.0, "subnet": 2.0, "nat": 180.0, "vpce": 90.0, "i": 60.0}
DELETING = {"nat": 90.0, "vpce": 90.0, "i": 120.0}
ROUTES_GOING = 10.0  # of a gateway endpoint, which is nothing but routes
STOPPING = 60.0
LETTING_GO = 15.0  # from deleted on, until the address and interface of a NAT gateway are free
REMEMBERED = 3600.0  # for how long what is gone is listed

_FIELDS = {"DescribeNatGateways": "state", "DescribeSubnets": "state", "DescribeVpcs": "state"}
_FIELDS |= {
    "DescribeVpcEndpoints": "state",
    "DescribeInstances": "instanceState",
    "DescribeInstanceStatus": "instanceState",
}
_FILTERS = {"state", "vpc-endpoint-state", "instance-state-name", "instance-state-code"}
_CODES = {"pending": "0", "running": "16", "shutting-down": "32", "terminated": "48", "stopping": "64", "stopped": "80"}
_STATE = "<{0}><code>{1}</code><name>{2}</name></{0}>"
_PROTECTED = (
    "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
)
# https://github.com/hashicorp/terraform-provider-aws/pull/3072
_NOT_FOR_ADDRESSES = "The {} instance '{}' is not in a valid state for this operation."
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/stop-spot-instances.html
_SPOT = (
    "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. "
    "You can only stop Spot Instances associated with persistent Spot Instance requests."
)
_UNSUCCESSFUL = (
    "<item><error><code>InvalidVpcEndpoint.NotFound</code>"
    "<message>The Vpc Endpoint Id '{0}' does not exist</message></error><resourceId>{0}</resourceId></item>"
)


class States:
    """What becomes of NAT gateways, endpoints and instances, and when."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # -- beginnings ----------------------------------------------------------------------------------------------------

    def begin(self, call: Call, id: str, entry: Element) -> None:
        """``id`` was made now: it is pending for its time."""
        prefix, records = id.partition("-")[0], _records(call)
        if prefix == "nat":
            interfaces.of_nat_gateway(records, id)
            if records.nat_gateways[id].state == "failed":
                self._ledger.later(REMEMBERED, "ec2", "forget", call.environ, call.body, id)
        elif prefix == "vpce":
            interfaces.of_endpoint(records, id)
        elif prefix == "i":
            records.get_instance(id).disable_api_termination = call.form.get("DisableApiTermination") == "true"
        if prefix in PENDING and not _is_route(call, id):
            key = _key(call, id)
            self._ledger.enter(key, "pending", self._ledger.lag(key, PENDING[prefix]))
            self._show(entry, "instanceState" if prefix == "i" else "state", "pending")

    # -- what is answered in moto's place ------------------------------------------------------------------------------

    def before(self, call: Call, inner: Perform) -> Reply | None:
        """The answer to what is put off or refused; None where moto does the rest."""
        if call.action == "DeleteNatGateway":
            return self._delete_nat_gateway(call)
        if call.action == "DeleteVpcEndpoints":
            return self._delete_endpoints(call)
        if call.action == "TerminateInstances":
            return self._terminate(call, inner)
        if call.action in ("AssociateAddress", "StartInstances", "StopInstances", "ModifyInstanceAttribute"):
            return self._unfit(call)
        return None

    def _delete_nat_gateway(self, call: Call) -> Reply | None:
        id = call.form.get("NatGatewayId", "")
        gateway = _records(call).nat_gateways.get(id)
        if gateway is None:
            return None
        if gateway.state != "deleted" and self._ledger.phase(_key(call, id)) not in ("deleting", "deleted"):
            self._end_later(call, id)
        return answer(call, f"<natGatewayId>{id}</natGatewayId>")

    def _delete_endpoints(self, call: Call) -> Reply:
        endpoints, failed = _records(call).vpc_end_points, ""
        for id in named(call):
            key = _key(call, id)
            if id not in endpoints or self._ledger.unknown(key):
                failed += _UNSUCCESSFUL.format(id)
            elif self._ledger.phase(key) != "deleting":
                self._end_later(call, id)
        return answer(call, f"<unsuccessful>{failed}</unsuccessful>")

    def _terminate(self, call: Call, inner: Perform) -> Reply | None:
        records, ids = _records(call), list(dict.fromkeys(named(call)))
        found = {id: records.get_instance_by_id(id) for id in ids}
        if not ids or None in found.values():
            return inner(call)  # refused
        for id, instance in found.items():
            if str(instance.disable_api_termination).lower() == "true":
                return refusal(call, "OperationNotPermitted", _PROTECTED.format(id))
        shown = ""
        for id, instance in found.items():
            before = self._ledger.phase(_key(call, id)) or instance.state
            if before not in ("shutting-down", "terminated"):
                self._end_later(call, id)
            now = "terminated" if before == "terminated" else "shutting-down"
            states = _STATE.format("currentState", _CODES[now], now)
            states += _STATE.format("previousState", _CODES[before], before)
            shown += f"<item><instanceId>{id}</instanceId>{states}</item>"
        return answer(call, f"<instancesSet>{shown}</instancesSet>")

    def _unfit(self, call: Call) -> Reply | None:
        """Refuses what an instance is not in the state for."""
        for id in named(call):
            instance = _records(call).get_instance_by_id(id)
            if instance is None:
                continue
            state = self._ledger.phase(_key(call, id)) or instance.state
            if call.action == "AssociateAddress" and state in ("pending", "shutting-down", "terminated"):
                return refusal(call, "InvalidInstanceID", _NOT_FOR_ADDRESSES.format(state, id))
            if call.action == "StopInstances" and instance.lifecycle == "spot":
                return refusal(call, "UnsupportedOperation", _SPOT.format(id))
            why = _unfit_for(call, state)
            if why:
                return refusal(call, "IncorrectInstanceState", f"The instance '{id}' is not in {why}.")
        return None

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _end_later(self, call: Call, id: str) -> None:
        prefix, key = id.partition("-")[0], _key(call, id)
        seconds = self._ledger.lag((*key, "end"), ROUTES_GOING if _is_route(call, id) else DELETING[prefix])
        self._ledger.enter(key, "shutting-down" if prefix == "i" else "deleting", seconds)
        self._ledger.later(seconds, "ec2", "end", call.environ, call.body, id)

    def happen(self, event: str, arguments: tuple[Any, ...], inner: Perform) -> None:
        """What was put off: ``end`` of a resource, ``let-go`` of what it held, ``forget`` that it was."""
        call, id = Call(*arguments[:2]), arguments[2]
        records = _records(call)
        if event == "end" and id.startswith("nat-"):
            self._ledger.enter(_key(call, id), "deleted", LETTING_GO)
            self._ledger.later(LETTING_GO, "ec2", "let-go", *arguments)
            self._ledger.later(REMEMBERED, "ec2", "forget", *arguments)
        elif event == "let-go":
            inner(_like(call, "DeleteNatGateway", NatGatewayId=id))
        elif event == "end" and id.startswith("vpce-"):
            inner(_like(call, "DeleteVpcEndpoints", **{"VpcEndpointId.1": id}))
            _forget(records, id)
        elif event == "end":
            inner(_like(call, "TerminateInstances", **{"InstanceId.1": id}))
            self._ledger.later(REMEMBERED, "ec2", "forget", *arguments)
        elif event == "forget":
            _forget(records, id)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def unfiltered(self, call: Call) -> Call:
        """``call`` without filters by state: moto would compare its own."""
        if call.action not in _FIELDS or not _FILTERS & filters(call).keys():
            return call
        form = {field: value for field, value in call.form.items() if not field.startswith("Filter.")}
        kept = {name: values for name, values in filters(call).items() if name not in _FILTERS}
        for number, (name, values) in enumerate(kept.items(), 1):
            form[f"Filter.{number}.Name"] = name
            form |= {f"Filter.{number}.Value.{at}": value for at, value in enumerate(values, 1)}
        if call.action == "DescribeInstanceStatus":
            form["IncludeAllInstances"] = "true"
        return _with_form(call, form)

    def show(self, call: Call, root: Element) -> None:
        """Put the states of now into what a describe call lists, and keep what its filters ask for."""
        field = _FIELDS.get(call.action)
        if field is None:
            return
        wanted = {name: values for name, values in filters(call).items() if name in _FILTERS}
        status = call.action == "DescribeInstanceStatus"
        only_running = status and call.form.get("IncludeAllInstances") != "true"
        for group, id, entry in listed(call.action, root):
            if phase := self._ledger.phase(_key(call, id)):
                self._show(entry, field, phase)
            state = entry.findtext(f"{field}/name" if field == "instanceState" else field, "")
            given = {"instance-state-code": _CODES.get(state, "")}
            unwanted = any(given.get(name, state) not in values for name, values in wanted.items())
            if unwanted or (only_running and state != "running"):
                group.remove(entry)

    def changed(self, call: Call) -> None:
        """A successful call that starts or stops instances, or changes an endpoint."""
        for id in named(call):
            key = _key(call, id)
            if call.action == "StopInstances":
                self._ledger.enter(key, "stopping", self._ledger.lag((*key, "stop"), STOPPING))
            elif call.action == "StartInstances":
                self._ledger.enter(key, "pending", self._ledger.lag(key, PENDING["i"]))
            elif call.action == "ModifyVpcEndpoint" and id.startswith("vpce-"):
                interfaces.of_endpoint(_records(call), id)

    @staticmethod
    def _show(entry: Element, field: str, state: str) -> None:
        if field != "instanceState":
            put(entry, field, state)
            return
        found = entry.find(field)
        if found is not None:
            put(found, "code", _CODES[state])
            put(found, "name", state)


def _unfit_for(call: Call, state: str) -> str:
    """What an instance would have to be in for the call; empty where it is."""
    if call.action == "StartInstances" and state in ("stopping", "shutting-down", "terminated"):
        return "a state from which it can be started"
    if call.action == "StopInstances" and state in ("pending", "shutting-down", "terminated"):
        return "a state from which it can be stopped"
    asleep = any(field.startswith(("InstanceType.", "UserData.")) for field in call.form)
    return "the 'stopped' state" if call.action == "ModifyInstanceAttribute" and asleep and state != "stopped" else ""


def _is_route(call: Call, id: str) -> bool:
    """Whether ``id`` is a gateway endpoint."""
    endpoint = _records(call).vpc_end_points.get(id)
    return endpoint is not None and endpoint.vpc_endpoint_type == "Gateway"


def _forget(records: Any, id: str) -> None:
    records.tags.pop(id, None)
    records.nat_gateways.pop(id, None)
    records.vpc_end_points.pop(id, None)
    for number, reservation in list(records.reservations.items()):
        reservation.instances = [one for one in reservation.instances if one.id != id]
        if not reservation.instances:
            del records.reservations[number]


def _like(call: Call, action: str, **form: str) -> Call:
    return _with_form(call, {"Action": action, "Version": call.form.get("Version", ""), **form})


def _with_form(call: Call, form: dict[str, str]) -> Call:
    body = urlencode(form).encode()
    return Call({**call.environ, "CONTENT_LENGTH": str(len(body))}, body)


def _records(call: Call) -> Any:
    return backend("ec2", call.scope[1])


def _key(call: Call, id: str) -> Key:
    return ("ec2", call.scope[1], id)
