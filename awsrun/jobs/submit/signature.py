"""What a job file says of itself: entry function, parameters, metric.  Read from the syntax tree, never by importing.

So the laptop needs none of the job's libraries, and nothing of the job runs before it was accepted.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.parameter import ANY, Parameter, annotated

Mode = Literal["max", "min"]

EXAMPLE = 'def train(trial, lr: float = 0.01): ...   and at the end: awsrun.main(train, metric="val_accuracy")'


@dataclass(frozen=True)
class Signature:
    """A job file as submit sees it.

    Attributes:
        path: the job file.
        entry: the name of its entry function.
        parameters: by name, in the function's order, without the first one (the trial).
        open_ended: the function takes ``**kwargs``, so any name is allowed.
        metric, mode: what ``awsrun.main(fn, metric=, mode=)`` says; a job without a metric has no best trial.
        objectives: all of them where ``metric={"a": "max", "b": "min"}`` says several; metric and mode are the first.
        batch: the function that takes a block of inputs at once (``awsrun.main(fn, batch=...)``), or "".
        calls: the names of the methods that are called anywhere in the file.
        mentions: all names and strings in it, but for those of ``awsrun.main``.
        own: the metrics that the job itself names, and their modes.
    """

    path: Path
    entry: str
    parameters: Mapping[str, Parameter]
    open_ended: bool = False
    metric: str | None = None
    mode: Mode = "max"
    objectives: Mapping[str, Mode] = field(default_factory=dict)
    batch: str = ""
    calls: frozenset[str] = frozenset()
    mentions: frozenset[str] = frozenset()
    own: Mapping[str, Mode] = field(default_factory=dict)

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``.

        Raises:
            AwsrunError: there is none; names the nearest one.
        """
        if found := self.parameters.get(name):
            return found
        if self.open_ended:
            return Parameter(name, ANY)
        near = difflib.get_close_matches(name, self.parameters, n=1, cutoff=0.5)
        raise AwsrunError(
            f"{self.path.name} has no parameter {name!r}",
            f"{self.entry}() takes {', '.join(map(str, self.parameters.values())) or 'no parameters'}",
            f"did you mean {near[0]!r}?" if near else "",
        )

    def after(self, goals: Mapping[str, Mode]) -> Signature:
        """The same job, judged by other metrics than it names itself; by its own if there are none."""
        if not goals:
            return self
        (metric, mode), *more = goals.items()
        return replace(self, metric=metric, mode=mode, objectives=goals if more else {})

    def doubts(self) -> Iterator[str]:
        """What is odd about the metrics that trials will be judged by, said before hours of computing."""
        for metric, mode in (self.objectives or ({self.metric: self.mode} if self.metric else {})).items():
            if metric not in self.mentions:
                near = difflib.get_close_matches(metric, self.mentions, n=1, cutoff=0.7)
                hint = f"; did you mean {near[0]!r}?" if near else ", unless what it imports does"
                yield f"{self.path.name} neither reports nor returns anything called {metric!r}{hint}"
            if self.own.get(metric, mode) != mode:
                more, own = "less" if mode == "max" else "more", self.own[metric]
                yield f"{self.path.name} itself says that {more} {metric} is better: --metric {metric}:{own}"

    def require(self, given: Iterable[str]) -> None:
        """Refuse when a parameter without a default is not among ``given``."""
        missing = sorted({name for name, p in self.parameters.items() if p.required} - set(given))
        if missing:
            raise AwsrunError(
                f"{self.path.name} needs a value for {', '.join(missing)}",
                f"{self.entry}() gives no default",
                f"--set {missing[0]}=VALUE or --grid {missing[0]}=V1,V2",
            )


def read(path: str | Path) -> Signature:
    """The signature of a job file.

    Raises:
        AwsrunError: no such file, a syntax error (with file:line), or no entry function.
    """
    path = Path(path)
    tree = _parse(path)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    call = next(_main_calls(tree), None)
    entry = _entry(path, functions, call)
    goals = _goals(path, call)
    metric = next(iter(goals), None)
    _trial, *rest = [*entry.args.posonlyargs, *entry.args.args]
    without = len(rest) + 1 - len(entry.args.defaults)
    defaults: list[ast.expr | None] = [*[None] * without, *entry.args.defaults]
    parameters = [annotated(arg, default) for arg, default in zip(rest, defaults[1:], strict=True)]
    parameters += [
        annotated(arg, value) for arg, value in zip(entry.args.kwonlyargs, entry.args.kw_defaults, strict=True)
    ]
    return Signature(
        path=path,
        entry=entry.name,
        parameters={parameter.name: parameter for parameter in parameters},
        open_ended=entry.args.kwarg is not None,
        metric=metric,
        mode=goals[metric] if metric else "max",
        objectives=goals if len(goals) > 1 else {},
        batch=_batch(path, functions, call),
        calls=frozenset(
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ),
        mentions=frozenset(_mentions(tree, call)),
        own=goals,
    )


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")], n=1)
        hint = f"did you mean {path.with_name(near[0])}?" if near else ""
        raise AwsrunError(f"there is no job file {path}", hint=hint) from None
    except IsADirectoryError:
        names = ", ".join(sorted(p.name for p in path.glob("*.py"))[:12])
        there = f"in {path} there are: {names}" if names else f"there is no Python file in {path}"
        raise AwsrunError(f"{path} is a folder, no job", there) from None
    except (OSError, ValueError) as error:
        raise AwsrunError(f"cannot read {path}", str(error), "a job is a Python file") from error
    except SyntaxError as error:
        shown = (error.text or "").rstrip()
        raise AwsrunError(f"{path}:{error.lineno}: syntax error: {error.msg}", shown) from error


def _mentions(tree: ast.AST, apart: ast.Call | None) -> Iterator[str]:
    """The names and strings of a tree, without those of one call."""
    for node in ast.iter_child_nodes(tree):
        if node is apart:
            continue
        match node:
            case ast.Constant(value=str(text)) | ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text):
                yield text
            case ast.keyword(arg=str(text)):
                yield text
        yield from _mentions(node, apart)


def _main_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of ``awsrun.main``, however it was imported."""
    modules, functions = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == "awsrun"}
        elif isinstance(node, ast.ImportFrom) and node.module == "awsrun":
            functions |= {alias.asname or alias.name for alias in node.names if alias.name == "main"}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="main")) if module in modules:
                yield node
            case ast.Call(func=ast.Name(id=function)) if function in functions:
                yield node


def _entry(path: Path, functions: Mapping[str, ast.FunctionDef], call: ast.Call | None) -> ast.FunctionDef:
    if call is not None:
        passed = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "fn"), None)
        name = passed.id if isinstance(passed, ast.Name) else ""
        if name in functions:
            return _with_trial(path, functions[name])
        raise AwsrunError(
            f"{path}:{call.lineno}: awsrun.main() needs a function of this file", f"got {_source(passed)}", EXAMPLE
        )
    public = [
        node for name, node in functions.items() if not name.startswith("_") and _arguments(node)[:1] == ["trial"]
    ]
    if len(public) == 1:
        return public[0]
    if public:
        names = ", ".join(node.name for node in public)
        raise AwsrunError(f"{path} has more than one entry function", names, f"awsrun.main({public[0].name})")
    raise AwsrunError(f"{path} has no entry function", "no function takes a trial as its first parameter", EXAMPLE)


def _with_trial(path: Path, function: ast.FunctionDef) -> ast.FunctionDef:
    if not _arguments(function):
        raise AwsrunError(f"{path}:{function.lineno}: {function.name}() takes no trial", hint=EXAMPLE)
    return function


def _goals(path: Path, call: ast.Call | None) -> dict[str, Mode]:
    """What ``awsrun.main`` says of metric and mode."""
    given = {k.arg: k.value for k in call.keywords if k.arg in ("metric", "mode")} if call else {}
    try:
        literal = {name: ast.literal_eval(value) for name, value in given.items()}
    except ValueError:
        literal = {"metric": 0}
    metric, mode, at = literal.get("metric"), literal.get("mode", "max"), f"{path}:{call.lineno if call else 0}"
    goals = metric if isinstance(metric, dict) else {} if metric is None else {metric: mode}
    if not all(isinstance(one, str) for one in [*goals, *goals.values(), mode]):
        raise AwsrunError(
            f"{at}: metric and mode of awsrun.main() must be literal strings, or metric a dictionary of them"
        )
    for one in [*goals.values(), mode]:
        if one not in ("max", "min"):
            raise AwsrunError(f"{at}: {one!r} is no mode", "a metric is maximised or minimised", 'mode="max"')
    return goals


def _batch(path: Path, functions: Mapping[str, ast.FunctionDef], call: ast.Call | None) -> str:
    passed = next((k.value for k in call.keywords if k.arg == "batch"), None) if call else None
    if call is None or passed is None:
        return ""
    function = functions.get(passed.id) if isinstance(passed, ast.Name) else None
    if function is None or len(_arguments(function)) != 2:
        raise AwsrunError(
            f"{path}:{call.lineno}: batch= of awsrun.main() is a function of this file that takes a trial and rows",
            f"got {_source(passed)}",
            "def answer_all(trial, rows): return [... for row in rows]",
        )
    return function.name


def _arguments(function: ast.FunctionDef) -> list[str]:
    return [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]


def _source(node: ast.AST | None) -> str:
    return ast.unparse(node) if node is not None else "nothing"
