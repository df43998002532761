# `make` lists the targets. Everything else is done by cargo and by scripts/.

.DEFAULT_GOAL := help
.PHONY: help run test unit integration outages storms release-check bench bench-gateway check clean-sandbox
SHELL := /bin/sh

# A real MySQL, if there is one: unpacked by scripts/install-mysql, or the machine's own. Debian's MariaDB is called
# mysqld too, so its version is asked.
MYSQLD = $(shell for file in .mysql/bin/mysqld $$(PATH=$$PATH:/usr/sbin command -v mysqld); do \
	[ -x $$file ] && $$file --no-defaults --version | grep -qv MariaDB && echo $$file && break; done)
MARIADBD = $(shell PATH=$$PATH:/usr/sbin command -v mariadbd)

help: ## This list.
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Install what is missing, build, and run everything here on private servers with a demo.
	@scripts/install-tools run
	cargo build --release
	target/release/rowcast up --sandbox --demo

test: ## Install what is missing, and run every test, on each SQL server that is there.
	@scripts/install-tools test
	@$(MAKE) --no-print-directory unit integration release-check

unit: ## The tests that need no servers; seconds.
	cargo test --lib --bins

integration:
	@[ -n "$(MARIADBD)$(MYSQLD)" ] || { echo "No SQL server to test with: run scripts/install-tools test" >&2; exit 1; }
	@[ -z "$(MARIADBD)" ] || $(MAKE) --no-print-directory integration-mariadb
	@[ -z "$(MYSQLD)" ] || $(MAKE) --no-print-directory integration-mysql
	@[ -n "$(MYSQLD)" ] || echo "Not tested with a real MySQL: there is none. scripts/install-mysql unpacks one."

integration-%: ## The integration tests with one server: integration-mariadb or integration-mysql.
	@# They wait more than they work: one more at a time than there are cores.
	ROWCAST_TEST_SQL=$* cargo test --features fault-points --test it -- --test-threads $$(($$(nproc) + 1))

outages: ## A campaign of outages of both servers, for ROWCAST_TEST_SECONDS, with the SQL server of ROWCAST_TEST_SQL.
	ROWCAST_TEST_SECONDS=$${ROWCAST_TEST_SECONDS:-60} cargo test --features fault-points --test it -- \
		--ignored --nocapture a_campaign_of_outages

storms: ## Clients in one storm after the other, for ROWCAST_TEST_SECONDS, with the SQL server of ROWCAST_TEST_SQL.
	@scripts/install-tools test
	ROWCAST_TEST_SECONDS=$${ROWCAST_TEST_SECONDS:-300} cargo test --features fault-points --test it -- \
		--ignored --nocapture a_campaign_of_storms

release-check: ## Prove that a release build holds no fault point.
	cargo build --release
	@! grep -q ROWCAST_FAULT target/release/rowcast || { echo "The release build holds fault points." >&2; exit 1; }
	@echo "The release build holds no fault point."

bench: ## Measure beside the bulk loader, on each SQL server that is there; minutes. Quiet machine, please.
	@scripts/install-tools run
	cargo bench --bench end_to_end

bench-gateway: ## Measure the gateway beside Node's socket.io server; minutes. Quiet machine, please.
	@scripts/install-tools test
	cargo bench --bench gateway

check: ## Formatting, lints, types, documentation and packaging, warnings denied.
	@scripts/install-tools test
	cargo fmt --check
	cargo clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	cd client && npm run --silent check
	cd dashboard && npm run --silent check
	scripts/check-docker

clean-sandbox: ## Remove the private servers' data. Stop `make run` first.
	rm -rf .sandbox
