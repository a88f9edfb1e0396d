"""EC2 as hard as it is: see `ec2_visible`, `ec2_in_use`, `ec2_states` and `ec2_interfaces` for each part's sources."""

from __future__ import annotations

from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict import ec2_in_use, ec2_launch, ec2_names
from awsrun.local.strict.ec2_states import States
from awsrun.local.strict.ec2_visible import Visibility
from awsrun.local.strict.ec2_xml import CREATES, LISTS, tree, with_tree, without_empty_reservations
from awsrun.local.strict.iam import known_to_services
from awsrun.local.strict.lambda_interfaces import drop_unused
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.rules import Rules, backend

_PROFILES = frozenset({"AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation", "RunInstances"})
_CHANGES = frozenset({"StartInstances", "StopInstances", "ModifyVpcEndpoint"})


class Ec2Rules(Rules):
    service = "ec2"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._visibility = Visibility(ledger)
        self._states = States(ledger)

    def around(self, call: Call, inner: Perform) -> Reply:
        return self.before(call, inner) or self.after(call, inner(self._states.unfiltered(call)))

    def before(self, call: Call, inner: Perform) -> Reply | None:
        if missing := self._visibility.missing(call):
            return missing
        if refused := ec2_names.refused(call.action, call.form):
            return refusal(call, *refused)
        if refused := ec2_in_use.refused(backend("ec2", call.scope[1]), call.action, call.form):
            return refusal(call, *refused)
        if call.action in _PROFILES and (refused := self._profile(call)):
            return refusal(call, *refused)
        if call.action == "RunInstances" and (refused := ec2_launch.refused(backend("ec2", call.scope[1]), call.form)):
            return refusal(call, *refused)
        return self._states.before(call, inner)

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if call.action == "CreateTags":
            self._visibility.note_tags(call)
        elif call.action == "DeleteSubnet":
            _disassociate(backend("ec2", call.scope[1]), call.form["SubnetId"])
        elif call.action in CREATES:
            root = tree(reply)
            for id, entry in self._visibility.note(call, root):
                self._states.begin(call, id, entry)
            return with_tree(reply, root)
        elif call.action in LISTS:
            root = tree(reply)
            self._visibility.hide(call, root)
            self._states.show(call, root)
            without_empty_reservations(root)
            return with_tree(reply, root)
        elif call.action in _CHANGES:
            self._states.changed(call)
        return reply

    def happen(self, event: str, arguments: tuple[Any, ...], inner: Perform) -> None:
        if event == "unused":
            drop_unused(*arguments)
        else:
            self._states.happen(event, arguments, inner)

    def _profile(self, call: Call) -> ec2_in_use.Refused | None:
        """EC2 learns of instance profiles, and of the roles in them, after IAM
        (https://github.com/hashicorp/terraform/issues/9474, https://github.com/hashicorp/terraform/issues/4306)."""
        given = call.form.get("IamInstanceProfile.Name") or call.form.get("IamInstanceProfile.Arn")
        if not given:
            return None
        name = given.rpartition("/")[2]
        found = [one for one in backend("iam", "aws").instance_profiles.values() if one.name == name]
        if not found or not known_to_services(self.ledger, "instance-profile", name):
            field = "name" if "IamInstanceProfile.Name" in call.form else "arn"
            said = f"Value ({given}) for parameter iamInstanceProfile.{field} is invalid."
            return (
                "InvalidParameterValue",
                f"{said} Invalid IAM Instance Profile {'name' if field == 'name' else 'ARN'}",
            )
        known = [one for one in found[0].roles if known_to_services(self.ledger, "role", one.name)]
        if not known:
            return ("InvalidParameterValue", f'IAM Instance Profile "{found[0].arn}" has no associated IAM Roles')
        return None


def _disassociate(records: Any, subnet: str) -> None:
    """A subnet that is deleted leaves its route table, which moto forgets."""
    for table in records.route_tables.values():
        table._associations = {id: target for id, target in table._associations.items() if target != subnet}
