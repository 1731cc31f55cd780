from odoo.addons.steward.kernel.schema import Document, validate
from odoo.tests import BaseCase

from ..kernel.verbs import LEVELS, VERBS, proves_more

FOLDER = {"kind": "folder", "path": "/srv/backups"}
RESTIC = {
    "kind": "restic",
    "repository": "s3:https://s3.example.com/backups",
    "password": "file:restic",
}
SOUND = {
    "backup": {
        "database": "shop",
        "kind": "full",
        "storage": FOLDER,
        "engine": "archive",
        "encryption": {"key": "file:/run/secrets/backup"},
    },
    "verify": {
        "storage": RESTIC,
        "path": "shop/1",
        "level": "readback",
        "encryption": {"keys": ["env:OLD", "file:older"]},
    },
    "restore": {
        "storage": FOLDER,
        "path": "shop/1",
        "target": "shop_copy",
        "replace": False,
        "neutralize": True,
        "safety": None,
    },
    "drill": {"storage": FOLDER, "path": "shop/1", "keep": False},
    "prune": {"storage": FOLDER, "remove": ["shop/1"], "keep": ["shop/2"]},
    "export": {"storage": FOLDER, "path": "shop/1", "to": "/srv/backups/shop.zip"},
    "discard": {"path": "/srv/backups/exports/shop.zip"},
    "probe": {
        "storage": {
            "kind": "s3",
            "bucket": "b",
            "access_key": "env:A",
            "secret_key": "env:B",
        }
    },
}


class TestVerbs(BaseCase):
    def problems(self, verb, arguments):
        return validate(Document(arguments, {}), VERBS[verb])

    def test_sound(self):
        self.assertEqual(set(SOUND), set(VERBS))
        for verb, arguments in SOUND.items():
            with self.subTest(verb=verb):
                self.assertEqual(self.problems(verb, arguments), [])

    def test_refused(self):
        for verb, wrong in (
            ("backup", {"database": "shop; DROP"}),
            ("backup", {"database": "../shop"}),
            ("backup", {"encryption": {"key": "hunter2"}}),
            ("backup", {"storage": {"kind": "folder", "path": "/srv/../etc"}}),
            ("backup", {"command": "rm"}),
            ("backup", {"encryption": {"keys": ["env:OLD"]}}),
            ("backup", {"storage": RESTIC | {"repository": "rest:http://a:b@c/"}}),
            ("verify", {"encryption": {"keys": []}}),
            ("restore", {"target": "-d"}),
            ("verify", {"path": "../../etc"}),
            ("verify", {"level": "believed"}),
            ("prune", {"remove": []}),
            ("prune", {"keep": []}),
            ("discard", {"path": "/srv/backups/exports/../shop.zip"}),
        ):
            with self.subTest(verb=verb, **wrong):
                self.assertTrue(self.problems(verb, SOUND[verb] | wrong))

    def test_levels_are_in_order(self):
        self.assertEqual(
            sorted(LEVELS, key=lambda a: sum(proves_more(a, b) for b in LEVELS)),
            list(LEVELS),
        )
