"""The made-up world of the benches: always the same, and served as real sites do."""

import sys
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from corpus import DOCS, FORUM, REPOSITORY, Corpus, Site


@pytest.fixture(scope="module")
def corpus():
    return Corpus(60)


@pytest.fixture
def site(corpus):
    with Site(corpus, calls=12) as site:
        yield site


def test_the_same_seed_gives_the_same_world(corpus):
    again = Corpus(60)
    assert (again.pages, again.threads, again.issues) == (
        *(corpus.pages, corpus.threads),
        corpus.issues,
    )
    assert again.questions(50) == corpus.questions(50)
    assert Corpus(60, seed=7).pages[0].body != corpus.pages[0].body


def test_its_shape(corpus):
    pages = [*corpus.pages, *corpus.threads]
    assert len(corpus) == 60 + 120 + 30
    assert len({page.path for page in pages}) == len(pages)
    assert {page.language for page in pages} > {"en"}
    copies = [page for page in pages if page.near]
    assert 0 < len(copies) < len(pages) / 10
    paths = {page.path for page in pages}
    assert all(page.near in paths and page.near != page.path for page in copies)
    whole = b"".join(page.body for page in pages)
    for sign in (b"<nav", b"<script", b"<footer", b"<pre", b"<table", b"Traceback"):
        assert sign in whole
    assert b"accepted" in corpus.threads[0].body + corpus.threads[1].body


def test_pages_that_did_not_change(site, corpus):
    page = corpus.pages[0]
    first = requests.get(site.url(page.path), timeout=60)
    assert first.content == page.body
    known = {"If-None-Match": first.headers["ETag"]}
    again = requests.get(site.url(page.path), headers=known, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    site.change(page.path, "It moved.")
    changed = requests.get(site.url(page.path), headers=known, timeout=60)
    assert changed.status_code == 200
    assert b"It moved." in changed.content
    site.forget(page.path)
    assert requests.get(site.url(page.path), timeout=60).status_code == 404


def test_every_page_is_in_the_sitemap_and_linked(site, corpus):
    robots = requests.get(site.url("/robots.txt"), timeout=60).text
    assert f"Sitemap: {site.url('/sitemap.xml')}" in robots
    index = requests.get(site.url("/sitemap.xml"), timeout=60).text
    assert site.url("/sitemap-0.xml") in index
    listed = requests.get(site.url("/sitemap-0.xml"), timeout=60).text
    areas = {page.path.split("/")[3] for page in corpus.pages}
    lists = [f"{DOCS}/{area}.html" for area in areas] + [f"{FORUM}/"]
    linked = "".join(requests.get(site.url(path), timeout=60).text for path in lists)
    for page in (*corpus.pages, *corpus.threads):
        assert f"<loc>{site.url(page.path)}</loc>" in listed
        assert f'href="{page.path}"' in linked


def test_issues_as_github_has_them(site, corpus):
    address = f"{site.github}/repos/{REPOSITORY}/issues"
    query = {"state": "all", "sort": "updated", "direction": "asc", "per_page": 20}
    answer = requests.get(address, query, timeout=60)
    first, found = answer, answer.json()
    while "next" in answer.links:
        answer = requests.get(answer.links["next"]["url"], timeout=60)
        found += answer.json()
    assert [row["number"] for row in found] == [*range(1, 31)]
    assert "last" in first.links
    moments = [row["updated_at"] for row in found]
    assert moments == sorted(moments)
    later = requests.get(address, {**query, "since": moments[-3]}, timeout=60).json()
    assert len(later) == 3
    asked = next(row for row in found if row["comments"])
    told = requests.get(f"{address}/{asked['number']}/comments", timeout=60).json()
    assert len(told) == asked["comments"]
    missing = requests.get(f"{site.github}/repos/acme/none/issues", timeout=60)
    assert missing.status_code == 404


def test_calls_are_counted(site):
    address = f"{site.github}/repos/{REPOSITORY}/issues"
    left = []
    for _call in range(13):
        answer = requests.get(address, timeout=60)
        left.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert left[:3] == [11, 10, 9]
    assert (answer.status_code, left[-1]) == (403, 0)
