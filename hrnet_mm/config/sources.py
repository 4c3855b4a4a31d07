"""Sources of Python functions: call targets, their parameters, and the uses of names."""

import ast
import builtins
import functools
import inspect
import linecache
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from mmengine.registry import Registry
from mmengine.runner import Runner
from torch import nn

__all__ = ['Body', 'Function', 'Target', 'functions_of', 'method_of', 'resolve', 'target_of']

_NOT_FOLLOWED = ('abc', 'builtins', 'torch', 'typing')
"""Packages of base classes that read no attribute of their subclasses."""


@dataclass(frozen=True)
class Function:
    """A Python function, the class of its `self`, and the class that defines it."""

    function: FunctionType
    owner: type | None = None
    definer: type | None = None

    @property
    def body(self) -> 'Body | None':
        """The source, if there is one."""
        return _body(self.function.__code__)


@dataclass(frozen=True)
class Target:
    """The target of a call: its parameters without `self`, and the function that receives them if it has a source."""

    names: Collection[str] = ()
    positional: list[str] = field(default_factory=list)
    variadic: str | None = None
    function: Function | None = None


def target_of(called: Any) -> Target | None:
    """Return the target of a callable; None if its parameters are unknown."""
    if called is object.__init__ or (isinstance(called, Function) and called.definer is nn.Module):
        return Target()
    bound = False
    function: Function | None = None
    if inspect.isclass(called):
        method = method_of(called, '__init__')
        function, bound = (method, True) if isinstance(method, Function) else (None, False)
    elif isinstance(called, Function):
        function = called
        kind = inspect.getattr_static(called.owner, called.function.__name__, None) if called.owner else None
        bound = called.owner is not None and not isinstance(kind, staticmethod)
    elif isinstance(called, MethodType):
        owner = called.__self__ if inspect.isclass(called.__self__) else type(called.__self__)
        found = method_of(owner, called.__name__)
        function, bound = (found, True) if isinstance(found, Function) else (None, False)
    elif isinstance(called, functools.partial):
        target = target_of(called.func)
        if target is None:
            return None
        taken = target.positional[: len(called.args)]
        names = [name for name in target.names if name not in taken]
        return Target(names, target.positional[len(called.args) :], target.variadic, target.function)
    elif inspect.isfunction(called):
        function = Function(inspect.unwrap(called))
    if called is None or not (callable(called) or function):
        return None
    try:
        signature = inspect.signature(function.function if function else called)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())[1 if bound else 0 :]
    return Target(
        [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)] + _renamed(called, function),
        [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)],
        next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None),
        function,
    )


def _renamed(called: Any, function: Function | None) -> list[str]:
    """Return old names of parameters, which mmengine's `deprecated_api_warning` replaces."""
    if function and function.definer:
        called = vars(function.definer).get(function.function.__name__)
    if not isinstance(called, FunctionType) or 'name_dict' not in called.__code__.co_freevars:
        return []
    return list(inspect.getclosurevars(called).nonlocals['name_dict'])


def method_of(owner: type, name: str, after: type | None = None) -> Any:
    """Return a method as a `Function`, another attribute as it is, or None.

    Args:
        owner: The class.
        name: The attribute's name.
        after: The class whose `super()` is meant.
    """
    mro = owner.__mro__
    for definer in mro[mro.index(after) + 1 :] if after in mro else mro:
        if name in vars(definer):
            member = vars(definer)[name]
            member = getattr(member, '__func__', member)
            member = inspect.unwrap(member) if callable(member) else member
            return Function(member, owner, definer) if isinstance(member, FunctionType) else member
    return None


@cache
def functions_of(owner: type) -> list[Function]:
    """Return the methods and properties of a class and its bases, except those that cannot read its attributes."""
    found = []
    replaced: set[str] = set()
    for definer in owner.__mro__:
        if definer.__module__.partition('.')[0] in _NOT_FOLLOWED:
            continue
        members = {name: member for name, member in vars(definer).items() if name not in replaced}
        for name, member in members.items():
            accessors = (member.fget, member.fset) if isinstance(member, property) else (member,)
            for accessor in accessors:
                function = getattr(accessor, '__func__', accessor)
                function = inspect.unwrap(function) if isinstance(function, FunctionType) else function
                if isinstance(function, FunctionType):
                    found.append(Function(function, owner, definer))
                    if 'super' not in function.__code__.co_names:
                        replaced.add(name)
    return found


def resolve(function: Function, expression: ast.AST, body: 'Body') -> Any:
    """Return the class, function, module or registry that an expression refers to; None if it is unknown.

    Args:
        function: The function that contains the expression.
        expression: The expression.
        body: The function's source.
    """
    match expression:
        case ast.Name(id=name):
            code = function.function.__code__
            if name in code.co_varnames or name in code.co_freevars:
                return None
            return function.function.__globals__.get(name, getattr(builtins, name, None))
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == body.self_name and function.owner:
            return method_of(function.owner, attribute)
        case ast.Attribute(value=ast.Name(id='runner') | ast.Attribute(attr='runner'), attr=attribute):
            return method_of(Runner, attribute)  # the name of the Runner in hooks and loops
        case ast.Attribute(value=ast.Call(func=ast.Name(id='super'), args=base), attr=attribute) if function.owner:
            after = resolve(function, base[0], body) if base else function.definer
            return method_of(function.owner, attribute, after)
        case ast.Attribute(value=value, attr=attribute):
            base = resolve(function, value, body)
            if isinstance(base, ModuleType | Registry) or inspect.isclass(base):
                return getattr(base, attribute, None)
    return None


class Body:
    """The source of a function, indexed by the names in it."""

    def __init__(self, root: ast.FunctionDef) -> None:
        self.root = root
        arguments = [*root.args.posonlyargs, *root.args.args]
        self.self_name = arguments[0].arg if arguments else ''

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of each node."""
        return {child: node for node in ast.walk(self.root) for child in ast.iter_child_nodes(node)}

    @cached_property
    def names(self) -> dict[str, list[ast.AST]]:
        """The reads of each variable."""
        found: dict[str, list[ast.AST]] = {}
        for node in ast.walk(self.root):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.id, []).append(node)
        return found

    @cached_property
    def attributes(self) -> dict[str, list[ast.AST]]:
        """The reads of each attribute of `self`."""
        found: dict[str, list[ast.AST]] = {}
        for node in self.names.get(self.self_name, ()):
            parent = self.parents[node]
            if isinstance(parent, ast.Attribute) and isinstance(parent.ctx, ast.Load):
                found.setdefault(parent.attr, []).append(parent)
        return found

    @cached_property
    def assigned(self) -> dict[str, list[ast.AST]]:
        """The values assigned to each variable."""
        found: dict[str, list[ast.AST]] = {}
        for node in ast.walk(self.root):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node.value)
        return found


@cache
def _body(code: CodeType) -> Body | None:
    root = _definitions(code.co_filename).get((code.co_name, code.co_firstlineno))
    return None if root is None else Body(root)


@cache
def _definitions(file: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """Return the functions of a source file by name and first line, including decorators."""
    tree = ast.parse(''.join(linecache.getlines(file)))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {(node.name, min([node.lineno, *(part.lineno for part in node.decorator_list)])): node for node in functions}
