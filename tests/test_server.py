"""The product as a user meets it: pages, XML-RPC, JSON-2, and a real browser."""

import json
import shutil
import urllib.error
import urllib.request
import xmlrpc.client

import pytest
from conftest import PATIENCE


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.status, answer.read().decode()


def test_login_page(odoo):
    status, text = get(f"{odoo.url}/web/login")
    assert status == 200
    assert "csrf_token" in text


def test_xmlrpc(odoo):
    common = xmlrpc.client.ServerProxy(f"{odoo.url}/xmlrpc/2/common")
    uid = common.authenticate(odoo.database, "admin", "admin", {})
    assert uid
    assert not common.authenticate(odoo.database, "admin", "wrong", {})
    models = xmlrpc.client.ServerProxy(f"{odoo.url}/xmlrpc/2/object")
    found = models.execute_kw(
        *(odoo.database, uid, "admin", "ir.module.module", "search_read"),
        [[["name", "=", "steward"]]],
        {"fields": ["state"]},
    )
    assert found[0]["state"] == "installed"


def test_json2_is_closed_without_key(odoo):
    request = urllib.request.Request(
        f"{odoo.url}/json/2/res.partner/search_read",
        data=json.dumps({"domain": []}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE)
    assert caught.value.code == 401


def test_database_manager_is_closed(odoo):
    _status, text = get(f"{odoo.url}/web/database/manager")
    assert "has been disabled by the administrator" in text
    with pytest.raises(urllib.error.HTTPError):
        get(f"{odoo.url}/web/database/list")


def test_browser(odoo):
    """The app opens, at desktop and at phone width, with nothing red in the console."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no browser: chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=PATIENCE * 1000
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(PATIENCE * 1000)
        errors = []
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{odoo.url}/web/login")
        page.fill("#login", "admin")
        page.fill("#password", "admin")
        page.click("button[type=submit]")
        page.wait_for_selector(".o_main_navbar")
        page.goto(f"{odoo.url}/odoo/steward")
        page.wait_for_selector(".o_steward_dashboard")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{odoo.url}/odoo/steward")
        page.wait_for_selector(".o_steward_dashboard")
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert errors == []
    assert width <= 390
