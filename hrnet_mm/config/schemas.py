"""Schemas of config dicts: the keys that code reads from a dict, derived from signatures and sources.

A `Schema` follows one value of a config through the code that receives it. `cfg['key']`, `cfg.key`, `cfg.get('key')`
and `'key' in cfg` read a key; `f(**cfg)` passes all keys to the parameters of `f`; `f(cfg)`, `self.cfg = cfg` and
copies lead to other code; `REGISTRY.build(cfg)` builds its `type`. Any other use leaves the dict open: it may have
unknown keys. Only functions on the way of a value are parsed, and only when they are reached.
"""

import ast
import copy
import inspect
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType, MethodType
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import MODELS, Registry, build_from_cfg

from .sources import Body, Function, Target, functions_of, method_of, resolve, target_of

__all__ = ['Argument', 'Schema', 'arguments_of', 'parameter_of', 'settings_of']

_COPIES = (dict, ConfigDict, copy.copy, copy.deepcopy, list, tuple)
_HARMLESS = (bool, callable, id, isinstance, len, print, repr, str, type)
_MAPS = ('map', 'multi_apply')
"""Functions that call their first argument with each item of the others."""
_NEUTRAL = (ast.If, ast.While, ast.Assert, ast.UnaryOp, ast.Expr, ast.FormattedValue, ast.Subscript, ast.Compare)


@dataclass(frozen=True)
class Argument:
    """A parameter whose value is the class that a dict is for, as `ema_type` of EMAHook."""

    name: str
    default: Any


@dataclass(frozen=True)
class _Variable:
    function: Function
    name: str


@dataclass(frozen=True)
class _Attribute:
    owner: type
    name: str


@dataclass(frozen=True)
class _Expression:
    function: Function
    node: ast.AST


_Place = _Variable | _Attribute | _Expression


class Schema:
    """The uses of a config value in code.

    Attributes:
        keys: The keys that are read, each with the schema of its value.
        taken: The keys that are removed from the dict before it is passed on.
        rest: The schema of values under arbitrary keys; None if keys are not arbitrary.
        open: Whether the dict may have keys that are not in `keys`.
        drops: Whether such keys are accepted and never read.
        registries: The registries that build it.
        defaults: Names of its classes if it has no `type`.
        recurs: Whether the dicts inside it may have the same keys.
    """

    def __init__(self, places: Iterable[_Place] = (), is_open: bool = False) -> None:
        self._places: dict[_Place, None] = dict.fromkeys(places)
        self._scanned = 0
        self._keys: dict[str, Schema] = {}
        self._taken: dict[str, None] = {}
        self._rest: Schema | None = None
        self._open = is_open
        self._drops = False
        self._calls: dict[FunctionType, list[_Place]] = {}
        self._returning: set[FunctionType] = set()
        self._complete = False
        self._is_used = False
        self.recurs = False
        self._registries: dict[Registry, None] = {}
        self._defaults: dict[str | Argument, None] = {}

    @property
    def keys(self) -> Mapping[str, 'Schema']:  # noqa: D102
        return self._scan()._keys

    @property
    def taken(self) -> Collection[str]:  # noqa: D102
        return self._scan()._taken

    @property
    def rest(self) -> 'Schema | None':  # noqa: D102
        rest = self._scan()._rest
        return rest if rest is not None and rest._scan()._is_used and not self._complete else None

    @property
    def open(self) -> bool:  # noqa: D102
        return self._scan()._open and not self._complete

    @property
    def drops(self) -> bool:  # noqa: D102
        return self._scan()._drops

    @property
    def registries(self) -> Collection[Registry]:  # noqa: D102
        return self._scan()._registries

    @property
    def defaults(self) -> Collection[str | Argument]:  # noqa: D102
        return self._scan()._defaults

    def complete(self) -> 'Schema':
        """Return a copy that allows only known keys."""
        schema = Schema()
        schema._absorb(self)
        schema._complete = True
        return schema

    def united(self, other: 'Schema') -> 'Schema':
        """Return a schema with the keys of both."""
        schema = self.complete()
        schema._absorb(other)
        schema.recurs = self.recurs or other.recurs
        return schema

    def with_keys(self, *names: str) -> 'Schema':
        """Return a copy with further keys."""
        schema = Schema()
        schema._absorb(self)
        schema._complete, schema.recurs = self._complete, self.recurs
        for name in names:
            schema._key(name)
            schema._taken[name] = None
        return schema

    def _scan(self) -> 'Schema':
        while self._scanned < len(self._places):
            place = list(self._places)[self._scanned]
            self._scanned += 1
            loads = list(_loads(place))
            self._open |= isinstance(place, _Attribute) and not loads  # other classes may read it
            for function, node in loads:
                if function.body is None:
                    self._open = True
                else:
                    self._use(function, node, function.body)
        return self

    def _add(self, *places: _Place) -> None:
        self._places.update(dict.fromkeys(places))

    def _absorb(self, other: 'Schema') -> None:
        self._add(*other._places)
        self._open |= other._open
        self._drops |= other._drops
        self._is_used |= other._is_used
        self._taken |= other._taken
        self._registries |= other._registries
        self._defaults |= other._defaults
        for name, schema in other._keys.items():
            self._key(name)._absorb(schema)
        if other._rest:
            self._other()._absorb(other._rest)

    def _key(self, name: str) -> 'Schema':
        return self._keys.setdefault(name, Schema())

    def _other(self) -> 'Schema':
        self._rest = self._rest or Schema()
        return self._rest

    def _use(self, function: Function, node: ast.AST, body: 'Body') -> None:
        """Record the use of an expression's value, which the node around it determines."""
        parent = body.parents[node]
        self._is_used |= not isinstance(parent, ast.FormattedValue)  # printing does not count
        whole = _Expression(function, parent)
        match parent:
            case ast.Attribute(attr=name):
                around = body.parents[parent]
                if isinstance(around, ast.Call) and around.func is parent:
                    self._use_method(function, name, around, body)
                elif isinstance(parent.ctx, ast.Load):
                    self._key(name)._add(whole)
            case ast.Subscript(value=value, slice=index) if value is node:
                match index:
                    case ast.Constant(value=str(name)) if isinstance(parent.ctx, ast.Del):
                        self._taken[name] = None
                    case _ if not isinstance(parent.ctx, ast.Load):
                        pass
                    case ast.Constant(value=str(name)):
                        self._key(name)._add(whole)
                    case ast.Slice() | ast.Constant() | ast.UnaryOp():
                        self._add(whole)
                    case _:
                        self._other()._add(whole)
            case ast.Compare(left=ast.Constant(value=str(name)), ops=[ast.In() | ast.NotIn()]):
                self._key(name)
            case ast.IfExp(test=test) if test is node:
                pass
            case ast.BoolOp() | ast.IfExp() | ast.List() | ast.Tuple() | ast.ListComp():
                self._add(whole)
            case ast.Assign(targets=targets):
                for target in targets:
                    self._bind(function, target, body)
            case ast.AnnAssign(target=target) | ast.For(target=target) | ast.comprehension(target=target):
                self._bind(function, target, body)
            case ast.NamedExpr(target=target):
                self._bind(function, target, body)
                self._add(whole)
            case ast.Dict(keys=names, values=values):
                if all(name is None or value is not node for name, value in zip(names, values, strict=True)):
                    self._default(function, parent)
                    self._add(whole)
                else:
                    self._open = True
            case ast.keyword(arg=name):
                self._use_call(function, body.parents[parent], name, body)
            case ast.Call(args=arguments) if node in arguments:
                self._use_call(function, parent, arguments.index(node), body)
            case ast.Return():
                self._open |= function.function not in self._calls
                self._returning.add(function.function)
                self._add(*self._calls.get(function.function, ()))
            case _ if isinstance(parent, _NEUTRAL):
                pass
            case _:
                self._open = True

    def _bind(self, function: Function, target: ast.AST, body: 'Body') -> None:
        match target:
            case ast.Name(id=name):
                self._add(_Variable(function, name))
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == body.self_name and function.owner:
                self._add(_Attribute(function.owner, attribute))
            case _:
                self._open = True

    def _use_method(self, function: Function, method: str, call: ast.Call, body: 'Body') -> None:
        whole = _Expression(function, call)
        match method, call.args:
            case 'get' | 'pop' | 'setdefault', [ast.Constant(value=str(name)), *others]:
                self._key(name)._add(whole)
                if method == 'pop':
                    self._taken[name] = None
                if name == 'type' and others:
                    self._default_from(function, others[0])
            case 'get' | 'pop' | 'setdefault', [_, *_]:
                self._other()._add(whole)
            case 'copy' | 'to_dict', []:
                self._add(whole)
            case 'update', _:  # its argument has its own schema
                pass
            case 'keys', []:
                pass
            case 'items' | 'values', []:
                match body.parents[call]:
                    case ast.For(target=target) | ast.comprehension(target=target):
                        if method == 'items' and isinstance(target, ast.Tuple):
                            target = target.elts[1]
                        self._other()._bind(function, target, body)
                    case _:
                        self._open = True
            case _:
                self._open = True

    def _use_call(self, function: Function, call: ast.AST, where: int | str | None, body: 'Body') -> None:
        """Follow an argument, given by position or by name, or as `**value` if `where` is None."""
        assert isinstance(call, ast.Call)
        called = resolve(function, call.func, body)
        if any(called is copying for copying in _COPIES):
            self._default(function, call)
            self._add(_Expression(function, call))
        elif any(called is harmless for harmless in _HARMLESS):
            pass
        elif called in (getattr, hasattr) and where == 0 and isinstance(call.args[1], ast.Constant):
            self._key(str(call.args[1].value))._add(_Expression(function, call))
        elif isinstance(called, MethodType) and isinstance(called.__self__, Registry):
            self._built(called.__self__ if called.__name__ in ('build', 'get') else None)
        elif isinstance(called, FunctionType) and called.__name__.startswith('build_') and _is_builder(called):
            self._registries[MODELS] = None
            self._hand_to(target_of(called) or Target(), where or 0)
        elif getattr(called, '__name__', '') in _MAPS and call.args and where != 0:
            target = target_of(resolve(function, call.args[0], body))
            self._hand_to(target or Target(), where - 1 if isinstance(where, int) else where or '')
        elif called is build_from_cfg:
            self._built(resolve(function, call.args[1], body) if len(call.args) > 1 else None)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in ('update', 'append') and where in (0, None):
            # After x.update(value), uses of x are uses of these keys; the same holds for items of a list.
            if isinstance(call.func.value, ast.Name):
                for value in body.assigned.get(call.func.value.id, ()):
                    self._default(function, value)
            self._bind(function, call.func.value, body)
        elif (target := target_of(called)) is None:
            self._open = True
        elif where is None:
            arguments = itertools.takewhile(lambda argument: not isinstance(argument, ast.Starred), call.args)
            positional = target.positional[: len(list(arguments))]
            self._expand(target, {*positional, *(keyword.arg for keyword in call.keywords)})
        elif isinstance(where, int) and any(isinstance(argument, ast.Starred) for argument in call.args[:where]):
            self._open = True
        else:
            if target.function:
                self._calls.setdefault(target.function.function, []).append(_Expression(function, call))
                if target.function.function in self._returning:
                    self._add(_Expression(function, call))
            self._hand_to(target, where)

    def _built(self, registry: Any) -> None:
        if isinstance(registry, Registry):
            self._registries[registry] = None
        else:
            self._open = True

    def _default(self, function: Function, display: ast.AST) -> None:
        """Record the `type` that a dict display adds to the keys."""
        match display:
            case ast.Call(keywords=keywords):
                values = [keyword.value for keyword in keywords if keyword.arg == 'type']
            case ast.Dict(keys=names, values=items):
                pairs = zip(names, items, strict=True)
                values = [item for name, item in pairs if isinstance(name, ast.Constant) and name.value == 'type']
            case _:
                values = []
        for value in values:
            self._default_from(function, value)

    def _default_from(self, function: Function, value: ast.AST) -> None:
        match value:
            case ast.Constant(value=str(name)):
                self._defaults[name] = None
            case ast.Name(id=name):
                parameter = inspect.signature(function.function).parameters.get(name)
                if parameter is not None:
                    self._defaults[Argument(name, parameter.default)] = None

    def _expand(self, target: 'Target', given: Collection[str | None]) -> None:
        """Record `target(**value)`, where the parameters in `given` have other values."""
        for name in target.names:
            if name not in given:
                self._key(name)._hand_to(target, name)
        if target.variadic:
            body = target.function.body if target.function else None
            if target.function is None or body is None:
                self._open = True
            elif target.variadic not in body.names:
                self._drops = True
            else:
                self._add(_Variable(target.function, target.variadic))

    def _hand_to(self, target: 'Target', where: int | str) -> None:
        if isinstance(where, int):
            if where >= len(target.positional):
                self._open = True
                return
            where = target.positional[where]
        if target.function is None:
            self._open = True
        elif where in target.names:
            self._add(_Variable(target.function, where))
        elif target.variadic:
            handed_on = Schema([_Variable(target.function, target.variadic)])
            self._absorb(handed_on.keys.get(where) or Schema(is_open=True))


@cache
def arguments_of(owner: Callable[..., Any]) -> Schema:
    """Return the schema of the keyword arguments of a class or function, including those that its **kwargs reach."""
    schema = Schema()
    target = target_of(owner)
    if target is None:
        schema._open = True
        return schema
    schema._expand(target, ())
    return schema


def _is_builder(function: FunctionType) -> bool:
    """Return whether a function is like mmcv's `build_norm_layer`, which removes the `type` from the dict itself."""
    return function.__module__.startswith(('mmcv.cnn.bricks', 'mmengine.model'))


def parameter_of(owner: type, method: str, name: str) -> Schema:
    """Return the schema of one parameter of a method.

    Args:
        owner: The class.
        method: The method's name.
        name: The parameter's name.
    """
    schema = Schema()
    target = target_of(method_of(owner, method)) or Target()
    if target.function:
        schema._calls[target.function.function] = []
    schema._hand_to(target, name)
    return schema


def settings_of(owners: Iterable[type], is_one: Callable[[str], object]) -> Schema:
    """Return the schema of all variables and attributes of `self` with certain names in some classes.

    Args:
        owners: The classes.
        is_one: Whether a name counts.
    """
    places: list[_Place] = []
    for owner in owners:
        for function in functions_of(owner):
            if function.body is not None:
                places += [_Variable(function, name) for name in function.body.names if is_one(name)]
                places += [_Attribute(owner, name) for name in function.body.attributes if is_one(name)]
    schema = Schema(places).complete()
    schema.recurs = True
    return schema


def _loads(place: _Place) -> Iterator[tuple[Function, ast.AST]]:
    """Yield the uses of a variable's or attribute's value; a function without a source once, with an empty node."""
    match place:
        case _Expression(function, node):
            yield function, node
        case _Variable(function, name):
            body = function.body
            yield from ((function, node) for node in (body.names.get(name, ()) if body else [ast.Pass()]))
        case _Attribute(owner, name):
            for function in functions_of(owner):
                if function.body is not None:
                    yield from ((function, node) for node in function.body.attributes.get(name, ()))
