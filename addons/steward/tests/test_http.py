import gzip
import json
import logging
import socket
import ssl
import threading
import zlib
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.service.model import get_public_method
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .. import exceptions, wire
from ..models import steward_http
from .http_common import HTTP_LOGGER, PATIENCE, HttpKit
from .server import Server

MB = 1024 * 1024
LIMITS = wire.Limits(connect=PATIENCE, total=PATIENCE)


class TestRequest(HttpKit):
    def test_json_there_and_back(self):
        self.server.on("/echo", lambda peer: peer.answer(200, peer.received.json()))
        answer = self.get("/echo", "post", json={"a": [1, "ä"]}, params={"q": "x y"})
        self.assertEqual(answer.json(), {"a": [1, "ä"]})
        [received] = self.server.requests
        self.assertEqual(received.target, "/echo?q=x+y")
        self.assertEqual(received.headers["Content-Type"], "application/json")
        self.assertEqual(received.headers["Host"], f"127.0.0.1:{self.server.port}")
        self.assertIn("Steward", received.headers["User-Agent"])

    def test_contents(self):
        self.server.on("/", lambda peer: peer.answer(200, peer.received.body))
        for data, body, kind in (
            (b"\0\1", b"\0\1", "application/octet-stream"),
            ("ä", "ä".encode(), "text/plain; charset=utf-8"),
            (
                {"a": "1 2", "b": ["x", "y"]},
                b"a=1+2&b=x&b=y",
                "application/x-www-form-urlencoded",
            ),
        ):
            self.assertEqual(self.get("/", "PUT", data=data).content, body)
            self.assertEqual(self.server.requests[-1].headers["Content-Type"], kind)
        with self.assertRaises(exceptions.Invalid):
            self.get("/", "PUT", data=b"", json={})

    def test_url_hook_keeps_what_is_there(self):
        get_url = self.http._get_url
        self.assertEqual(get_url("http://h/?a=1", {"b": 2}), "http://h/?a=1&b=2")
        self.assertEqual(get_url("http://h/", {"b": None}), "http://h/")
        self.assertEqual(
            get_url("http://h/", [("b", 1), ("b", 2)]), "http://h/?b=1&b=2"
        )

    def test_caller_cannot_forge_the_connection(self):
        self.server.on("/", lambda peer: peer.answer())
        self.get("/", headers={"Host": "other", "Content-Length": "7", "X-Mine": "1"})
        headers = self.server.requests[0].headers
        self.assertEqual(headers["Host"], f"127.0.0.1:{self.server.port}")
        self.assertIsNone(headers["Content-Length"])
        self.assertEqual(headers["X-Mine"], "1")

    def test_line_break_in_header_is_refused(self):
        with self.assertRaises(exceptions.Invalid):
            self.get("/", headers={"X-Mine": "1\r\nX-Other: 2"})
        self.assertFalse(self.server.requests)

    def test_texts_and_what_is_no_json(self):
        self.server.on(
            "/",
            lambda peer: peer.answer(
                200, "ä".encode("latin-1"), "Content-Type: text/plain; charset=latin-1"
            ),
            lambda peer: peer.answer(
                200, b"x", "Content-Type: text/x; charset=klingon"
            ),
        )
        answer = self.get("/")
        self.assertEqual(answer.text, "ä")
        with self.assertRaises(exceptions.BadAnswer):
            answer.json()
        self.assertEqual(self.get("/").text, "x")

    def test_connection_is_kept(self):
        self.server.on("/", lambda peer: peer.answer(200, b"ok"))
        for _call in range(3):
            self.get("/")
        self.assertEqual(self.server.connections, 1)

    def test_connection_closed_meanwhile_is_no_failure(self):
        def once(peer):
            peer.answer(200, b"ok")
            peer.cut()

        self.server.on("/", once)
        for _call in range(3):
            self.assertEqual(self.get("/", retries=0).content, b"ok")

    def test_stale_connection_noticed_only_when_used(self):
        self.server.on(
            "/", lambda peer: peer.answer(200, b"ok"), lambda peer: peer.cut()
        )
        self.get("/")
        self.server.on("/", lambda peer: peer.cut(), lambda peer: peer.answer())
        self.assertEqual(self.get("/", retries=0).status, 200)
        with self.assertRaises(exceptions.Unreachable):
            self.server.on("/", lambda peer: peer.cut())
            self.get("/", "POST", retries=0)

    def test_idle_connections_are_bounded(self):
        self.server.on("/", lambda peer: peer.answer())
        for number in range(wire.IDLE_IN_ALL + 5):
            rules = wire.Rules(self.http._get_rules().policy, ca_file=str(number))
            request = wire.Request("GET", self.server.url("/"))
            wire.exchange(request, rules, LIMITS, wire.Deadline(PATIENCE)).whole()
        kept = sum(map(len, wire.IDLE.kept.values()))
        self.assertEqual(kept, wire.IDLE_IN_ALL)

    def test_methods_without_content(self):
        self.server.on(
            "/", lambda peer: peer.head(200, "Content-Length: 5"), lambda p: p.head(204)
        )
        self.assertEqual(self.get("/", "HEAD").content, b"")
        self.assertEqual(self.get("/", "DELETE").status, 204)

    def test_hooks_of_an_adapter(self):
        model = self.registry["steward.http"]
        self.server.on("/", lambda peer: peer.answer(200, {"n": 1}))
        with (
            patch.object(model, "_get_auth", lambda self, url: {"X-Key": "k"}),
            patch.object(model, "_parse_content", lambda self, answer: answer.json()),
        ):
            self.assertEqual(self.get("/"), {"n": 1})
        self.assertEqual(self.server.requests[0].headers["X-Key"], "k")

    def test_guards_stand_around_each_attempt(self):
        seen = []
        model = self.registry["steward.http"]

        def guard(_self, name):
            seen.append(name)
            return steward_http.nullcontext()

        self.server.on("/", lambda peer: peer.answer(503), lambda peer: peer.answer())
        with (
            patch.object(model, "_guard_circuit", guard),
            patch.object(model, "_take_rate", lambda self, name: seen.append(name)),
        ):
            self.get("/", rate="r")
            self.get("/", circuit="c")
        circuit = f"http:127.0.0.1:{self.server.port}"
        self.assertEqual(seen, [circuit, "r", circuit, "r", "c", "c"])

    def test_refusal_of_a_guard_is_not_repeated(self):
        model = self.registry["steward.http"]

        def refuse(_self, _name):
            raise exceptions.RateLimited("enough")

        with (
            patch.object(model, "_take_rate", refuse),
            self.assertRaises(exceptions.RateLimited),
        ):
            self.get("/")
        self.assertFalse(self.pauses)


class TestAddresses(HttpKit):
    def refused(self, url, rule=None, **arguments):
        with self.assertRaises(exceptions.AddressRefused) as caught:
            self.http._request("GET", url, **arguments)
        if rule:
            self.assertEqual(caught.exception.detail, rule)
        return caught.exception

    def test_private_addresses_without_permission(self):
        self.set_param("steward.http.allowed_networks", "")
        self.refused(self.server.url(), "loopback")
        for url, rule in (
            ("http://169.254.169.254/latest/meta-data", "metadata"),
            ("http://[::ffff:127.0.0.1]/", "loopback"),
            ("http://10.0.0.1/", "private"),
            ("http://2130706433/", "number"),
            ("file:///etc/passwd", "scheme"),
            ("http://a@b/", "userinfo"),
            ("http://[::1", "host"),
        ):
            self.refused(url, rule)
        self.assertFalse(self.server.requests)

    def test_name_that_leads_home(self):
        self.set_param("steward.http.allowed_networks", "")
        self.names(evil_test=["127.0.0.1"])
        self.refused("http://evil.test/", "loopback")

    def test_allowed_host(self):
        self.set_param("steward.http.allowed_networks", "")
        self.set_param("steward.http.allowed_hosts", "other.lan, home.lan")
        self.names(home_lan=["127.0.0.1"])
        self.server.on("/", lambda peer: peer.answer())
        answer = self.http._request("GET", self.server.url(host="home.lan"))
        self.assertEqual(answer.status, 200)

    def test_misspelt_setting_allows_nothing(self):
        self.set_param("steward.http.allowed_networks", "127.0.0.1/99")
        with self.assertRaises(exceptions.Invalid):
            self.get("/")

    def test_redirects_are_checked(self):
        for location, rule in (
            ("http://169.254.169.254/latest/", "metadata"),
            ("http://10.0.0.7/", "private"),
            ("ftp://127.0.0.1/", "scheme"),
            ("//user@127.0.0.1/", "userinfo"),
        ):
            self.server.on("/", lambda peer, to=location: peer.redirect(to))
            self.refused(self.server.url(), rule)

    def test_redirect_to_mapped_loopback(self):
        self.set_param("steward.http.allowed_networks", "")
        self.set_param("steward.http.allowed_hosts", "home.lan")
        self.names(home_lan=["127.0.0.1"])
        self.server.on("/", lambda peer: peer.redirect("http://[::ffff:127.0.0.1]/"))
        self.refused(self.server.url(host="home.lan"), "loopback")

    def test_redirect_malformed(self):
        self.server.on("/", lambda peer: peer.redirect("http://[x"))
        with self.assertRaises(exceptions.BadAnswer):
            self.get("/")

    def test_redirect_without_end(self):
        self.server.on("/", lambda peer: peer.redirect("/"))
        with self.assertRaises(exceptions.BadAnswer):
            self.get("/")
        self.assertEqual(len(self.server.requests), 1 + wire.REDIRECTS)

    def test_name_that_moves_home_at_second_look(self):
        """Resolved once a hop, and connected to what was checked (DNS rebinding)."""
        self.set_param("steward.http.allowed_networks", "")
        asked = self.names(rebind_test=[["93.184.216.34"], ["127.0.0.1"]])
        dialled = []

        def dial(address, *_rest):
            dialled.append(address)
            raise ConnectionRefusedError

        with (
            patch.object(wire, "dial", dial),
            self.assertRaises(exceptions.Unreachable),
        ):
            self.http._request("GET", "http://rebind.test/", retries=0)
        self.assertEqual((asked, dialled), (["rebind.test"], ["93.184.216.34"]))
        # the next call looks anew, and finds out
        self.refused("http://rebind.test/", "loopback")

    def test_name_that_moves_between_redirects(self):
        self.set_param("steward.http.allowed_networks", "")
        self.set_param("steward.http.allowed_hosts", "home.lan")
        self.names(home_lan=["127.0.0.1"], rebind_test=[["127.0.0.1"]])
        self.server.on("/", lambda peer: peer.redirect("http://rebind.test/"))
        self.refused(self.server.url(host="home.lan"), "loopback")

    def test_only_allowed_addresses_of_a_name_are_tried(self):
        self.names(mixed_test=["10.0.0.1", "127.0.0.1"])
        self.server.on("/", lambda peer: peer.answer())
        self.http._request("GET", self.server.url(host="mixed.test"))
        self.assertEqual(self.server.requests[0].headers["Host"][:10], "mixed.test")

    def test_next_address_when_the_first_is_dead(self):
        self.set_param("steward.http.allowed_networks", "127.0.0.0/8")
        self.names(two_test=["127.0.0.2", "127.0.0.1"])
        real, dialled = wire.dial, []

        def dial(address, *rest):
            dialled.append(address)
            if address == "127.0.0.2":
                raise ConnectionRefusedError
            return real(address, *rest)

        self.server.on("/", lambda peer: peer.answer())
        with patch.object(wire, "dial", dial):
            self.http._request("GET", self.server.url(host="two.test"))
        self.assertEqual(dialled, ["127.0.0.2", "127.0.0.1"])

    def test_credentials_stay_with_their_host(self):
        self.names(one_test=["127.0.0.1"], two_test=["127.0.0.1"])
        there = self.server.url("/there", host="two.test")
        self.server.on("/", lambda peer: peer.redirect(there))
        self.server.on("/there", lambda peer: peer.answer())
        secrets = {"Authorization": "Bearer x", "X-Api-Key": "y", "Cookie": "z"}
        self.http._request(
            "GET", self.server.url(host="one.test"), headers={"Accept": "a", **secrets}
        )
        first, second = (received.headers for received in self.server.requests)
        for name in secrets:
            self.assertIn(name, first)
            self.assertNotIn(name, second)
        self.assertEqual(second["Accept"], "a")

    def test_credentials_stay_on_the_same_host(self):
        self.server.on("/", lambda peer: peer.redirect("/there?a=1#part"))
        self.server.on("/there", lambda peer: peer.answer())
        answer = self.get("/", headers={"X-Api-Key": "y"})
        self.assertEqual(self.server.requests[1].headers["X-Api-Key"], "y")
        self.assertEqual(answer.url, self.server.url("/there?a=1"))

    def test_content_is_not_handed_on(self):
        self.names(two_test=["127.0.0.1"])
        there = self.server.url("/", host="two.test")
        self.server.on("/", lambda peer: peer.redirect(there, 307))
        with self.assertRaises(exceptions.AddressRefused):
            self.get("/", "POST", json={"client_secret": "x"})
        self.assertEqual(len(self.server.requests), 1)

    def test_method_after_redirect(self):
        self.server.on("/there", lambda peer: peer.answer())
        for status, method in (
            (303, "GET"),
            (302, "GET"),
            (307, "POST"),
            (308, "POST"),
        ):
            self.server.requests.clear()
            self.server.on("/", lambda peer, s=status: peer.redirect("/there", s))
            self.get("/", "POST", json={})
            second = self.server.requests[1]
            self.assertEqual(second.method, method)
            self.assertEqual("Content-Type" in second.headers, method == "POST")

    def test_nobody_outside_in_tests(self):
        error = self.refused("http://93.184.216.34/")
        self.assertIn("Tests call nobody", str(error))

    def test_proxy_of_the_environment_is_ignored(self):
        self.server.on("/", lambda peer: peer.answer())
        with patch.dict("os.environ", {"http_proxy": "http://127.0.0.1:1"}):
            self.assertEqual(self.get("/").status, 200)

    def test_proxy_of_the_administrator(self):
        """It is asked for the checked address, and then it is out of the way."""

        def tunnel(peer):
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")

        self.names(far_test=["93.184.216.34"])
        with Server() as proxy:
            proxy.on("93.184.216.34:80", tunnel)
            proxy.on("/", lambda peer: peer.answer(200, b"through"))
            self.set_param("steward.http.proxy", f"http://127.0.0.1:{proxy.port}")
            answer = self.http._request("GET", "http://far.test/")
            proxy.on("93.184.216.34:81", lambda peer: peer.answer(403))
            with self.assertRaises(exceptions.Unreachable):
                self.http._request("GET", "http://far.test:81/", retries=0)
        self.assertEqual(answer.content, b"through")
        connect, get = proxy.requests[:2]
        self.assertEqual((connect.method, get.method), ("CONNECT", "GET"))
        self.assertEqual(get.headers["Host"], "far.test")


class TestTls(HttpKit):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.secure = cls.enterClassContext(Server(tls=True))

    def setUp(self):
        super().setUp()
        self.secure.clear()
        self.secure.on("/", lambda peer: peer.answer(200, b"ok"))
        self.names(api_test=["127.0.0.1"], other_test=["127.0.0.1"])

    def ask(self, url=None, **arguments):
        arguments.setdefault("connect_timeout", PATIENCE)
        return self.http._request("GET", url or self.secure.url(), **arguments)

    def test_own_authority(self):
        self.set_param("steward.http.ca_file", self.secure.ca_file)
        answer = self.ask()
        self.assertEqual(answer.content, b"ok")
        self.ask()
        self.assertEqual(self.secure.connections, 1)  # it is kept
        self.assertEqual(self.secure.requests[0].headers["Host"][:8], "api.test")

    def test_unknown_authority_is_refused(self):
        with self.assertRaises(exceptions.BadAnswer) as caught:
            self.ask()
        self.assertIn("cannot be trusted", str(caught.exception))
        self.assertFalse(self.secure.requests)

    def test_certificate_of_another_name_is_refused(self):
        self.set_param("steward.http.ca_file", self.secure.ca_file)
        for host in ("other.test", "127.0.0.1"):
            with self.assertRaises(exceptions.BadAnswer):
                self.ask(self.secure.url(host=host))

    def test_verification_cannot_be_switched_off(self):
        context = wire.tls_context("")
        self.assertEqual(context.verify_mode, ssl.CERT_REQUIRED)
        self.assertTrue(context.check_hostname)

    def test_own_authority_unreadable(self):
        self.set_param("steward.http.ca_file", "/nowhere/ca.pem")
        with self.assertRaises(exceptions.Invalid):
            self.ask()

    def test_no_way_back_from_encryption(self):
        self.set_param("steward.http.ca_file", self.secure.ca_file)
        plain = self.server.url("/")
        self.secure.on("/", lambda peer: peer.redirect(plain))
        with self.assertRaises(exceptions.AddressRefused):
            self.ask()
        self.assertFalse(self.server.requests)

    def test_a_service_that_says_nothing_to_tls(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"https://127.0.0.1:{mute.getsockname()[1]}/"
            with self.assertRaises(exceptions.TimedOut):
                self.ask(url, retries=0, connect_timeout=0.2)

    def test_a_service_without_tls(self):
        def answer():
            peer, _address = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            with self.assertRaises(exceptions.Unreachable) as caught:
                self.ask(url, retries=0)
            thread.join(PATIENCE)
        self.assertIn("does not speak TLS", str(caught.exception))

    def test_through_proxy(self):
        """Encryption is with the service, not with the proxy."""
        self.set_param("steward.http.ca_file", self.secure.ca_file)
        with Server() as proxy:
            proxy.on(f"127.0.0.1:{self.secure.port}", lambda peer: peer.answer(502))
            self.set_param("steward.http.proxy", f"http://127.0.0.1:{proxy.port}")
            with self.assertRaises(exceptions.Unreachable):
                self.ask(retries=0)
        self.assertFalse(self.secure.requests)


class TestFaults(HttpKit):
    def fails(self, error, behaviour, path="/", **arguments):
        self.server.on(path, behaviour)
        arguments.setdefault("retries", 0)
        with self.assertRaises(error) as caught:
            self.get(path, **arguments)
        self.assertIs(type(caught.exception), error)
        return caught.exception

    def test_nobody_listens(self):
        with self.assertRaises(exceptions.Unreachable):
            self.http._request("GET", self.nobody(), retries=0)

    def test_name_unknown(self):
        failure = wire.socket.gaierror(-2, "Name or service not known")
        with (
            patch.object(wire, "resolve", side_effect=failure),
            self.assertRaises(exceptions.Unreachable),
        ):
            self.http._request("GET", "http://nobody.test/", retries=0)

    def test_silence(self):
        error = self.fails(
            exceptions.TimedOut, lambda peer: peer.wait(), read_timeout=0.1
        )
        self.assertTrue(error.blames_remote)

    def test_one_byte_after_the_other(self):
        """Each read is in time; all of them together are not."""
        for head in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"):

            def drip(peer, head=head):
                peer.send(head)
                peer.drip(b"HTTP/1.1 200 OK" + b"x" * 1000, every=0.03)

            self.fails(exceptions.TimedOut, drip, timeout=0.3)

    def test_one_chunk_after_the_other(self):
        def drip(peer):
            peer.head(200, "Transfer-Encoding: chunked")
            peer.drip(b"1\r\nx\r\n" * 200, every=0.02)

        self.fails(exceptions.TimedOut, drip, timeout=0.3)

    def test_go_on_for_ever(self):
        """Interim answers without end."""

        def go_on(peer):
            while not self.server.over.is_set():
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

        self.fails(exceptions.BadAnswer, go_on)

    def test_fifty_megabytes(self):
        def announced(peer):
            peer.head(200, f"Content-Length: {50 * MB}")
            peer.send(b"x" * MB)

        def chunked(peer):
            peer.head(200, "Transfer-Encoding: chunked")
            for _mega in range(50):
                peer.send(b"100000\r\n" + b"x" * MB + b"\r\n")

        def until_closed(peer):
            peer.head(200, "Connection: close")
            for _mega in range(50):
                peer.send(b"x" * MB)
            peer.cut()

        for behaviour in (announced, chunked, until_closed):
            error = self.fails(exceptions.BadAnswer, behaviour, max_bytes=2 * MB)
            self.assertIn("larger than 2 MB", str(error))

    def test_bombs(self):
        engine = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = engine.compress(b"\0" * 60 * MB) + engine.flush()
        self.assertLess(len(bomb), MB)
        for encoding, body in (
            ("gzip", bomb),
            ("deflate", zlib.compress(b"\0" * 20 * MB)),
            ("gzip", gzip.compress(b"\0" * MB) * 3),
        ):
            error = self.fails(
                exceptions.BadAnswer,
                lambda peer, e=encoding, b=body: peer.answer(
                    200, b, f"Content-Encoding: {e}"
                ),
                max_bytes=100 * MB,
            )
            self.assertIn("attack", str(error))

    def test_decompressed_size_counts(self):
        body = gzip.compress(json.dumps(list(range(200_000))).encode())
        self.fails(
            exceptions.BadAnswer,
            lambda peer: peer.answer(200, body, "Content-Encoding: gzip"),
            max_bytes=MB,
        )

    def test_compressed_answers(self):
        text = json.dumps(list(range(100_000))).encode()
        raw = zlib.compressobj(wbits=-15)
        for encoding, body in (
            ("gzip", gzip.compress(text)),
            ("x-gzip", gzip.compress(text[:1000]) + gzip.compress(text[1000:])),
            ("deflate", zlib.compress(text)),
            ("deflate", raw.compress(text) + raw.flush()),
            ("gzip", b""),
            ("identity", text),
        ):
            self.server.on(
                "/",
                lambda peer, e=encoding, b=body: peer.answer(
                    200, b, f"Content-Encoding: {e}"
                ),
            )
            answer = self.get("/")
            self.assertEqual(answer.content, text if body else b"")

    def test_encodings_nobody_asked_for(self):
        for encoding in ("br", "gzip, gzip", "zstd"):
            self.fails(
                exceptions.BadAnswer,
                lambda peer, e=encoding: peer.answer(
                    200, b"x", f"Content-Encoding: {e}"
                ),
            )

    def test_compressed_and_broken(self):
        whole = gzip.compress(b"x" * 1000)
        for body in (whole[:-9], b"no gzip at all", zlib.compress(b"x")):
            self.fails(
                exceptions.BadAnswer,
                lambda peer, b=body: peer.answer(200, b, "Content-Encoding: gzip"),
            )

    def test_header_floods(self):
        def many(peer):
            peer.head(200, *[f"X-{number}: x" for number in range(5000)])

        def long(peer):
            peer.head(200, f"X: {'x' * 100_000}")

        def both(peer):
            peer.send(b"HTTP/1.1 200 OK\r\n")
            for _line in range(99):
                peer.send(b"X: " + b"x" * 60_000 + b"\r\n")

        for behaviour in (many, long, both):
            self.fails(exceptions.BadAnswer, behaviour)

    def test_cut_at_each_stage(self):
        for sent in (
            b"",
            b"HTT",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ):
            with self.subTest(sent=sent):

                def cut(peer, sent=sent):
                    peer.send(sent)
                    peer.cut()

                self.server.on("/", cut)
                with self.assertRaises(exceptions.External) as caught:
                    self.get("/", retries=0)
                self.assertTrue(caught.exception.blames_remote)

    def test_what_is_no_http(self):
        for said in (b"220 mail.example ESMTP\r\n", b"HTTP/1.1 999999 x\r\n\r\n"):

            def say(peer, said=said):
                peer.send(said)
                peer.cut()

            self.fails(exceptions.BadAnswer, say)
        self.fails(exceptions.BadAnswer, lambda peer: peer.head(103))

    def test_statuses(self):
        for status, blamed, retryable in (
            (400, False, False),
            (401, False, False),
            (404, False, False),
            (429, True, True),
            (500, True, True),
            (501, True, False),
        ):
            error = self.fails(
                exceptions.RemoteError, lambda peer, s=status: peer.answer(s, b"<p>")
            )
            self.assertEqual(
                (error.status_code, error.blames_remote, error.retryable),
                (status, blamed, retryable),
            )


class TestRetries(HttpKit):
    def test_only_what_may_be_repeated(self):
        for method, arguments, count in (
            ("GET", {}, 3),
            ("DELETE", {}, 3),
            ("POST", {}, 1),
            ("PATCH", {}, 1),
            ("POST", {"idempotent": True}, 3),
            ("GET", {"idempotent": False}, 1),
            ("GET", {"retries": 0}, 1),
        ):
            self.server.requests.clear()
            self.server.on("/", lambda peer: peer.answer(503))
            with self.assertRaises(exceptions.RemoteError):
                self.get("/", method, **arguments)
            self.assertEqual(len(self.server.requests), count, (method, arguments))

    def test_only_what_is_worth_repeating(self):
        for behaviour, count in (
            (lambda peer: peer.answer(500), 3),
            (lambda peer: peer.cut(), 3),
            (lambda peer: peer.answer(404), 1),
            (lambda peer: peer.answer(501), 1),
            (lambda peer: peer.answer(200, b"x", "Content-Encoding: br"), 1),
        ):
            self.server.requests.clear()
            wire.IDLE.forget()
            self.server.on("/", behaviour)
            with self.assertRaises(exceptions.External):
                self.get("/")
            self.assertEqual(len(self.server.requests), count)

    def test_it_helps(self):
        self.server.on(
            "/", lambda peer: peer.cut(), lambda peer: peer.answer(200, b"finally")
        )
        self.assertEqual(self.get("/").content, b"finally")
        self.assertEqual(len(self.pauses), 1)

    def test_jitter_grows(self):
        self.server.on("/", lambda peer: peer.answer(500))
        with (
            patch.object(steward_http.random, "uniform", lambda low, high: high),
            self.assertRaises(exceptions.RemoteError),
        ):
            self.get("/", retries=5, timeout=1000)
        self.assertEqual(self.pauses, [0.5, 1, 2, 4, 8])

    def test_service_says_when(self):
        self.server.on(
            "/",
            lambda peer: peer.answer(429, b"", "Retry-After: 7"),
            lambda peer: peer.answer(503, b"", "Retry-After: 31536000"),
            lambda peer: peer.answer(),
        )
        self.get("/", timeout=1000)
        for pause, asked in zip(self.pauses, (7, 60), strict=True):
            self.assertGreaterEqual(pause, asked)
            self.assertLessEqual(pause, asked + 1)

    def test_wait_is_told_to_who_does_not_repeat(self):
        self.server.on("/", lambda peer: peer.answer(429, b"", "Retry-After: 7"))
        with self.assertRaises(exceptions.RemoteError) as caught:
            self.get("/", "POST")
        self.assertEqual(caught.exception.retry_after, 7)

    def test_no_wait_beyond_the_end(self):
        self.server.on("/", lambda peer: peer.answer(429, b"", "Retry-After: 30"))
        with self.assertRaises(exceptions.RemoteError):
            self.get("/", timeout=10)
        self.assertFalse(self.pauses)

    def test_pause_sleeps(self):
        with patch.object(steward_http, "time") as time:  # others may sleep, too
            steward_http.StewardHttp._pause(self.http, 3)
        time.sleep.assert_called_once_with(3)


class TestLogOfCalls(HttpKit):
    def lines(self, call, level=logging.DEBUG):
        with self.assertLogs(HTTP_LOGGER, level) as captured:
            call()
        return captured.output

    def test_no_values_no_secrets(self):
        self.server.on("/a", lambda peer: peer.answer(200, b"12345"))
        [line] = self.lines(
            lambda: self.get(
                "/a", params={"key": "hunter2"}, headers={"X-Api-Key": "hunter3"}
            )
        )
        self.assertNotIn("hunter", line)
        self.assertRegex(line, r"GET http://127\.0\.0\.1:\d+/a\?key -> 200, 5 bytes, ")
        self.assertTrue(line.startswith("DEBUG"))

    def test_secret_in_the_path(self):
        token = "123456789:" + "AAE" * 11 + "xy"
        self.server.on(f"/bot{token}/x", lambda peer: peer.answer())
        [line] = self.lines(lambda: self.get(f"/bot{token}/x"))
        self.assertNotIn(token, line)

    def test_failure_is_told(self):
        def call():
            with self.assertRaises(exceptions.RemoteError):
                self.get("/nothing", retries=0)

        [line] = self.lines(call, logging.INFO)
        self.assertIn("-> 404, 12 bytes", line)

    def test_refusal_is_told(self):
        def call():
            with self.assertRaises(exceptions.AddressRefused):
                self.http._request("GET", "http://[::1", retries=0)

        [line] = self.lines(call, logging.INFO)
        self.assertIn("[malformed address] -> STEWARD-ADDRESS-REFUSED", line)


@tagged("-at_install", "post_install")
class TestPrivate(HttpKit):
    def test_nothing_is_public(self):
        """An employee who reaches the model over RPC finds nothing to call."""
        user = new_test_user(self.env, "steward_http_user", groups="base.group_user")
        for model in ("steward.http", "steward.vault"):
            ours = self.env[model].with_user(user)
            for name in vars(steward_http.StewardHttp):
                if callable(getattr(ours, name, None)):
                    with self.assertRaises(AccessError, msg=name):
                        get_public_method(ours, name)


class TestOpenAI(HttpKit):
    """The client of `openai` obeys, though it brings its own HTTP library."""

    def setUp(self):
        super().setUp()
        self.enterContext(mute_logger("httpx2", "openai._base_client"))

    def client(self, base=None, **arguments):
        import httpx2
        import openai

        arguments.setdefault("timeout", PATIENCE)
        arguments.setdefault("connect_timeout", PATIENCE)
        transport = self.http._httpx_transport(**arguments)
        client = openai.OpenAI(
            api_key="k" * 20,
            base_url=base or self.server.url("/v1"),
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
        )
        self.addCleanup(client.close)
        return client

    def ask(self, client, **arguments):
        return client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], **arguments
        )

    def test_completion(self):
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "hello"},
                }
            ],
        }
        body = gzip.compress(json.dumps(answer).encode())
        self.server.on(
            "/v1/chat/completions",
            lambda peer: peer.answer(
                200, body, "Content-Encoding: gzip", "Content-Type: application/json"
            ),
        )
        found = self.ask(self.client())
        self.assertEqual(found.choices[0].message.content, "hello")
        [received] = self.server.requests
        self.assertEqual(received.headers["Authorization"], "Bearer " + "k" * 20)
        self.assertEqual(received.json()["model"], "m")

    def stream(self, peer, words, between=lambda: None):
        peer.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        for word in words:
            event = {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "delta": {"content": word}}],
            }
            data = f"data: {json.dumps(event)}\n\n".encode()
            peer.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            between()

    def test_streams_as_it_comes(self):
        """The second word is sent only when the first one has been read."""
        import threading

        was_read, in_time = threading.Semaphore(0), []

        def between():
            in_time.append(was_read.acquire(timeout=PATIENCE / 3))

        def behave(peer):
            self.stream(peer, ["one", "two"], between)
            peer.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

        self.server.on("/v1/chat/completions", behave)
        words = []
        for chunk in self.ask(self.client(), stream=True):
            words.append(chunk.choices[0].delta.content)
            was_read.release()
        self.assertEqual(words, ["one", "two"])
        self.assertEqual(in_time, [True, True])

    def test_cut_in_the_stream(self):
        def behave(peer):
            self.stream(peer, ["one"])
            peer.cut()

        self.server.on("/v1/chat/completions", behave)
        ended = self.guarded()
        with self.assertRaises(exceptions.Unreachable):
            list(self.ask(self.client(), stream=True))
        self.assertEqual([type(error) for error in ended], [exceptions.Unreachable])

    def guarded(self):
        """What the circuit breaker would hear."""
        from contextlib import contextmanager

        ended = []

        @contextmanager
        def guard(_http, _name):
            try:
                yield
            except Exception as error:
                ended.append(error)
                raise
            else:
                ended.append(None)

        self.patch(self.registry["steward.http"], "_guard_circuit", guard)
        return ended

    def test_stream_that_nobody_reads_to_its_end(self):
        self.server.on(
            "/v1/chat/completions", lambda peer: self.stream(peer, ["w"] * 50)
        )
        ended = self.guarded()
        stream = self.ask(self.client(), stream=True)
        next(iter(stream))
        stream.close()
        self.assertEqual(ended, [None])

    def test_error_of_the_service(self):
        """The library tells it in its own words; the breaker hears of it."""
        import openai

        self.server.on(
            "/v1/chat/completions",
            lambda peer: peer.answer(500, {"error": {"message": "broken"}}),
        )
        ended = self.guarded()
        with self.assertRaises(openai.InternalServerError) as caught:
            self.ask(self.client())
        self.assertIn("broken", str(caught.exception))
        self.assertEqual([error.status_code for error in ended], [500])

    def test_same_address_check(self):
        with self.assertRaises(exceptions.AddressRefused):
            self.ask(self.client("http://169.254.169.254/v1"))
        self.server.on(
            "/v1/chat/completions", lambda p: p.redirect("http://10.0.0.1/", 307)
        )
        with self.assertRaises(exceptions.AddressRefused):
            self.ask(self.client())

    def test_same_caps(self):
        self.server.on(
            "/v1/chat/completions",
            lambda peer: peer.head(200, f"Content-Length: {50 * MB}"),
        )
        with self.assertRaises(exceptions.BadAnswer):
            self.ask(self.client())

    def test_own_timeout_counts(self):
        self.server.on("/v1/chat/completions", lambda peer: peer.wait())
        with self.assertRaises(exceptions.TimedOut):
            self.ask(self.client(), timeout=0.1)

    def test_errors_are_unwrapped(self):
        ours = exceptions.TimedOut("late")
        wrapped = RuntimeError("theirs")
        wrapped.__cause__ = ours
        self.assertIs(self.http._parse_library_error(wrapped), ours)
        self.assertIs(self.http._parse_library_error(ours), ours)
        with mute_logger("odoo.addons.steward.exceptions"):
            other = self.http._parse_library_error(RuntimeError("x"))
        self.assertIsInstance(other, exceptions.Bug)
