import contextlib
import json
import re
from base64 import b64decode
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import requests

from odoo import fields
from odoo.addons.steward.exceptions import BadAnswer, RemoteError

from ..exceptions import SourceInvalid
from ..kernel import page
from ..kernel.addresses import matches, patterns
from ..kernel.draft import Draft
from . import Adapter, Fetched, Found, Step, skipped

API = "https://api.github.com"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[\w.-]{1,100}")
VERSION = "2022-11-28"
PAGE = 100
MOST_COMMENTS = 300  # of one thread
TEXTS = {"md": "text/markdown", "rst": "text/x-rst", "txt": "text/plain"}
LARGEST = 1024 * 1024
DISCUSSIONS = """
query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: 50, after: $after,
                orderBy: {field: UPDATED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor }
      nodes {
        number title body url updatedAt
        author { login } category { name } answer { body author { login } }
        comments(first: 50) { nodes { body author { login } } }
      }
    }
  }
}
"""


class GitHub(Adapter):
    """Issues, discussions and documentation of a repository, by GitHub's interface.

    `memory`: ``todo`` what is still to be listed, ``next`` the next page of it,
    ``latest`` the last change seen, which the next harvest starts from.
    """

    def check(self):
        if not REPOSITORY.fullmatch(self.source.repository or ""):
            raise SourceInvalid(
                self.env._("Name the repository as owner/name, as odoo/documentation.")
            )
        if self.source.with_discussions and not self.source._has_key():
            raise SourceInvalid(
                self.env._("GitHub shows discussions only to who has a token: add one.")
            )
        parts = urlsplit(self.api)
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise SourceInvalid(self.env._("The address of GitHub's API is none."))

    @property
    def api(self):
        return (self.source.url or API).rstrip("/")

    # -- calls ---------------------------------------------------------------------

    def _call(self, address, method="GET", **arguments):
        """A call, and the address of the next page or None.

        :raises RateLimited: when GitHub says that it is enough for now
        """
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": VERSION,
        }
        # a page's address comes from outside: the token is for the API alone
        if key := self.source._key():
            if urlsplit(address).netloc != urlsplit(self.api).netloc:
                raise BadAnswer("GitHub names a next page at another host.")
            headers["Authorization"] = f"Bearer {key}"
        answer = self.env["steward.harvest.http"]._request(
            method,
            address,
            headers=headers,
            rate=self.rate(urlsplit(self.api).hostname),
            retries=1,
            **arguments,
        )
        links = requests.utils.parse_header_links(answer.headers.get("Link") or "")
        further = [link["url"] for link in links if link.get("rel") == "next"]
        return answer.json(), further[0] if further else None

    def _repo(self, path="", **query):
        pairs = "&".join(f"{name}={quote(str(v))}" for name, v in query.items() if v)
        return (
            f"{self.api}/repos/{self.source.repository}{path}{'?' * bool(pairs)}{pairs}"
        )

    # -- discovery -----------------------------------------------------------------

    def discover(self):
        memory, source = self.memory, self.source
        if "todo" not in memory:
            self.check()
            memory["todo"] = [
                part
                for part in ("docs", "issues", "discussions")
                if source[f"with_{part}"]
            ]
            memory["latest"] = {}
        if not memory["todo"]:
            return Step([])
        part = memory["todo"][0]
        found, further = getattr(self, f"_list_{part}")(memory.get("next"))
        memory["next"] = further
        memory["listed"] = memory.get("listed", 0) + len(found)
        if memory["listed"] >= source.page_limit:
            memory["capped"] = "limit"
            memory["todo"] = []
        elif not further:
            memory["todo"].pop(0)
        return Step(found, over=not memory["todo"])

    def _since(self, part):
        return (self.source.since or {}).get(part)

    def _saw(self, part, moment):
        latest = self.memory["latest"]
        latest[part] = max(latest.get(part) or "", moment or "")

    def _list_docs(self, _further):
        tree, _next = self._call(self._repo("/git/trees/HEAD", recursive="1"))
        if tree.get("truncated"):
            self.memory["capped"] = "truncated"
        include = patterns(self.source.include or "")
        exclude = patterns(self.source.exclude or "")
        found = []
        for entry in tree.get("tree") or []:
            path = str(entry.get("path") or "")
            if entry.get("type") != "blob" or entry.get("size", 0) > LARGEST:
                continue
            if path.rpartition(".")[2].lower() not in TEXTS or matches(path, exclude):
                continue
            if include and not matches(path, include):
                continue
            url = f"{self._site()}/blob/HEAD/{quote(path)}"
            sha = str(entry.get("sha") or "")
            found.append(Found(f"docs/{path}", url, 0, sha, "", {"sha": sha}))
        return found, None

    def _site(self):
        parts = urlsplit(self.api)
        host = "github.com" if self.api == API else parts.netloc
        return f"{parts.scheme}://{host}/{self.source.repository}"

    def _list_issues(self, further):
        address = further or self._repo(
            "/issues",
            state="all",
            sort="updated",
            direction="asc",
            per_page=PAGE,
            since=self._since("issues"),
        )
        listed, further = self._call(address)
        found = []
        for issue in listed:
            self._saw("issues", issue.get("updated_at"))
            kind = "pull" if "pull_request" in issue else "issue"
            if kind == "pull" and not self.source.with_pulls:
                continue
            payload = {
                "title": issue.get("title") or "",
                "body": issue.get("body") or "",
                "state": issue.get("state") or "",
                "author": (issue.get("user") or {}).get("login") or "",
                "labels": [label["name"] for label in issue.get("labels") or []],
                "comments": issue.get("comments") or 0,
                "updated_at": issue.get("updated_at") or "",
            }
            found.append(
                Found(
                    f"{kind}/{issue['number']}",
                    issue.get("html_url") or "",
                    revision=payload["updated_at"],
                    payload=payload,
                )
            )
        return found, further

    def _list_discussions(self, after):
        owner, _slash, name = self.source.repository.partition("/")
        told, _next = self._call(
            f"{self.api}/graphql",
            "POST",
            json={
                "query": DISCUSSIONS,
                "variables": {"owner": owner, "name": name, "after": after},
            },
            idempotent=True,
        )
        if told.get("errors"):
            detail = json.dumps(told["errors"])[:500]
            raise BadAnswer("GitHub did not list the discussions.", detail=detail)
        listed = told["data"]["repository"]["discussions"]
        found, since = [], self._since("discussions") or ""
        for node in listed["nodes"]:
            self._saw("discussions", node["updatedAt"])
            if node["updatedAt"] < since:
                return found, None
            comments = [
                _comment(comment) for comment in node["comments"]["nodes"] if comment
            ]
            if node.get("answer"):
                comments.insert(0, f"Answer: {_comment(node['answer'])}")
            found.append(
                Found(
                    f"discussion/{node['number']}",
                    node["url"],
                    revision=node["updatedAt"],
                    payload={
                        "title": node["title"],
                        "body": node["body"],
                        "author": (node.get("author") or {}).get("login") or "",
                        "labels": [(node.get("category") or {}).get("name") or ""],
                        "comments": 0,
                        "told": comments,
                        "updated_at": node["updatedAt"],
                    },
                )
            )
        info = listed["pageInfo"]
        return found, info["endCursor"] if info["hasNextPage"] else None

    def is_complete(self):
        # a listing since a moment does not tell what is gone
        since = any(self._since(part) for part in ("issues", "discussions"))
        return not since and not self.memory.get("capped")

    def finish(self):
        if not self.memory.get("capped"):
            latest = {k: v for k, v in self.memory.get("latest", {}).items() if v}
            self.source._write_own({"since": {**(self.source.since or {}), **latest}})

    def estimate(self):
        """The last page's number, when each has one issue."""
        count = 0
        if self.source.with_issues:
            address = self._repo("/issues", state="all", per_page=1)
            headers = {"Accept": "application/vnd.github+json"}
            if key := self.source._key():
                headers["Authorization"] = f"Bearer {key}"
            answer = self.env["steward.harvest.http"]._request(
                "GET", address, headers=headers, retries=0, timeout=15
            )
            links = requests.utils.parse_header_links(answer.headers.get("Link") or "")
            last = [link["url"] for link in links if link.get("rel") == "last"]
            found = re.search(r"[?&]page=(\d+)", last[0]) if last else None
            count += int(found[1]) if found else len(answer.json())
        if self.source.with_docs:
            count += len(self._list_docs(None)[0])
        return None if self.source.with_discussions else count

    # -- items ---------------------------------------------------------------------

    def fetch(self, item):
        try:
            if item.key.startswith("docs/"):
                return self._fetch_doc(item)
            return self._fetch_thread(item)
        except RemoteError as error:
            if error.status_code in (404, 410):
                return Fetched("gone", reason=error.sentence)
            raise

    def _fetch_doc(self, item):
        path = item.key.removeprefix("docs/")
        blob, _next = self._call(self._repo(f"/git/blobs/{item.payload['sha']}"))
        content = b64decode(blob.get("content") or "")
        if not content.strip():
            return skipped(self.env._("It is empty."))
        draft = Draft(
            external_id=item.key,
            title=path,
            content=page.decoded(content).encode(),
            content_type=TEXTS[path.rpartition(".")[2].lower()],
            url=item.url or "",
        )
        return Fetched(draft=draft, size=len(content))

    def _fetch_thread(self, item):
        told = item.payload or {}
        comments = list(told.get("told") or [])
        if told.get("comments"):
            number = item.key.rpartition("/")[2]
            further = self._repo(f"/issues/{number}/comments", per_page=PAGE)
            while further and len(comments) < MOST_COMMENTS:
                listed, further = self._call(further)
                comments += map(_comment, listed)
        labels = tuple(filter(None, told.get("labels") or ()))
        head = [f"# {told.get('title')}", ""]
        facts = [("State", told.get("state")), ("By", told.get("author"))]
        head += [f"{name}: {value}" for name, value in facts if value]
        parts = ["\n".join(head), told.get("body") or "", *comments]
        text = "\n\n".join(part for part in parts if part.strip())
        draft = Draft(
            external_id=item.key,
            title=told.get("title") or item.key,
            content=text.replace("\r\n", "\n"),
            content_type="text/markdown",
            url=item.url or "",
            date=_moment(told.get("updated_at")),
            tags=labels,
        )
        return Fetched(draft=draft, size=len(text))


def _comment(told):
    author = (told.get("author") or told.get("user") or {}).get("login") or ""
    return (
        f"## {author}\n\n{told.get('body') or ''}" if author else told.get("body") or ""
    )


def _moment(text):
    with contextlib.suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(text)
        return fields.Datetime.to_datetime(moment.astimezone(UTC).replace(tzinfo=None))
    return None
