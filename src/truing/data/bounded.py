"""Chat templates of strangers, rendered within a number of units: no template takes the machine.

A template is a program. Every operation in it spends units: each spends `OPERATION`, and one unit per
character and `ELEMENT` per element that it reads or makes. What would multiply its input (`*`, `**`, widths
of formats, `join`, `replace`, `center` …) spends before it is done. Loops spend at each turn. The units that
are there depend on the row alone, so a row is refused on every machine or on none.

Texts equal those of transformers' `apply_chat_template`, which renders without bounds; the filters of
`MISSING` and the global `lipsum` are not there.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import update_wrapper, wraps
from itertools import chain
from typing import Any, cast

import jinja2.ext
from jinja2 import TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter, SandboxedFormatter
from jinja2.utils import Namespace
from markupsafe import Markup

from truing.data.measures import (
    ELEMENT,
    PRODUCTS,
    SIZED,
    VIEWS,
    TooMuchError,
    number,
    of_text,
    printed,
    size_of,
)
from truing.data.template_globals import GLOBALS, attributes, tojson

UNITS = 20_000_000  # for any row; a second of the slowest operations
PER_CHARACTER = 30  # more, for each character and element of a row
OF_THE_FIRST = 300  # still more, for each of the first million: a template may look at all turns at each
OPERATION = 20
INTEGER = 100_000  # bits
MANY = 100_000  # units that a text's parts may take before they are spent
REMEMBERED = 16  # compiled templates
LONGEST = 1_000_000  # characters of a template; the longest known has 30 000

# Filters that look at no element of their input, and tests that look at all of it.
SHALLOW = {
    "attr", "batch", "count", "d", "default", "first", "items", "last", "length", "list", "map", "random",
    "reject", "rejectattr", "reverse", "select", "selectattr", "slice",
}  # fmt: skip
COMPARING = (
    "==", "!=", "<", "<=", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan",
    "lower", "lt", "ne", "upper",
)  # fmt: skip
MISSING = ("urlize", "wordwrap", "pprint", "striptags")  # their time grows faster than their input
NO_METHODS = frozenset(("encode", "translate", "to_bytes", "from_bytes", "striptags"))
DICT_NAMES = frozenset(dir(dict))
DIGITS = re.compile(r"\d+")
OPERATORS = {
    "eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in", "notin": "not in",
}  # fmt: skip


class _Generator(CodeGenerator):
    """A writer of Python that passes what Jinja leaves to Python's own operators through the environment."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        parts = [node.expr, *(operand.expr for operand in node.ops)]
        short = len(parts) == 2 and any(isinstance(part, nodes.Const) for part in parts)
        if short and node.ops[0].op not in ("in", "notin"):  # it takes the time of the shorter side
            super().visit_Compare(node, frame)
            return
        self.write("(")
        for place, part in enumerate(parts):
            if place:
                self.write(f" {OPERATORS[node.ops[place - 1].op]} ")
            self._write_call("few" if short else "all_of", part, frame=frame)
        self.write(")")

    def visit_Add(self, node: nodes.Add, frame: Frame) -> None:
        self._write_call("added", node.left, node.right, frame=frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, **how: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if isinstance(node.node, nodes.EnvironmentAttribute):  # a loop's own
            self._write_call(node.node.name, *node.args, frame=frame)
        else:
            super().visit_Call(node, frame, **how)

    def _write_call(self, method: str, *args: nodes.Expr, frame: Frame) -> None:
        self.write(f"environment.{method}(")
        for one in args:
            self.visit(one, frame)
            self.write(", ")
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self._write_call("few", node.node, frame=frame)
        self.write("[")
        self.visit(node.arg, frame)
        self.write("]")


class Bounded(ImmutableSandboxedEnvironment):
    """Transformers' environment of chat templates, with every operation counted."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("-", "*", "/", "//", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # which would compute while it compiles
            finalize=_printed,
            extensions=[_Generation, jinja2.ext.loopcontrols],
        )
        self.units = 0.0
        self.compiled: dict[str, jinja2.Template] = {}
        self.filters["tojson"] = tojson
        for name in MISSING:
            del self.filters[name]
        for name, one in self.filters.items():
            self.filters[name] = self._counted(one, name in SHALLOW, PRODUCTS.get(name))
        for name in COMPARING:
            self.tests[name] = self._counted(self.tests[name], False)
        del self.globals["lipsum"]
        self.globals |= GLOBALS

    def begin(self, size: int) -> None:
        """Set the units for a row of `size` characters and elements."""
        self.units = UNITS + PER_CHARACTER * size + OF_THE_FIRST * min(size, 1_000_000)

    def spend(self, units: float) -> None:
        """Take units. Raises TooMuchError where too few are left."""
        self.units -= units
        if self.units < 0:
            raise TooMuchError

    def few(self, value: Any) -> Any:
        """Return a value that is read without its elements' own elements."""
        if type(value) is str:
            self.spend(OPERATION + len(value))
        elif isinstance(value, SIZED):
            self.spend(OPERATION + (len(value) if isinstance(value, str) else ELEMENT * len(value)))
        return value

    def all_of(self, value: Any) -> Any:
        """Return a value that is read whole."""
        if isinstance(value, str):
            self.spend(OPERATION + len(value))
        elif isinstance(value, (list, tuple, dict, Namespace, *VIEWS)):
            waiting: list[Any] = [value]
            while waiting:
                one = waiting.pop()
                if isinstance(one, Mapping):
                    waiting += chain(one.keys(), one.values())
                elif isinstance(one, Namespace):
                    waiting.append(attributes(one))
                elif isinstance(one, (list, tuple, *VIEWS)):
                    waiting += one
                self.spend(ELEMENT + (len(one) if isinstance(one, str) else 0))
        return value

    def made(self, value: Any) -> Any:
        """Return the result of an operation; what it makes one by one is counted one by one."""
        if type(value) is str:
            self.spend(OPERATION + len(value))
            return value
        if isinstance(value, int) and value.bit_length() > INTEGER:
            raise TooMuchError
        return self._each(value) if _is_lazy(value) else self.few(value)  # pyright: ignore[reportArgumentType]

    def _each(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.spend(OPERATION)
            yield self.all_of(value)

    def tick(self) -> None:
        """Count a turn of a loop."""
        self.spend(OPERATION)

    def joined(self, parts: Sequence[Any]) -> str:
        """Join the values of `~`."""
        return "".join(str(self.all_of(part)) for part in parts)

    def concat(self, parts: Iterable[str]) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Join what a template, a macro or a block writes."""
        kept: list[str] = []
        size = 0
        for part in parts:
            kept.append(part)
            size += ELEMENT + len(part)
            if size > MANY:
                self.spend(size)
                size = 0
        self.spend(size)
        return "".join(kept)

    def added(self, left: Any, right: Any) -> Any:
        """Compute `left + right`."""
        return self.made(left + right)

    def _counted(
        self, function: Callable[..., Any], shallow: bool, product: Callable[..., float] | None = None
    ) -> Callable[..., Any]:
        """Return a filter or a test that spends for what it reads and for what it makes."""
        skipped = int(hasattr(function, "jinja_pass_arg"))
        read = self.few if shallow else self.all_of

        @wraps(function)
        def count(*args: Any, **kwargs: Any) -> Any:
            if not shallow and _is_lazy(args[skipped]):
                args = (*args[:skipped], list(args[skipped]), *args[skipped + 1 :])
            for value in args[skipped:]:
                read(value)
            for value in kwargs.values():
                read(value)
            if product:
                self.spend(product(*args[skipped:], **kwargs))
            return self.made(function(*args, **kwargs))

        return count

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute `left operator right`, once what it would make has been spent."""
        self.spend(OPERATION)
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int):
                    self.spend(len(many) * max(times, 0))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            if left.bit_length() * max(right, 0) > INTEGER:
                raise TooMuchError
        elif operator == "%" and isinstance(left, str):
            self.all_of(right)
            self.spend(len(left) + printed(left, right))
        return self.made(self.binop_table[operator](left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up `obj.attribute`, for a key of a turn without the detour over a failing attribute."""
        if type(obj) is dict and attribute not in DICT_NAMES:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse what Jinja's sandbox refuses, and methods that make bytes."""
        return attr not in NO_METHODS and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `str.format` or `str.format_map` of a text as a function that spends for each field."""
        if super().wrap_str_format(value) is None:
            return None
        text: str = value.__self__
        marked = isinstance(text, Markup)
        formatter = _EscapingFields(self, escape=text.escape) if marked else _Fields(self)

        def write(*args: Any, **kwargs: Any) -> str:
            if value.__name__ == "format_map":
                (kwargs,) = args
                args = ()
            self.few(text)
            return type(text)(formatter.vformat(text, args, kwargs))

        return update_wrapper(write, value)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Call what a template calls."""
        owner = getattr(obj, "__self__", None)
        self.spend(OPERATION)
        given = [*args, *kwargs.values()]
        read = self.all_of if isinstance(owner, str | list | tuple) else self.few
        for value in given:
            read(value)
        if isinstance(owner, list | tuple):
            self.all_of(owner)
        elif isinstance(owner, str):
            self.few(owner)
            if obj.__name__ == "join" and args:
                given = args = (list(args[0]),)
            self.spend(of_text(owner, obj.__name__, given))
        return self.made(super().call(context, obj, *args, **kwargs))


@jinja2.pass_context
def _printed(context: Context, value: Any) -> Any:
    """Return a value that is printed. A function without the context would be called while Jinja compiles."""
    return value if type(value) is str else cast("Bounded", context.environment).all_of(value)


def _is_lazy(value: Any) -> bool:
    return type(value) is not str and isinstance(value, Iterator) and not isinstance(value, LoopContext)


class _Generation(jinja2.ext.Extension):
    """The tag `generation`, with which templates mark what an assistant says. It writes its body."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_written"), [], [], body).set_lineno(line)

    def _written(self, caller: Callable[[], str]) -> str:
        return caller()


class _Fields(SandboxedFormatter):
    """The fields of `str.format`, each of which spends."""

    _env: Bounded

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(self._env.all_of(value), conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        self._env.spend(OPERATION + sum(map(number, DIGITS.findall(format_spec))))
        return self._env.all_of(super().format_field(self._env.all_of(value), format_spec))


class _EscapingFields(_Fields, SandboxedEscapeFormatter):
    pass


class _Own(threading.local):
    """An environment of each thread: its units are those of one row."""

    def __init__(self) -> None:
        self.environment = Bounded()


_own = _Own()


def _compiled(source: str, environment: Bounded) -> jinja2.Template:
    if source not in environment.compiled:
        if len(source) > LONGEST:
            raise TooMuchError
        tree = environment.parse(source)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = _called("few", cast("nodes.Expr", loop.iter))
            loop.body.insert(0, nodes.ExprStmt(_called("tick")))
        tree.set_environment(environment)
        if len(environment.compiled) >= REMEMBERED:
            environment.compiled.clear()
        environment.compiled[source] = environment.from_string(tree)
    return environment.compiled[source]


def _called(method: str, *args: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(method), list(args), [], None, None)


def write(source: str, values: Mapping[str, Any]) -> str:
    """Render a chat template. Raises jinja2's TemplateError, and its kind TooMuchError beyond a row's units.

    Whatever else a template ends in is its own error: it is a program that anybody may have written.
    """
    try:
        environment = _own.environment
        template = _compiled(source, environment)
        environment.begin(size_of(values))
        return template.render(values)
    except TemplateError:
        raise
    except MemoryError as error:
        raise TooMuchError from error
    except Exception as error:
        raise TemplateError(f"{type(error).__name__}: {error}") from error
