import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.netguard import Policy, Refusal, Target, check_url, classify, pick
from . import kernel_common  # noqa: F401

KINDS = {
    "public": "1.1.1.1 8.8.8.8 172.32.0.1 2606:4700::1111 64:ff9b::8.8.8.8",
    "private": "10.0.0.1 172.16.0.1 192.168.1.1 fc00::1 fd12::1 ::ffff:10.0.0.1 "
    "64:ff9b::10.0.0.1 2002:a00:1:: 64:ff9b:1::1 ::10.0.0.1",
    "loopback": "127.0.0.1 127.255.0.1 ::1 ::ffff:127.0.0.1 2002:7f00:1:: "
    "64:ff9b::127.0.0.1 ::127.0.0.1",
    "link_local": "169.254.0.1 fe80::1 fe80::1%eth0 2606:4700::1%eth0 "
    "::ffff:169.254.1.1",
    "metadata": "169.254.169.254 fd00:ec2::254 ::ffff:169.254.169.254 169.254.170.2 "
    "64:ff9b::169.254.169.254 2002:a9fe:a9fe:: 100.100.100.200 168.63.129.16",
    "cgnat": "100.64.0.1 100.127.255.255 ::ffff:100.64.0.1",
    "multicast": "224.0.0.1 239.1.1.1 ff02::1",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
    "unspecified": "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0",
    "tunnel": "2002:808:808:: 2001:0:1::1 192.88.99.1",
    "reserved": "240.0.0.1 255.255.255.255 192.0.0.1 198.18.0.1 ::ffff:8.8.8.8 "
    "::8.8.8.8 fec0::1 4000::1 100::1 2001:10::1 64:ff9a::1",
}
ADDRESSES = st.ip_addresses() | st.sampled_from(
    [ipaddress.ip_address(text) for texts in KINDS.values() for text in texts.split()]
)


class TestClassify(BaseCase):
    def test_kinds(self):
        for kind, texts in KINDS.items():
            for text in texts.split():
                with self.subTest(text=text):
                    self.assertEqual(classify(text), kind)
                    self.assertEqual(Policy().refuses(text) is None, kind == "public")

    def test_no_address(self):
        for text in ("", "x", "1.2.3", "0177.0.0.1", "1.1.1.1/32"):
            self.assertRaises(ValueError, classify, text)

    @given(ADDRESSES)
    def test_nothing_but_public_passes(self, ip):
        """Whatever Python's own registry calls special is refused."""
        if Policy().refuses(ip) is None:
            self.assertTrue(ip.is_global)
            for view in ("private", "loopback", "link_local", "multicast", "reserved"):
                if view != "reserved" or ip not in ipaddress.ip_network("64:ff9b::/96"):
                    self.assertFalse(getattr(ip, f"is_{view}"), view)
            self.assertFalse(ip.is_unspecified)
            self.assertEqual(pick([str(ip)], Policy()), [str(ip)])

    @given(st.ip_addresses(v=4))
    @example(ipaddress.ip_address("169.254.169.254"))
    @example(ipaddress.ip_address("127.0.0.1"))
    def test_embedding_opens_nothing(self, inner):
        number = int(inner)
        for outer in (
            ipaddress.IPv6Address((0xFFFF << 32) | number),
            ipaddress.IPv6Address((0x64FF9B << 96) | number),
            ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
            ipaddress.IPv6Address(number),
        ):
            if classify(outer) == "public":
                self.assertEqual(classify(inner), "public")

    @given(ADDRESSES)
    def test_text_and_object_agree(self, ip):
        self.assertEqual(classify(ip), classify(str(ip)))


class TestPolicy(BaseCase):
    def test_networks(self):
        policy = Policy.of(["10.1.0.0/16", "::1", "169.254.0.0/16"])
        for address, rule in (
            ("10.1.2.3", None),
            ("::ffff:10.1.2.3", None),
            ("10.2.0.1", "private"),
            ("::1", None),
            ("127.0.0.1", "loopback"),
            ("169.254.1.1", None),
            ("169.254.169.254", "metadata"),
        ):
            with self.subTest(address=address):
                self.assertEqual(policy.refuses(address), rule)
        alone = Policy.of(["169.254.169.254"])
        self.assertIsNone(alone.refuses("169.254.169.254"))
        self.assertRaises(ValueError, Policy.of, ["10.0.0.1/8"])

    def test_hosts(self):
        policy = Policy.of(hosts=["Ollama.lan"])
        self.assertIsNone(policy.refuses("10.0.0.1", "OLLAMA.lan"))
        self.assertIsNone(policy.refuses("127.0.0.1", "ollama.lan"))
        self.assertIsNone(policy.refuses("100.64.0.1", "ollama.lan"))
        self.assertEqual(policy.refuses("10.0.0.1", "evil.lan"), "private")
        self.assertEqual(policy.refuses("10.0.0.1"), "private")
        for address in ("169.254.169.254", "169.254.0.1", "224.0.0.1", "::"):
            self.assertTrue(policy.refuses(address, "ollama.lan"))

    def test_pick(self):
        mixed = ["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "1.1.1.1"]
        self.assertEqual(pick(mixed, Policy()), ["1.1.1.1", "2606:4700::1111"])
        for addresses, rule in (
            ([], "unresolved"),
            (["nonsense"], "address"),
            (["10.0.0.1", "::1"], "loopback"),
            (["169.254.169.254"], "metadata"),
        ):
            with self.subTest(rule=rule), self.assertRaises(Refusal) as caught:
                pick(addresses, Policy())
            self.assertEqual(caught.exception.rule, rule)

    @given(st.lists(ADDRESSES.map(str)))
    def test_pick_returns_only_allowed(self, addresses):
        policy = Policy.of(["192.168.0.0/16"])
        try:
            picked = pick(addresses, policy)
        except Refusal as refusal:
            self.assertTrue(refusal.rule)
            self.assertTrue(all(policy.refuses(address) for address in addresses))
        else:
            self.assertTrue(picked)
            self.assertFalse([one for one in picked if policy.refuses(one)])


class TestCheckUrl(BaseCase):
    def test_sound(self):
        for url, target in {
            "http://example.com": ("http", "example.com", 80),
            "HTTPS://Example.COM/a?b=c@d#e": ("https", "example.com", 443),
            "http://my_service:8069/x": ("http", "my_service", 8069),
            "https://1.1.1.1/": ("https", "1.1.1.1", 443),
            "http://[::FFFF:7f00:1]:1/": ("http", "::ffff:7f00:1", 1),
            "https://xn--bcher-kva.example/": ("https", "xn--bcher-kva.example", 443),
            "https://a.example:65535/%0d%0a": ("https", "a.example", 65535),
            "https://123.example/": ("https", "123.example", 443),
        }.items():
            with self.subTest(url=url):
                self.assertEqual(check_url(url), Target(*target))

    def test_refused(self):
        for rule, urls in {
            "scheme": ["ftp://x/", "file:///etc/passwd", "gopher://x", "//x/", "x", ""],
            "userinfo": [
                "http://a@b/",
                "http://a:b@c/",
                "http://@b/",
                "http://a%40@b/",
            ],
            "number": [
                *("http://2130706433/", "http://0x7f.1/", "http://0x7f000001/"),
                *(
                    "http://0177.0.0.1/",
                    "http://127.1/",
                    "http://1.2.3.4.5/",
                    "http://0/",
                ),
                *("http://256.1.1.1/", "http://a.0x/", "http://127.0.0.01/"),
            ],
            "host": [
                *(
                    "http:///x",
                    "http://",
                    "http://x./",
                    "http://127.0.0.1./",
                    "http://a..b/",
                ),
                *(
                    "http://-a/",
                    "http://a-/",
                    "http://a%2eb/",
                    "http://[::1/",
                    "http://]/",
                ),
                *(
                    "http://[v1.x]/",
                    "http://[x]/",
                    "http://[127.0.0.1]/",
                    "http://[::1]x/",
                    "http://::1/",
                ),
                *("http://a,b/", "http://a:1:2/", f"http://{'a' * 64}/", "http://*/"),
                f"http://{'a.' * 127}example/",
            ],
            "zone": ["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/"],
            "characters": [
                *(
                    "http://\uff11\uff12\uff17.0.0.1/",
                    "http://ⓔxample.com/",
                    "http://a。b/",
                    "http://ß/",
                ),
                *(" http://x/", "http://x/ a", "http://x\r\nHost: y/", "http://x\t/"),
                *("http://x\\@y/", "http://x\x00/", "http://x\x7f/", "http://x/\ud800"),
            ],
            "port": [
                *("http://x:/", "http://x:0/", "http://x:65536/", "http://x:-1/"),
                *("http://x:80a/", "http://x:+80/", "http://x:08/", "http://[::1]:x/"),
            ],
            "length": ["http://x/" + "a" * 9000],
        }.items():
            for url in urls:
                with self.subTest(url=url[:60]):
                    with self.assertRaises(Refusal) as caught:
                        check_url(url)
                    self.assertEqual(caught.exception.rule, rule)

    @given(st.text())
    def test_any_text(self, text):
        for url in (text, f"http://{text}", f"https://{text}/x"):
            try:
                target = check_url(url)
            except Refusal as refusal:
                self.assertTrue(str(refusal))
            else:
                self.assertTrue(target.host.isascii() and target.host.islower())

    @given(ADDRESSES)
    def test_literal_addresses_keep_their_kind(self, ip):
        host = f"[{ip}]" if ip.version == 6 else str(ip)
        if "%" not in host:
            target = check_url(f"http://{host}:8069/")
            self.assertEqual(ipaddress.ip_address(target.host), ip)
