"""Lambda functions: code, configuration, and by default a role and a log group of their own.

A function's log group is made before it and goes after it; its role may write there and not make groups, so that a late
invocation does not bring a deleted group back.  Lambda changes one thing of a function at a time and says
``ResourceConflictException`` meanwhile (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from botocore.exceptions import ClientError

from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME
from awsrun.functions.archive import File, pack
from awsrun.functions.build import Build
from awsrun.functions.package import LARGEST, Package, sha256
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.kind import ABSENT, REPLACE, UNKNOWN, Change, Found, Kind, Owner, Phase, Refs, Seen, State
from awsrun.resources.lambda_function_spec import DEFAULT_HANDLER, DEFAULT_RUNTIME, FunctionSpec
from awsrun.resources.logs_group import LogGroupSpec
from awsrun.resources.ours import arn, known, ours, outputs_of, unless_denied
from awsrun.resources.rights import named, pass_roles
from awsrun.spec.references import ResourceSpec, valued

CODE = "awsrun:code"  # "TEXT@SHA": the package with requirements that AWS has under that CodeSha256
NO_LIMIT = -1  # of what runs at once
PHASES: Mapping[str, Phase] = {
    "Pending": "pending",
    "Active": "ready",
    "Inactive": "ready",  # not called for weeks; the next call wakes it
    "Deactivating": "pending",
    "ActiveNonInvocable": "ready",
    "Failed": "broken",
    "Deleting": "deleting",
}
_CODE = frozenset({"package", "image", "architecture"})


@dataclass(frozen=True)
class FunctionState(State):
    """``package``: what stands for its code (`Package`), empty where it is in ``image``, a URI; ``timeout`` in seconds;
    roles and queues by ARN; ``reserved``: -1 for no limit."""

    in_image: Annotated[bool, REPLACE]
    package: str
    image: str
    architecture: str
    runtime: str
    handler: str
    memory_mib: int
    timeout: int
    storage_mib: int
    environment: tuple[tuple[str, str], ...]
    role: str
    dead_letter: str
    log_group: str
    subnets: frozenset[str]
    security_groups: frozenset[str]
    reserved: int


class Function(Kind[FunctionSpec, FunctionState]):
    kind = "lambda.function"
    Spec = FunctionSpec
    State = FunctionState
    identity = "name"
    service = "lambda"
    name_limit = 64
    usual = 5.0
    absent = frozenset({"ResourceNotFoundException"})
    exists = frozenset({"ResourceConflictException:already exist"})
    # A role or its policy just made is not known to Lambda yet, nor to the key that the variables are encrypted with
    # (https://github.com/aws/chalice/pull/1069); one change goes on.
    retry = frozenset(
        {
            "InvalidParameterValueException:KMS key is invalid for CreateGrant",
            "InvalidParameterValueException:cannot be assumed",
            "InvalidParameterValueException:does not have permissions",
            "InvalidParameterValueException:throttled by EC2",
            "ResourceConflictException:cannot be performed at this time",
            "ResourceConflictException:update is in progress",
        }
    )

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self._builds: dict[str, Build] = {}

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def expand(self, name: str, spec: FunctionSpec) -> Mapping[str, ResourceSpec]:
        nodes: dict[str, ResourceSpec] = {}
        children: dict[str, str] = {}
        group = spec.log_group or f"{name}/logs"
        if not spec.log_group:
            children["log_group"] = group
            nodes[group] = LogGroupSpec(retention_days=spec.log_retention)
        if not spec.role:
            children["role"] = f"{name}/role"
            nodes[children["role"]] = RoleSpec(
                service="lambda",
                read=spec.read,
                read_write=spec.read_write,
                send=list(dict.fromkeys([*spec.send, *([spec.dead_letter] if spec.dead_letter else [])])),
                consume=spec.consume,
                invoke=spec.invoke,
                log=[group],
                in_vpc=[name] if spec.vpc else [],
            )
        return {**nodes, name: spec.model_copy(update=children)}

    def lower(self, spec: FunctionSpec, refs: Refs) -> FunctionState:
        groups: Any = outputs_of(refs, spec.security_groups, "id") if spec.security_groups else ()
        if spec.vpc and not spec.security_groups:
            groups = known(refs.output(spec.vpc, "security_group"), lambda group: (group,))
        place = "private_subnets" if spec.subnets == "private" else "subnets"
        subnets: Any = refs.output(spec.vpc, place) if spec.vpc else ()
        environment = valued(spec.environment, refs.output)
        return FunctionState(
            in_image=spec.in_image,
            package="" if spec.in_image else spec.package(self.cloud.context.name == "local"),
            image=refs.output(spec.built, "uri") if spec.built else spec.image or "",
            architecture=spec.architecture or "arm64",
            runtime="" if spec.in_image else spec.runtime or DEFAULT_RUNTIME,
            handler="" if spec.in_image else spec.handler or DEFAULT_HANDLER,
            memory_mib=spec.memory_mib,
            timeout=spec.timeout,
            storage_mib=spec.storage_mib,
            environment=tuple(sorted((key, known(value, _text)) for key, value in environment.items())),
            role=refs.output(spec.role, "arn") if spec.role else UNKNOWN,
            dead_letter=refs.output(spec.dead_letter, "arn") if spec.dead_letter else "",
            log_group=refs.output(spec.log_group, "name") if spec.log_group else UNKNOWN,
            subnets=known(subnets, frozenset),
            security_groups=known(groups, frozenset),
            reserved=NO_LIMIT if spec.reserved is None else spec.reserved,
        )

    def arn(self, physical: str) -> str:
        return arn(self.cloud, "lambda", f"function:{physical}")

    def price(self, state: FunctionState, prices: Prices) -> Price:
        second = prices.rate("lambda_arm_gb_second" if state.architecture == "arm64" else "lambda_gb_second")
        hour = None if second is None else second * 3600 * state.memory_mib / 1024
        return metered(
            (prices.rate("lambda_million_requests"), "per million calls"),
            (hour, f"per hour that one runs with {state.memory_mib} MiB"),
        )

    def rights(self, stack: str, specs: Mapping[str, FunctionSpec]) -> Iterable[Right]:
        """Lambda lets itself pull from a repository of ECR, and looks at the VPC, in the caller's name
        (https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#gettingstarted-images-permissions,
        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html); GetFunction tells the tags to who may
        list them (https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html)."""
        functions = named(self, f"{stack}-*", specs)
        yield allow("find", "lambda", "ListFunctions")
        yield allow("find", "lambda", "GetFunction ListTags", *functions)
        yield allow("read", "lambda", "GetFunction ListTags", *functions)
        yield allow("create", "lambda", "CreateFunction TagResource", *functions)
        changes = "UpdateFunctionCode UpdateFunctionConfiguration PutFunctionConcurrency DeleteFunctionConcurrency"
        yield allow("update", "lambda", f"{changes} TagResource", *functions)
        for verb in ("create", "update"):
            yield pass_roles(verb, self.cloud, stack, "lambda")
            if any(spec.in_image for spec in specs.values()):
                pull = "BatchGetImage GetDownloadUrlForLayer GetRepositoryPolicy SetRepositoryPolicy"
                yield allow(verb, "ecr", pull, arn(self.cloud, "ecr", "repository/*"))
            if any(spec.vpc for spec in specs.values()):
                yield allow(verb, "ec2", "DescribeSecurityGroups DescribeSubnets DescribeVpcs")
        yield allow("tag", "lambda", "TagResource UntagResource", *functions)
        yield allow("delete", "lambda", "DeleteFunction", *functions)

    # -- what is there ----------------------------------------------------------------------------------------------

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Names start with the stack's; others are looked at where hints name them, or when all stacks are wanted."""
        pages = self._lambda.get_paginator("list_functions").paginate()
        for name in (one["FunctionName"] for page in pages for one in page["Functions"]):
            if stack is None or name.startswith(f"{stack}-") or name in hints:
                entry = unless_denied(stack, self._entry, name) or {}
                tags = entry.get("Tags", {})
                if ours(tags, stack):
                    yield Found(tags[NAME], name, tags, self._seen(entry))

    def read(self, id: str) -> Seen[FunctionState]:
        """Raises AwsrunError where its requirements cannot be installed: with pip's last lines."""
        build = self._builds.get(id)
        if build is not None and build.under_way:
            return Seen(None, "pending", build.said)
        if build is not None:
            del self._builds[id]
            build.finish()
        entry = self._entry(id)
        return self._seen(entry) if entry else ABSENT

    # -- making it so -----------------------------------------------------------------------------------------------

    def create(self, state: FunctionState, owner: Owner) -> str:
        """Where requirements are to be installed first, it is made with nothing in it, and gets its code later."""
        tags = dict(owner.tags)
        code: dict[str, Any] = {"Code": {"ImageUri": state.image}, "PackageType": "Image"}
        if not state.in_image:
            content = self._made(owner.physical, state)
            if content is not None and (text := _tag(state.package, sha256(content))):
                tags[CODE] = text
            runs = {"Runtime": state.runtime, "Handler": state.handler}
            code = {"Code": {"ZipFile": _NOTHING if content is None else content}, **runs}
        network = {"VpcConfig": _network(state)} if state.subnets else {}
        queue = {"DeadLetterConfig": {"TargetArn": state.dead_letter}} if state.dead_letter else {}
        self.cloud.write("lambda").create_function(
            FunctionName=owner.physical,
            Architectures=[state.architecture],
            **code,
            **_settings(state),
            **network,
            **queue,
            Tags=tags,
        )
        return owner.physical

    def update(self, id: str, wanted: FunctionState, seen: FunctionState, changed: Collection[Change]) -> None:
        """Code first, then configuration, then what may run at once: each changes alone."""
        fields = {change.field for change in changed}
        if fields & _CODE:
            self._update_code(id, wanted)
        elif fields - {"reserved"}:
            runs = {} if wanted.in_image else {"Runtime": wanted.runtime, "Handler": wanted.handler}
            self.cloud.write("lambda").update_function_configuration(
                FunctionName=id,
                **runs,
                **_settings(wanted),
                **({"VpcConfig": _network(wanted)} if fields & {"subnets", "security_groups"} else {}),
                **({"DeadLetterConfig": {"TargetArn": wanted.dead_letter}} if "dead_letter" in fields else {}),
            )
        elif wanted.reserved == NO_LIMIT:
            self.cloud.write("lambda").delete_function_concurrency(FunctionName=id)
        else:
            self.cloud.write("lambda").put_function_concurrency(
                FunctionName=id, ReservedConcurrentExecutions=wanted.reserved
            )

    def _update_code(self, id: str, wanted: FunctionState) -> None:
        """The tag first, which says nothing of any code but this: while the code changes, tags may not
        (https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html)."""
        where = {"FunctionName": id, "Architectures": [wanted.architecture]}
        if wanted.in_image:
            self.cloud.write("lambda").update_function_code(**where, ImageUri=wanted.image)
            return
        content = self._made(id, wanted)
        if content is None:
            return  # the next step, once it is built
        if text := _tag(wanted.package, sha256(content)):
            self.tag(id, {CODE: text}, ())
        self.cloud.write("lambda").update_function_code(**where, ZipFile=content)

    def _made(self, id: str, state: FunctionState) -> bytes | None:
        """The zip file; None where it is being built from now on."""
        package: Any = state.package
        content: bytes | None = package.made()
        if content is None:
            self._builds[id] = Build(package).start()
        elif len(content) > LARGEST:
            size = f"{len(content) / 2**20:.0f} MiB, more than the {LARGEST / 2**20:.0f} that Lambda takes"
            hint = "leave files out, or put the code into an image: `built:` with an ecr.image"
            raise AwsrunError(f"the package of {id} is too large", size, hint)
        return content

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("lambda").tag_resource(Resource=self.arn(id), Tags=dict(set))
        if unset:
            self.cloud.write("lambda").untag_resource(Resource=self.arn(id), TagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[FunctionState]) -> None:
        self.cloud.write("lambda").delete_function(FunctionName=id)

    def until(self, seen: Seen[FunctionState]) -> Mapping[str, frozenset[str]]:
        """Lambda deletes a function's network interfaces as the function's role, 20 to 40 minutes after it
        (https://repost.aws/knowledge-center/lambda-eni-find-delete)."""
        inside = seen.state is not None and seen.state.subnets
        return {"iam.role": frozenset({"security_group", "vpc.subnet"})} if inside else {}

    @property
    def _lambda(self) -> Any:
        return self.cloud.read("lambda")

    def _entry(self, name: str) -> Mapping[str, Any]:
        """All that Lambda says of a function; empty where there is none."""
        try:
            entry: Mapping[str, Any] = self._lambda.get_function(FunctionName=name)
        except ClientError as error:
            if matches(error, self.absent):
                return {}
            raise
        return entry

    def _seen(self, entry: Mapping[str, Any]) -> Seen[FunctionState]:
        now = entry["Configuration"]
        in_image, network = now.get("PackageType") == "Image", now.get("VpcConfig") or {}
        state = FunctionState(
            in_image=in_image,
            package="" if in_image else _package(now["CodeSha256"], entry.get("Tags", {}).get(CODE, "")),
            image=entry["Code"].get("ImageUri", "") if in_image else "",
            architecture=now["Architectures"][0],
            runtime=now.get("Runtime") or "",
            handler=now.get("Handler") or "",
            memory_mib=now["MemorySize"],
            timeout=now["Timeout"],
            storage_mib=now["EphemeralStorage"]["Size"],
            environment=tuple(sorted(now.get("Environment", {}).get("Variables", {}).items())),
            role=now["Role"],
            dead_letter=now.get("DeadLetterConfig", {}).get("TargetArn", ""),
            log_group=now.get("LoggingConfig", {}).get("LogGroup", ""),
            subnets=frozenset(network.get("SubnetIds", ())),
            security_groups=frozenset(network.get("SecurityGroupIds", ())),
            reserved=entry.get("Concurrency", {}).get("ReservedConcurrentExecutions", NO_LIMIT),
        )
        outputs = {"name": now["FunctionName"], "arn": now["FunctionArn"], "log_group": state.log_group}
        return Seen(state, *_phase(now), outputs=outputs)


_NOTHING = pack({"README": File(b"awsrun is installing the requirements; then it puts the code here.\n")})


def _phase(now: Mapping[str, Any]) -> tuple[Phase, str]:
    """A change that failed leaves what was there before, and never passes by itself."""
    last = now.get("LastUpdateStatus", "Successful")
    if now["State"] == "Active" and last == "InProgress":
        return "pending", "Lambda to take the change in"
    if now["State"] == "Active" and last == "Failed":
        return "broken", now.get("LastUpdateStatusReason", "its last change failed")
    return PHASES.get(now["State"], "pending"), now.get("StateReason", "")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _settings(state: FunctionState) -> dict[str, Any]:
    return {
        "Role": state.role,
        "MemorySize": state.memory_mib,
        "Timeout": state.timeout,
        "EphemeralStorage": {"Size": state.storage_mib},
        "Environment": {"Variables": dict(state.environment)},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": state.log_group},
    }


def _network(state: FunctionState) -> dict[str, Any]:
    return {"SubnetIds": sorted(state.subnets), "SecurityGroupIds": sorted(state.security_groups)}


def _tag(package: Any, sha: str) -> str:
    """The value of the tag `CODE`; empty for packages that AWS's own sum is enough for."""
    return f"{package}@{sha}" if package.target is not None and sha else ""


def _package(sha: str, tag: str) -> Package:
    """What stands for the code that AWS has: the tag's text, unless the code was changed since."""
    text, _, tagged = tag.partition("@")
    return Package(text if text and tagged == sha else sha)
