"""What is known about providers and models before anybody asks them.

>>> PRESETS["ollama"].base_url
'http://localhost:11434/v1'
>>> sorted(describe({"id": "text-embedding-3-small"}).capabilities)
['embedding']
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# what a model can do; a model's fields have these names behind "can_"
CAPABILITIES = ("chat", "tools", "vision", "json", "streaming", "embedding")
NAME_LIMIT = 256  # characters of a model's name


class Preset(NamedTuple):
    """A service or server that speaks the OpenAI protocol.

    :param book: its name in the price book; without one, no list price is its own
    :param needs_key: False when a key is unusual
    :param at_home: whether it mostly runs on one's own machines, where no token costs
    :param needs: what an administrator has to have or do
    """

    label: str
    base_url: str
    needs: str
    book: str = ""
    needs_key: bool = True
    at_home: bool = False
    headers: tuple[tuple[str, str], ...] = ()


_PRIVATE = (
    " It is in a private network: allow its host or network under Settings > Steward >"
    " Outbound calls."
)
PRESETS = {
    "openai": Preset(
        "OpenAI",
        "https://api.openai.com/v1",
        "A key of your project at platform.openai.com.",
        book="openai",
    ),
    "azure": Preset(
        "Azure OpenAI",
        "https://YOUR-RESOURCE.openai.azure.com/openai/v1",
        "Put your resource's name into the address, and one of its two keys into a"
        " secret. A model is called by the name of its deployment.",
        book="azure",
    ),
    "anthropic": Preset(
        "Anthropic",
        "https://api.anthropic.com/v1",
        "A key from console.anthropic.com. This is Anthropic's OpenAI-compatible"
        " endpoint: chat and tools, no embeddings.",
        book="anthropic",
        headers=(("anthropic-version", "2023-06-01"),),
    ),
    "gemini": Preset(
        "Google Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "A key from aistudio.google.com.",
        book="google",
    ),
    "ollama": Preset(
        "Ollama",
        "http://localhost:11434/v1",
        "A running Ollama that has pulled a model; no key." + _PRIVATE,
        needs_key=False,
        at_home=True,
    ),
    "vllm": Preset(
        "vLLM",
        "http://localhost:8000/v1",
        "A running “vllm serve”; a key only if it was started with --api-key."
        + _PRIVATE,
        needs_key=False,
        at_home=True,
    ),
    "llamacpp": Preset(
        "llama.cpp",
        "http://localhost:8080/v1",
        "A running “llama-server”; with --embeddings if it shall embed. A key only if"
        " it was started with --api-key." + _PRIVATE,
        needs_key=False,
        at_home=True,
    ),
    "litellm": Preset(
        "LiteLLM",
        "http://localhost:4000/v1",
        "A running LiteLLM proxy and one of its virtual keys." + _PRIVATE,
    ),
    "other": Preset(
        "Another compatible server",
        "",
        "The address up to and including /v1, and a key if the server wants one.",
        needs_key=False,
    ),
}


class ModelInfo(NamedTuple):
    """A model as its provider tells of it; what is not told is None."""

    name: str
    capabilities: frozenset[str]
    context_size: int | None = None
    dimensions: int | None = None
    max_output: int | None = None


_EMBEDS = re.compile(
    r"embed|minilm|(^|[/_-])(bge|gte|e5|uae|jina-clip|voyage)[_-]", re.IGNORECASE
)
_NEITHER = re.compile(
    r"whisper|tts|transcribe|speech|audio|realtime|dall-e|image|sora|veo|imagen|video"
    r"|moderation|rerank|davinci|babbage|guard|diffusion|flux",
    re.IGNORECASE,
)
# families of which each member calls tools, sees pictures and keeps to a schema
_ABLE = re.compile(
    r"(^|[/-])(gpt-4o|gpt-4\.1|gpt-[5-9]|chatgpt|o[1-9]($|-)|claude-|gemini-)",
    re.IGNORECASE,
)
_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
# under what names servers tell a size: vLLM, OpenRouter, Groq, llama.cpp, Gemini
_CONTEXT = ("max_model_len", "context_length", "context_window", "n_ctx_train")
_OUTPUT = ("max_completion_tokens", "max_output_tokens")


def describe(told: object) -> ModelInfo | None:
    """Read one entry of ``/v1/models``; None when it names no model.

    Most servers tell little more than the name, from which we guess what the model
    can do. A person may correct it: what was fetched once is not fetched over.

    >>> describe({"id": "models/gemini-2.5-flash"}).name
    'gemini-2.5-flash'
    >>> describe({"id": "my-llama", "max_model_len": 8192}).context_size
    8192
    >>> describe({"id": "whisper-1"}).capabilities
    frozenset()
    >>> describe({"id": 7}), describe("gpt")
    (None, None)
    """
    if not isinstance(told, Mapping):
        return None
    name = told.get("id")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT:
        return None
    name = name.strip().removeprefix("models/")
    if not name or not name.isprintable():
        return None
    meta = told.get("meta")  # llama.cpp's place for it
    facts = {**meta, **told} if isinstance(meta, Mapping) else told
    capabilities = _capabilities(name)
    dimensions = None
    if "embedding" in capabilities:
        dimensions = _DIMENSIONS.get(name) or _size(facts, ("n_embd",))
    return ModelInfo(
        name,
        capabilities,
        _size(facts, _CONTEXT),
        dimensions,
        _size(facts, _OUTPUT),
    )


def _capabilities(name: str) -> frozenset[str]:
    if _EMBEDS.search(name):
        return frozenset({"embedding"})
    if _NEITHER.search(name):
        return frozenset()
    if _ABLE.search(name):
        return frozenset(CAPABILITIES) - {"embedding"}
    return frozenset({"chat", "streaming"})


def _size(facts: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = facts.get(name)
        if isinstance(value, int) and 0 < value < 2**31:
            return int(value)
    return None
