"""Vendors: one adapter for each way to talk to a model."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

from odoo.addons.steward.exceptions import Invalid

from ..kernel.catalog import ModelInfo
from ..kernel.chat import JSON, Answer, Message, OnDelta, ToolSpec
from ..kernel.usage import Usage

Purpose = Literal["document", "query"]


class Embedded(NamedTuple):
    """Vectors in the order of the texts, and what they took.

    :param vectors: lists of numbers, or a float32 array (n, dimensions)
    """

    vectors: Any
    usage: Usage


class Adapter(ABC):
    """How Steward talks to one provider. One instance per provider record and call.

    Whatever goes wrong comes out as an error of `steward.exceptions`.
    """

    batch = 64  # texts embedded in one call
    cheap: frozenset[str] = frozenset()  # models quicker than a look into a cache
    knows_purpose = False  # whether a query's vector differs from a document's

    def __init__(self, provider):
        self.provider = provider
        self.env = provider.env

    @abstractmethod
    def models(self) -> list[ModelInfo]:
        """What the provider offers."""

    @abstractmethod
    def embed(
        self,
        model_name: str,
        texts: list[str],
        purpose: Purpose = "document",
        dimensions: int | None = None,
    ) -> Embedded:
        """Turn texts into vectors of so many dimensions, if that is known."""

    @abstractmethod
    def test(self) -> str:
        """Say in a sentence that it works, or raise a `StewardError`."""

    def space(self, model_name: str) -> str:  # noqa: ARG002 - for adapters
        """What decides about vectors beside the model's name; part of cache keys."""
        return ""

    def chat(
        self,
        model_name: str,  # noqa: ARG002 - for adapters
        messages: list[Message],  # noqa: ARG002
        tools: list[ToolSpec] = (),  # noqa: ARG002
        schema: JSON | None = None,  # noqa: ARG002
        max_tokens: int | None = None,  # noqa: ARG002
        on_delta: OnDelta | None = None,  # noqa: ARG002
        deadline: float | None = None,  # noqa: ARG002
    ) -> Answer:
        """Let a model answer; see `kernel.chat` for what goes in and comes out.

        :param schema: of an answer that is JSON; the caller looks whether it fits
        :param on_delta: is called with each `Delta` of the text; without it, the
            answer comes as a whole
        :param deadline: on the clock of `time.monotonic`, if it is to be sooner than
            the provider's own
        """
        raise Invalid(
            self.env._("%(name)s has no models that chat.", name=self.provider.name)
        )
