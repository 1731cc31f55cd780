# Everything starts here; `make help` says what there is.
PYTHON ?= python3
HOUSE = @command -v $(PYTHON) >/dev/null || { echo "error in step python: there is no $(PYTHON)"; \
	echo "  remedy: install Python 3.11 or newer, or name it: make PYTHON=..."; exit 1; } >&2; \
	exec env PYTHONPATH=scripts PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m house

.PHONY: run stop test fast lint bench demo-knowledge demo-learning shell update audit pot clean help
.DEFAULT_GOAL := help

run: ## set everything up and serve Odoo with the suite (DETACH=1: in the background)
	$(HOUSE) run
stop: ## end what `make run` started
	$(HOUSE) stop
test: ## run the tests (all=1: those too that take long and rarely find anything)
	$(HOUSE) test
fast: ## run the tests of one addon or file in seconds: make fast t=steward
	$(HOUSE) fast '$(t)'
lint: ## check style, types, idioms and floors
	$(HOUSE) lint
bench: ## measure (b=<name>: one bench only); results in bench/results/
	$(HOUSE) bench
demo-knowledge: ## harvest a small world with no network, and ask it five questions
	$(HOUSE) demo-knowledge
demo-learning: ## let agents fail, learn and do better (DAYS=28: for a month)
	$(HOUSE) demo-learning
shell: ## a Python prompt with `env` on the database
	$(HOUSE) shell
update: ## bring the database to what the checkout holds
	$(HOUSE) update
audit: ## check pins, licences, known vulnerabilities and secrets
	$(HOUSE) audit
pot: ## write the addons' translation templates anew
	$(HOUSE) pot
clean: ## remove all that the set-up made, databases too
	$(HOUSE) clean
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'
