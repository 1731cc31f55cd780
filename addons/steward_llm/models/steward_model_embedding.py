from odoo import fields, models
from odoo.addons.steward.exceptions import BadAnswer, Invalid
from odoo.tools import SQL

from ..adapters import local
from ..kernel.usage import Usage

PURPOSES = ("document", "query")
MAX_CHARACTERS = 100_000  # of one text
CHARACTERS_AT_ONCE = 200_000  # in one call


class StewardModel(models.Model):
    _inherit = "steward.model"

    cache_generation = fields.Integer(
        readonly=True,
        copy=False,
        groups=fields.NO_ACCESS,
        help="Part of each key of the cache: one more, and all workers start anew.",
    )

    def _embed(self, texts, purpose="document"):
        """Turn texts into vectors of length one, in their order.

        What was embedded before is not embedded again. A provider's failure comes out
        as it is; what it had answered until then is kept for the next time.

        :param texts: not empty, none blank
        :param purpose: ``document`` or ``query``
        :return: float32 array (n, dimensions)
        :raises Invalid: for texts that cannot be embedded
        :raises BadAnswer: for vectors that cannot be used; none of them is kept
        :raises BudgetExhausted: when a budget has too little left for the next call
        :raises PriceUnknown: when a budget allows no unknown price
        """
        import numpy as np

        self.ensure_one()
        texts = self._sound_texts(texts, purpose)
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        adapter = self.provider_id._adapter()
        if self.name in adapter.cheap:  # quicker than a look into the cache
            embedded = adapter.embed(self.name, texts, purpose, self.dimensions or None)
            return self._normalised(embedded.vectors, len(texts), self.dimensions)
        unique = list(dict.fromkeys(texts))
        cache = self.env["steward.embedding"]
        space = self._cache_space(adapter, purpose)
        keys = dict(zip(unique, cache._keys(unique, space), strict=True))
        known = cache._find(self, list(keys.values()))
        missing = [text for text in unique if keys[text] not in known]
        used = Usage()
        try:
            for batch in self._batches(missing, adapter.batch):
                with self._reserved(batch) as reservation:
                    embedded = adapter.embed(
                        self.name, batch, purpose, self.dimensions or None
                    )
                    used = used.plus(embedded.usage)
                    reservation.settle(self._cost(embedded.usage).amount)
                vectors = self._normalised(
                    embedded.vectors, len(batch), self._expected(known)
                )
                made = {
                    keys[text]: vector.astype("<f2").tobytes()
                    for text, vector in zip(batch, vectors, strict=True)
                }
                known |= made
                cache._keep(self, made)
        finally:
            if any(used[:5]):
                self._record_lasting(used, "embedding")
        rows = b"".join(known[keys[text]] for text in texts)
        found = np.frombuffer(rows, "<f2").reshape(len(texts), -1).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def _cache_space(self, adapter, purpose):
        """Return all that decides about a vector beside the text: part of each key."""
        # sudo: steward.model - who embeds need not see how the cache counts
        generation = self.sudo().cache_generation
        purpose = purpose if adapter.knows_purpose else ""
        version = adapter.space(self.name)
        return repr((self.name, self.dimensions, version, purpose, generation))

    def _sound_texts(self, texts, purpose):
        """Return texts that can be embedded, or say which one cannot."""
        texts = list(texts)
        if purpose not in PURPOSES:
            raise Invalid(
                self.env._(
                    "Texts are embedded as document or as query, not as %(purpose)s.",
                    purpose=purpose,
                )
            )
        if not self.can_embedding:
            raise Invalid(
                self.env._("%(name)s does not embed.", name=self.display_name)
            )
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str) or not text.strip():
                raise Invalid(
                    self.env._(
                        "Text %(number)s is empty: there is nothing to embed.",
                        number=number,
                    )
                )
            if len(text) > MAX_CHARACTERS:
                raise Invalid(
                    self.env._(
                        "Text %(number)s has %(size)s characters, and no more than"
                        " %(most)s can be embedded at once. Cut it into passages.",
                        number=number,
                        size=len(text),
                        most=MAX_CHARACTERS,
                    )
                )
        # half a character (a lone surrogate) goes over no wire
        return [text.encode("utf-8", "replace").decode() for text in texts]

    def _batches(self, texts, most):
        """Cut texts into calls that a server takes."""
        batch, size = [], 0
        for text in texts:
            if batch and (len(batch) >= most or size + len(text) > CHARACTERS_AT_ONCE):
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += len(text)
        if batch:
            yield batch

    def _expected(self, known):
        """How long a vector must be: as we were told, or as those known already."""
        if self.dimensions:
            return self.dimensions
        return next((len(vector) // 2 for vector in known.values()), 0)

    def _normalised(self, vectors, count, dimensions):
        """Return vectors of length one, if they are vectors at all.

        :param dimensions: how long each must be; 0: all alike
        """
        import numpy as np

        try:
            found = np.asarray(vectors, np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._unusable(self.env._("no numbers")) from error
        if found.ndim != 2 or len(found) != count or not found.shape[1]:
            raise self._unusable(self.env._("not one vector for each of the texts"))
        if dimensions and found.shape[1] != dimensions:
            raise self._unusable(
                self.env._(
                    "%(found)s dimensions instead of %(expected)s",
                    found=found.shape[1],
                    expected=dimensions,
                )
            )
        with np.errstate(over="ignore", invalid="ignore"):
            # twice, so that the squares of large numbers stay finite
            found = found / np.abs(found).max(axis=1, keepdims=True)
            found /= np.linalg.norm(found, axis=1, keepdims=True)
        if not np.isfinite(found).all():
            raise self._unusable(self.env._("vectors without a direction"))
        return found

    def _unusable(self, what):
        return BadAnswer(
            self.env._(
                "%(name)s answered with %(what)s. Nothing of it was kept.",
                name=self.display_name,
                what=what,
            )
        )

    # -- what it costs -------------------------------------------------------------

    def _reserved(self, texts):
        """Put aside what a call may cost at most: no token is shorter than a byte."""
        subject = {
            "company": self.env.company.id,
            "user": self.env.uid,
            "provider": self.provider_id.id,
        }
        most = self._cost(Usage(tokens_in=sum(len(text.encode()) for text in texts)))
        # sudo: steward.budget - it holds for everybody, who need not see it
        return self.env["steward.budget"].sudo()._reserve(subject, most.amount)

    # -- the cache of a model ------------------------------------------------------

    def _empty_cache(self):
        """Forget all vectors of these models, in all workers."""
        for model in self:
            # sudo: steward.model - the field is nobody's
            own = model.sudo()
            own.cache_generation += 1
        self.env.cr.execute(
            SQL(
                "DELETE FROM steward_embedding WHERE model_id = ANY(%s)", list(self.ids)
            )
        )

    # -- which one -----------------------------------------------------------------

    def _default_embedding(self):
        """Where the weights are missing, the built-in model that needs none."""
        model = super()._default_embedding()
        needs_weights = model.provider_id.kind == "local" and model.name != local.HASH
        if needs_weights and local.weights() is None:
            return model.provider_id.model_ids.filtered(
                lambda other: other.name == local.HASH
            )
        return model
